"""Systems that take one customer an event; an event is (service time, gap to the next customer), its weight the gap."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.checks import FieldError
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.process import Process
from jaxq.engine.stationarity import Stationarity
from jaxq.engine.system import System
from jaxq.laws.batch import BatchLaw
from jaxq.laws.law import Law
from jaxq.laws.standard import Exponential
from jaxq.systems.stations.processes.ticks import in_ticks


class ByCustomer(System):
    """Renewal arrivals and service times, both independent; Poisson arrivals unless ``_arrival_law`` says otherwise."""

    arrival_rate: eqx.AbstractVar[float]
    service_rate: eqx.AbstractVar[float]
    service_law: eqx.AbstractVar[Law]

    @property
    def words(self):
        return self._arrival_law().words + self.service_law.words

    def _arrival_law(self) -> Law:
        return Exponential()

    def next_event(self, state, words):
        arrival, service = self._arrival_law(), self.service_law
        # a product costs less than a division
        gap: Any = arrival.sample(words[: arrival.words]) * (1 / self.arrival_rate)  # pyright: ignore[reportOperatorIssue]
        time: Any = service.sample(words[arrival.words :]) * (1 / self.service_rate)  # pyright: ignore[reportOperatorIssue]
        return (time, gap), gap

    def _record(self, state, event):
        return {"service_time": event[0], **self.tally(state, event)}


class Queue(ByCustomer):
    """First come first served with an endless queue: what is reported of the waits.

    Metrics: waiting_time, sojourn_time = waiting_time + 1/mu, queue_length = lambda waiting_time (Little),
    probability_wait. With a ``batch_law`` lambda is the rate of customers, and their batches come at lambda / mean size.
    """

    batch_law: eqx.AbstractVar[BatchLaw | None]

    def check_fields(self):
        batches = getattr(self._arrival_law(), "rate", None)
        if self.batch_law is None or batches is None or self.batch_law.mean == 1 or self.arrival_rate != batches:
            return
        rule = f"must be of customers, {batches * self.batch_law.mean:g}; the observed arrival_law is that of batches"
        raise FieldError("arrival_rate", self.arrival_rate, rule, short=True)

    def process(self) -> Any:
        if self.batch_law is None:
            return in_ticks(self, False)
        batches = self.replace(batch_law=None, arrival_rate=self.arrival_rate / self.batch_law.mean)
        return Batches(in_ticks(batches, True), self.batch_law)

    def _mean_by(self, rate):
        batches = rate == "arrival_rate" and self.batch_law is not None
        return f"batch_law.mean/{rate}" if batches else super()._mean_by(rate)

    def _batch_key(self):
        return None if self.batch_law is None else self.batch_law.key()

    def metrics(self, sums):
        wait = sums["waiting_time"] / sums.events
        return {
            "waiting_time": wait,
            "sojourn_time": wait + 1.0 / self.service_rate,
            "queue_length": self.arrival_rate * wait,
            "probability_wait": sums["waited"] / sums.events,
        }

    def _capacity(self) -> tuple[float, str]:
        """Customers served per unit of time at most, and how that is written."""
        return self.service_rate, f"service_rate = {self.service_rate:g}"

    def stationarity(self):
        return Stationarity(self._check_load, self._tail())

    def _tail(self):
        """With s spare servers, s = c - floor(load), the mean wait is finite if and only if ``E S^(1 + 1/s)`` is
        (Scheller-Wolf and Sigman 1997; E S^2 for one server). The variance of its average over time asks for two moments
        more of one server, E S^4 (Daley 1968), and here for ``1 + 3/s`` of several, by the same argument."""
        spare = max(1, int(getattr(self, "servers", 1)) - math.floor(self.arrival_rate / self.service_rate))
        if self.service_law.moments <= 1 + 1 / spare:
            return "infinite_mean"
        return "heavy_tail" if self.service_law.moments <= 1 + 3 / spare else None

    def _check_load(self):
        most, written = self._capacity()
        if self.arrival_rate >= most:
            raise FieldError(
                "arrival_rate", self.arrival_rate, f"must be < {written} (no stationary regime)", short=True
            )


class Lindley(Queue):
    """One server: ``W' = (W + S - A)+`` (Lindley 1952). State: the wait W of the customer at hand, float32, time."""

    def init(self, words):
        return 0.0

    def _beginning(self):
        return Beginning({"work": Number(real=True)}, lambda _, given: given["work"])

    def update(self, state, event):
        service, gap = event
        return jnp.maximum(state + (service - gap), 0.0)

    def tally(self, state, event):
        return {"waiting_time": state, "waited": state > 0}

    def _values(self, state, event):
        return {"sojourn_time": state + event[0]}


class Batches(Process):
    """A queue whose customers come in batches, served in order: no gap lies between those of one.

    State: that of the queue as the customer at hand finds it; the customers of its batch behind it, int32. The first is one
    of its batch at random: in batches of three all replicas would else count the same one in each third event.
    """

    queue: Process
    """Its arrival_rate is that of batches."""
    law: BatchLaw

    @property
    def words(self):
        return self.queue.words + self.law.words

    def init(self, words):
        return self.queue.init(words), self.law.behind(words[0])

    def _beginning(self):
        of_queue: Any = self.queue._beginning()
        return of_queue._replace(state=lambda state, given: (of_queue.state(state[0], given), state[1]))

    def next_event(self, state, words):
        found, behind = state
        own = self.queue.words
        (service, gap, *others), time = self.queue.next_event(found, words[:own])
        last = behind == 0
        gap, time = (jnp.where(last, x, 0.0) for x in (gap, time))
        return ((service, gap, *others), jnp.where(last, self.law.sample(words[own:]), behind) - 1), time

    def update(self, state, event):
        (found, _), (customer, behind) = state, event
        return self.queue.update(found, customer), behind

    def tally(self, state, event):
        return self.queue.tally(state[0], event[0])

    def _values(self, state, event):
        return self.queue._values(state[0], event[0])

    def _record(self, state, event):
        return self.queue._record(state[0], event[0]) | {"last": state[1] == 0}
