"""Difference quotients extrapolated from two steps, and with them the derivatives of what an oracle has exactly."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxq.engine.differences import named, quotient
from jaxq.engine.metric import as_reference
from jaxq.engine.model import Model
from jaxq.engine.parameter import Parameter
from jaxq.engine.reference import Reference

ORACLE_STEP = 2.0**-12


class Stencil(NamedTuple):
    """A difference quotient extrapolated from a step h and from 2 h (Richardson): ``offsets`` in steps, the weights of
    ``slope``, and of ``bias``, what h alone would have added to it; both are divided by h."""

    offsets: tuple[int, ...]
    slope: tuple[float, ...]
    bias: tuple[float, ...]


STENCILS = {
    None: Stencil((2, 1, -1, -2), (-1 / 12, 2 / 3, -2 / 3, 1 / 12), (1 / 12, -1 / 6, 1 / 6, -1 / 12)),
    "right": Stencil((0, 1, 2), (-1.5, 2.0, -0.5), (0.5, -1.0, 0.5)),
    "left": Stencil((0, -1, -2), (1.5, -2.0, 0.5), (-0.5, 1.0, -0.5)),
}
"""By side: D(h) = (f(h) - f(-h)) / 2 h, or (f(h) - f(0)) / h; the slope is (4 D(h) - D(2 h)) / 3, or 2 D(h) - D(2 h)."""


def exact_derivatives(system: Model, parameters: Sequence[Parameter], side: str | None) -> dict[str, Reference]:
    """The derivatives of the exact values that an oracle has, by a difference of it extrapolated from two steps."""
    stencil, found = STENCILS[side], {}
    for of in parameters:
        h = ORACLE_STEP * of.unit
        nodes = [exact_values(of.at(offset * h) if offset else system) for offset in stencil.offsets]
        for name in nodes[0]:
            if all(name in node for node in nodes):
                slope = quotient([(node[name], weight / h) for node, weight in zip(nodes, stencil.slope, strict=True)])
                found[named(name, of.path)] = Reference(slope)
    return found


def exact_values(system: Model) -> dict[str, float]:
    """The exact values that the oracle of a system has, by metric."""
    references = {name: as_reference(x) for name, x in system.oracle().items()}
    return {name: r.value for name, r in references.items() if r.kind in ("exact", "identity") and not r.error}
