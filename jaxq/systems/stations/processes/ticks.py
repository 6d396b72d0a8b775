"""Queues whose times are whole multiples of one tick, stepped in ticks.

Float32 holds sums of whole numbers exactly. Of other times it rounds each, so that who comes at the moment at which a
service ends would wait 1e-7 half of the time, and not 0: with times in whole minutes that moves the probability to wait by
per cents.
"""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.engine.process import Process
from jaxq.laws.lattice import MOST, common

PARTS = 1000
"""Into which a tick is cut, at most, beside a constant time of any length: 2.25 minutes beside whole minutes."""
TIMES = "waiting_time", "service_time", "sojourn_time"


class Ticks(Process):
    """A queue that is stepped in ticks: what is a whole number of them is rounded to it.

    State: that of the queue, its times in ticks.
    """

    queue: Any
    """Its rates are those of its times in their own ticks where these are whole."""
    tick: Any
    """Length of a tick, time."""
    ratios: tuple
    """Ticks in one of their own, of service, gap and patience."""
    whole: tuple[bool, ...] = eqx.field(static=True)
    """Which of these are whole numbers."""

    @property
    def words(self):
        return self.queue.words

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.queue.scan

    def init(self, words):
        return self.queue.init(words)

    def next_event(self, state, words):
        event, _ = self.queue.next_event(state, words)
        rounded = [
            jnp.floor(x + 0.5) * ratio if whole else x
            for x, ratio, whole in zip(event, self.ratios, self.whole, strict=True)
        ]
        return tuple(rounded), rounded[1] * self.tick

    def update(self, state, event):
        return self.queue.update(state, event)

    def tally(self, state, event):
        return self._in_time(self.queue.tally(state, event))

    def _values(self, state, event):
        return self._in_time(self.queue._values(state, event))

    def _record(self, state, event):
        return self._in_time(self.queue._record(state, event))

    def _beginning(self):
        of_queue: Any = self.queue._beginning()

        def state(state, given):
            return of_queue.state(state, {name: np.asarray(x) / self.tick for name, x in given.items()})

        return of_queue._replace(state=state)

    def _in_time(self, seen: dict[str, Any]) -> dict[str, Any]:
        return {name: x * self.tick if name in TIMES else x for name, x in seen.items()}


def in_ticks(queue: Any, batches: bool) -> Process:
    """A queue by customer as it is stepped: in ticks where its services have one, and its gaps too unless there are
    ``batches``; else as it is."""
    laws, rates = [queue.service_law, queue._arrival_law()], [queue.service_rate, queue.arrival_rate]
    if getattr(queue, "abandonment_rate", None) is not None:
        laws.append(queue.patience_law)
        rates.append(queue.abandonment_rate)
    ticks = [law.tick for law in laws]
    if ticks[0] is None or (ticks[1] is None and not batches):
        return queue
    first = 1 if ticks[1] is not None and laws[0].largest == ticks[0] else 0
    parts = 1 if ticks[1] is None else _parts(*[(laws[i], ticks[i]) for i in (first, 1 - first)])
    tick = ticks[first] / rates[first] / parts
    in_own = [rate * tick if own is None else own for own, rate in zip(ticks, rates, strict=True)]
    names = ("service_rate", "arrival_rate", "abandonment_rate")
    return Ticks(
        queue.replace(**dict(zip(names, in_own, strict=False))),
        tick,
        tuple(1.0 if own is None else own / rate / tick for own, rate in zip(ticks, rates, strict=True)),
        tuple(own is not None for own in ticks),
    )


def _parts(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
    """Into how many parts the tick of a law is cut, so that the times of the other are whole numbers of them too: whatever
    their rates are, so that it is the same in a sweep and beside a system. Each with its tick."""
    (law, tick), (constant, whole) = one, other
    most = MOST * tick / law.largest
    if constant.largest == whole:
        return min(PARTS, 10 ** math.floor(math.log10(most)))
    own, others = tick * law.mean, whole * constant.mean  # of observed values, in their unit
    parts = round(own / common(own, others, own / most / 2))
    return parts if parts <= most else 1
