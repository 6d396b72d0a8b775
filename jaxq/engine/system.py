"""Model and process in one: a system of a user's own that is simple enough needs one class."""

from typing import Self

from jaxq.engine.model import Model
from jaxq.engine.process import Process


class System(Model, Process):
    """One replica of a queueing system, stepped by `init`, `next_event` and `update`, with the fields that a user gives.

    Subclass it (or `JumpProcess`) and declare the fields.
    """

    def process(self) -> Self:
        """Itself."""
        return self
