"""What is run for the derivatives of a system without a step and without bias, where there is such a thing."""

from collections.abc import Sequence

from jaxq.checks import FieldError
from jaxq.engine.alternatives import Alternatives
from jaxq.engine.coupled import coupled
from jaxq.engine.model import Model
from jaxq.engine.parameter import Parameter, alike
from jaxq.engine.pathwise import Pathwise, pathwise
from jaxq.engine.process import Process
from jaxq.engine.record import title

BESIDE = 2.0**-30
"""Relative distance at which a program is that of one side."""
UNBIASED = "coupling", "pathwise"
LARGEST = 128
"""Transitions times paths of a coupled process that is chosen without being asked for: more take long to compile."""


def unbiased(
    system: Model,
    parameters: Sequence[Parameter],
    slopes: Sequence[list],
    method: str = "auto",
    side: str | None = None,
) -> Alternatives | Pathwise:
    """The prepared process beside alternatives to itself (coupling), or beside the derivative of its path (pathwise); the
    first that it has, or the one that is asked for.

    Args:
        system: the system.
        parameters: those that the derivatives are by.
        slopes: their `jaxq.engine.parameter.tangents`.
        method: ``auto`` or one of `UNBIASED`.
        side: on which the derivatives are taken, where the program changes at the parameter.

    Raises:
        FieldError: it has none of them, and why.
    """
    process, refused = on_side(system, parameters, side), []
    for kind in UNBIASED if method == "auto" else [method]:
        try:
            if kind == "pathwise":
                return pathwise(system, process, slopes)
            found = coupled(process, parameters, slopes, title(system))
        except FieldError as error:
            refused.append(error)
        else:
            if method != "auto" or (found.automatic and found.size <= LARGEST):
                return found
            long = f"has {found.size} transitions of paths, which take long to compile"
            slow = "is left to differences unless asked for: alternatives may last long"
            why = long if found.automatic else slow
            refused.append(FieldError("method", f"coupling: {title(system)}", why))
    if len(refused) == 1:
        raise refused[0]
    raise FieldError("method", method, "; ".join(f"{error.value} {error.rule}" for error in refused))


def on_side(system: Model, parameters: Sequence[Parameter], side: str | None) -> Process:
    """The prepared process of a system, with the program of the side on which derivatives are taken."""
    process = system.process()
    if side is None:
        return process
    there = parameters[0].at((1 if side == "right" else -1) * BESIDE * parameters[0].unit).process()
    return process if alike(process, there) else there
