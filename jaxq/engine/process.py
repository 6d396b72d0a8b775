"""What the engine steps: one replica of a queueing system, written with scalars.

A process never sees a batch axis, a chunk, a device or a statistic; the engine vmaps it over replicas, scans it over events,
and keeps the sums.

One event is ``next_event`` then ``update``. They are two functions because the engine carries the chosen event to the next
iteration: there it is observed, applied and the next one chosen, which lets XLA select the event only once.
"""

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import equinox as eqx

State = Any
Event = Any


class Scan(NamedTuple):
    """How the compiled scan over events runs a process and reads it.

    ``stride``: observe every stride-th event (odd: an embedded chain of period 2 would be seen in half its states only).
    ``unroll``: events unrolled between two observations; only the cheapest steps gain (each is compiled anew). ``tile``:
    replicas per tile on CPU; None: the engine chooses from the size of the state. ``init_words``: uint32 words that `init`
    gets, from a stream of their own. ``measured_at``: tally -> tallies of which one is 1 where it has a value, and all are 0
    elsewhere; quantiles are over those events only. A tally or observation with none, ``()``, is a part of a sum and not a
    value, and has no quantiles.
    """

    stride: int = 1
    unroll: int = 1
    tile: int | None = None
    init_words: int = 1
    measured_at: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Process(eqx.Module):
    """One replica: its initial state, its next event, the state after it, and what is seen on the way."""

    words: ClassVar[int] = 1
    """uint32 words one event consumes, each with one purpose."""
    scan: ClassVar[Scan] = Scan()
    """How the compiled scan runs it."""

    @abstractmethod
    def init(self, words: tuple) -> State:
        """The state at time 0: a pytree of scalars and small arrays (Python numbers are fine)."""

    @abstractmethod
    def next_event(self, state: State, words: tuple) -> tuple[Event, Any]:
        """The next event in ``state`` and its weight: the model time that ``state``, before the jump, owns.

        The weight is the conditional mean 1/rate of an embedded chain, a sampled time where a real clock is needed,
        the interarrival time when indexed by customer; None where `step_time` gives it.
        """

    @abstractmethod
    def update(self, state: State, event: Event) -> State:
        """The state after the event."""

    def observe(self, state: State) -> dict[str, Any]:
        """Scalars whose time average is wanted; whole numbers are summed exactly where the weight is constant."""
        return {}

    def tally(self, state: State, event: Event) -> dict[str, Any]:
        """Float scalars summed once an event, without weight: a customer's wait."""
        return {}

    def counters(self, state: State) -> dict[str, Any]:
        """Monotone int32 counts kept in the state; the engine takes differences, so wrapping is harmless."""
        return {}

    def overflow(self, state: State):
        """True where the state has left its representation; the result is then flagged."""
        return False

    def step_time(self) -> float | None:
        """The constant model time of one event (a uniformised chain), on the host; None: `next_event` gives weights."""
        return None

    def _values(self, state: State, event: Event) -> dict[str, Any]:
        """Scalars of an event that are not summed, and that histograms can be kept of as of what is observed or tallied."""
        return {}

    def _record(self, state: State, event: Event) -> dict[str, Any]:
        """What is recorded of a customer who is an event (`jaxq.engine.customers`): scalars by name. ``service_time``, and
        ``waiting_time`` before it, say when it leaves; ``last``: whether it is the last of its batch; ``comes``: whether
        there is a customer at all."""
        return self.tally(state, event)

    def _invalid_rates(self, state: State):
        """True where the rates in ``state`` are none: negative, not finite, above their bound (a `MarkovProcess` knows).
        The engine looks once in a while; the result is then flagged."""
        return False

    def _beginning(self) -> Any:
        """How the state at time 0 follows from numbers by name (`jaxq.engine.initial.Beginning`). None, the default: it does
        not; that of a process of a user's own is given as it is."""
        return None

    def _beside_alternatives(self, scales, slopes, slots: int) -> "Process | None":
        """The process beside alternatives to itself, where it steps in a way of its own: an
        `jaxq.engine.alternatives.Alternatives` with sums of the names of `jaxq.engine.integrands`. None, the default: it has
        none; what is stepped by its rates alone needs none.

        ``scales``: |theta| of each parameter, shape (P,). ``slopes``: of each the `jaxq.engine.parameter.tangents`.
        ``slots``: alternatives to keep.
        """
        return None
