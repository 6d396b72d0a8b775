"""What formulas say of a system's stationary regime, before anything is simulated."""

from collections.abc import Callable
from typing import NamedTuple

from jaxq.engine.process import Process


def known_of_none() -> None:
    """Nothing is known against a stationary regime."""


class Stationarity(NamedTuple):
    """Whether there is a stationary regime, when it can begin, and what can be said of means in it.

    ``check()``: raises ValueError if a formula says that there is none. ``tail``: the flag of a run whose laws have so heavy
    a tail that a stationary mean is infinite (``infinite_mean``), or the variance of an average over time (``heavy_tail``);
    None elsewhere. ``switches``: model times, increasing, at which the system changes by itself (rates that switch); means
    begin after the last. ``wandering``: metrics of what may walk without end and moves nothing else: no run waits for them,
    and each is a mean over the span of the run. ``phased``: metrics of which a part stays as it was drawn at the start,
    replica by replica (a place on a lattice): from 30 replicas on, which average over it, no run has to be long beside what
    they remember. ``chain()``: the system as a `MarkovProcess`, for `exact`, where `process`
    steps in another way; raises ValueError, with the reason, where there is none.
    """

    check: Callable[[], None] = known_of_none
    tail: str | None = None
    switches: tuple[float, ...] = ()
    wandering: tuple[str, ...] = ()
    phased: tuple[str, ...] = ()
    chain: Callable[[], Process] | None = None
