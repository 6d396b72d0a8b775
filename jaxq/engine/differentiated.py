"""What jump processes that are run for derivatives have in common: what moves along the parameters, and their controls."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx

from jaxq.engine.control_choice import with_controls
from jaxq.engine.controls import WithControls
from jaxq.engine.integrands import along
from jaxq.engine.parameter import along_moving
from jaxq.engine.process import Process


class Differentiated(Process):
    """A prepared jump process that is run for the derivatives of its means.

    The controls Q phi of it average to 0 whatever the parameters are, and so do their derivatives: both are observed beside
    the rest, and derivatives are regressed on both.
    """

    process: eqx.AbstractVar[Any]
    tangents: eqx.AbstractVar[tuple]  # by parameter, of the leaves ``moving``
    moving: eqx.AbstractVar[tuple]  # places of the leaves that a parameter moves
    functions: eqx.AbstractVar[tuple | None]  # what `WithControls` takes beside a process

    def at(self, process: Any, slopes: Sequence[list]) -> Self:
        """The same program with other parameters. ValueError where these move what was still before."""
        order = getattr(self.process, "_order", None)
        process = process if order is None else process.in_order(order)
        return dataclasses.replace(self, process=process, tangents=along_moving(slopes, self.moving, self.tangents))

    @property
    def controlled(self) -> Any:
        """The process with its controls."""
        return self.process if self.functions is None else WithControls(self.process, *self.functions)

    def with_controls(self, control: str, replicas: int, title: str) -> Self:
        """With the controls of a process, as many as the replicas bear with their derivatives. FieldError as
        `jaxq.engine.control_choice.with_controls`."""
        found = with_controls(self.process, control, replicas // (1 + len(self.tangents)), title)
        if not isinstance(found, WithControls):
            return self
        return dataclasses.replace(self, functions=(found.places, found.observed, found.functions))

    def _along(self, function) -> tuple[Any, list]:
        """(its value, its derivatives by parameter) of a function of the process."""
        return along(function, self.process, self.moving, self.tangents)

    def _drifts(self, x) -> tuple[dict[str, Any], list]:
        """(the controls in x, their derivatives by parameter)."""
        return self._along(lambda process: dataclasses.replace(self, process=process).controlled.drifts(x))
