"""What is run for the derivatives of a system without a step, where there is such a thing."""

from collections.abc import Collection, Sequence

from jaxq.checks import FieldError
from jaxq.engine.alternatives import Alternatives
from jaxq.engine.coupled import coupled
from jaxq.engine.model import Model
from jaxq.engine.parameter import Parameter, alike
from jaxq.engine.pathwise import Pathwise, pathwise
from jaxq.engine.process import Process
from jaxq.engine.record import title
from jaxq.engine.score import Scored, scored

BESIDE = 2.0**-30
"""Relative distance at which a program is that of one side."""
UNBIASED = "coupling", "pathwise"
STEPLESS = *UNBIASED, "score"
LARGEST = 128
"""Transitions times paths of a coupled process that is chosen without being asked for: more take long to compile."""


def stepless(
    system: Model,
    parameters: Sequence[Parameter],
    slopes: Sequence[list],
    method: str = "auto",
    side: str | None = None,
    metrics: Collection[str] = (),
) -> Alternatives | Pathwise | Scored:
    """The prepared process beside alternatives to itself (coupling), the derivative of its path (pathwise) or that of its
    likelihood (score): the one that is asked for, or the first unbiased one that it has.

    Args:
        system: the system.
        parameters: those that the derivatives are by.
        slopes: their `jaxq.engine.parameter.tangents`.
        method: ``auto`` or one of `STEPLESS`.
        side: on which the derivatives are taken, where the program changes at the parameter.
        metrics: those whose derivatives are wanted.

    Raises:
        FieldError: it has none of them, or not that of a metric, and why; of one that is asked for, also what is allowed.
    """

    def half(kind: str) -> Alternatives | Pathwise | Scored:
        process = on_side(system, parameters, side)
        if kind == "coupling":
            found = coupled(process, parameters, slopes, title(system))
        elif kind == "pathwise":
            found = pathwise(system, process, slopes)
        else:
            found = scored(system, process, parameters, slopes, side)
        missing = [name for name in metrics if name in found.without]
        if missing:
            rule = f"jumps as the parameter moves: {kind} differentiates only what is continuous"
            raise FieldError("method", f"{kind}: {missing[0]}", rule)
        return found

    def has(kind: str) -> bool:
        try:
            half(kind)
        except FieldError:
            return False
        return True

    if method != "auto":
        try:
            return half(method)
        except FieldError as error:
            if error.field != "method":
                raise
            others = [kind for kind in STEPLESS if kind != method and has(kind)]
            allowed = " or ".join([*others, "finite-difference"])
            raise FieldError("method", error.value, f"{error.rule}; must be {allowed}") from None
    refused = []
    for kind in UNBIASED:
        try:
            found = half(kind)
        except FieldError as error:
            refused.append(error)
        else:
            if not isinstance(found, Alternatives) or (found.automatic and found.size <= LARGEST):
                return found
            long = f"has {found.size} transitions of paths, which take long to compile"
            slow = "is left to differences unless asked for: alternatives may last long"
            why = long if found.automatic else slow
            refused.append(FieldError("method", f"coupling: {title(system)}", why))
    raise FieldError("method", method, "; ".join(f"{error.value} {error.rule}" for error in refused))


def on_side(system: Model, parameters: Sequence[Parameter], side: str | None) -> Process:
    """The prepared process of a system, with the program of the side on which derivatives are taken."""
    process = system.process()
    if side is None:
        return process
    there = parameters[0].at((1 if side == "right" else -1) * BESIDE * parameters[0].unit).process()
    return process if alike(process, there) else there
