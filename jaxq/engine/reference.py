"""What a simulated number is compared with, and what theory says besides."""

from collections.abc import Callable
from typing import Any, NamedTuple

Tail = Callable[[float], float]
"""An exact law, ``x -> P(X > x)`` for every x, from a source that shares no code with the simulator."""


class Reference(NamedTuple):
    """A value to compare a metric with, from a source that shares no code with the simulator.

    ``kind``: ``exact`` | ``identity`` (an exact relation) | ``limit`` | ``bound``; only the first two give a z.
    ``error``: standard error of the reference itself, entering z.
    """

    value: float
    kind: str = "exact"
    error: float = 0.0


class Statement(NamedTuple):
    """What theory says of a system: a number, a truth, a name, or several of them, with a unit and where it is from."""

    value: Any
    meaning: str
    source: str
