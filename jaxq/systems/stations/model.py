"""Single stations: M/M/c/K+M as a jump process, M/G/1 and GI/G/1 by Lindley's recursion.

Notation: arrival rate lambda, service rate mu per server, servers c, abandonment rate theta of a waiting customer,
capacity K (customers in the system at most), load lambda/mu, utilisation lambda/(c mu).
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.fields import compound, nonnegative, positive, whole
from jaxq.engine.jump_process import JumpProcess
from jaxq.engine.system import System
from jaxq.systems.stations.laws import Exponential, Law, parse_law


class MMc(JumpProcess):
    """M/M/c/K+M: Poisson arrivals, c exponential servers, exponential patience, room for K customers.

    State: the number in system n, int32. Transitions: arrival lambda, service mu min(n, c), abandonment
    theta (n - c)+. Uniformised at lambda + c mu without abandonment, embedded with it.

    Metrics: number_in_system; queue_length (waiting); waiting_time of an admitted customer, those who abandon
    included (Little); probability_wait and probability_abandon of an admitted customer; utilisation; with a capacity
    probability_block of an arrival. Arrivals see time averages (PASTA).
    """

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = positive("service rate of one server, 1/time", default=1.0)
    servers: int = whole("servers", default=1)
    abandonment_rate: float | None = nonnegative(
        "abandonment rate of a waiting customer, 1/time", default=None, optional=True
    )
    capacity: int | None = whole("customers in the system at most", default=None, optional=True)

    name = "mmc"
    headline = ("number_in_system",)
    stride = 3
    unroll = 3
    tile = 128

    def check_fields(self):
        if self.capacity is not None and self.capacity < self.servers:
            raise ValueError(f"capacity = {self.capacity}: must be >= servers = {self.servers}")

    def init(self, words):
        return 0

    def rates(self, state):
        n = state
        arrival = self.arrival_rate if self.capacity is None else jnp.where(n < self.capacity, self.arrival_rate, 0.0)
        rates = (arrival, self.service_rate * jnp.minimum(n, self.servers))
        return rates if self.abandonment_rate is None else (*rates, self.abandonment_rate * self._queue(n))

    def jump(self, state, k):
        return state + 1 if k == 0 else state - 1

    def total_rate_bound(self):
        return self.arrival_rate + self.service_rate * self.servers if self.abandonment_rate is None else None

    def _queue(self, n):
        return jnp.maximum(n - self.servers, 0)

    def observe(self, state):
        seen = {"number_in_system": state, "queue_length": self._queue(state), "all_busy": state >= self.servers}
        return seen if self.capacity is None else {**seen, "full": state >= self.capacity}

    def metrics(self, sums):
        number, queue, all_busy = (sums[name] / sums.time for name in ("number_in_system", "queue_length", "all_busy"))
        full = 0.0 if self.capacity is None else sums["full"] / sums.time
        admitted = self.arrival_rate * (1.0 - full)
        patience = 0.0 if self.abandonment_rate is None else self.abandonment_rate
        return {
            "number_in_system": number,
            "queue_length": queue,
            "waiting_time": queue / admitted,
            "probability_wait": (all_busy - full) / (1.0 - full),
            "probability_abandon": patience * queue / admitted,
            "utilisation": (number - queue) / float(self.servers),
            **({} if self.capacity is None else {"probability_block": full}),
        }

    def check_stationary(self):
        load = float(self.arrival_rate / self.service_rate)
        if self.capacity is None and not self.abandonment_rate and load >= self.servers:
            raise ValueError(
                f"arrival_rate = {self.arrival_rate:g}: must be < servers x service_rate = "
                f"{self.servers * self.service_rate:g} (no stationary regime without abandonment or capacity)"
            )

    def oracle(self):
        from jaxq.systems.stations.oracle import mmc

        return mmc(self.arrival_rate, self.service_rate, self.servers, self.abandonment_rate, self.capacity)


class Lindley(System):
    """One server, first come first served, a customer an event: ``W' = (W + S - A)+`` (Lindley 1952).

    State: the wait W of the customer at hand, float32, time. Metrics: waiting_time, sojourn_time = waiting_time +
    1/mu, queue_length = lambda waiting_time (Little), probability_wait.
    """

    arrival_rate: eqx.AbstractVar[float]
    service_rate: eqx.AbstractVar[float]
    service_law: eqx.AbstractVar[Law]

    headline = ("waiting_time",)

    @property
    def words(self):
        return self._arrival_law().words + self.service_law.words

    def _arrival_law(self) -> Law:
        return Exponential()

    def init(self, words):
        return 0.0

    def choose(self, state, words):
        arrival, service = self._arrival_law(), self.service_law
        gap: Any = arrival.sample(words[: arrival.words]) / self.arrival_rate  # pyright: ignore[reportOperatorIssue]
        time: Any = service.sample(words[arrival.words :]) / self.service_rate  # pyright: ignore[reportOperatorIssue]
        return (time, gap), gap

    def apply(self, state, event):
        service, gap = event
        return jnp.maximum(state + (service - gap), 0.0)

    def tally(self, state, event):
        return {"waiting_time": state, "waited": state > 0}

    def metrics(self, sums):
        wait = sums["waiting_time"] / sums.events
        return {
            "waiting_time": wait,
            "sojourn_time": wait + 1.0 / self.service_rate,
            "queue_length": self.arrival_rate * wait,
            "probability_wait": sums["waited"] / sums.events,
        }

    def check_stationary(self):
        if self.arrival_rate >= self.service_rate:
            raise ValueError(
                f"arrival_rate = {self.arrival_rate:g}: must be < service_rate = {self.service_rate:g} "
                "(no stationary regime)"
            )


class MG1(Lindley):
    """M/G/1: Poisson arrivals, one server, service times from a law with mean 1/service_rate."""

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = positive("service rate, 1/time", default=1.0)
    service_law: Law = compound("service law, scaled to mean 1/service_rate", parse_law, Law, default=Exponential())

    name = "mg1"

    def oracle(self):
        from jaxq.systems.stations.oracle import mg1

        return mg1(self.arrival_rate, self.service_rate, self.service_law.key())


class GG1(Lindley):
    """GI/G/1: renewal arrivals from a law with mean 1/arrival_rate, service times from a law with mean 1/service_rate."""

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = positive("service rate, 1/time", default=1.0)
    arrival_law: Law = compound(
        "interarrival law, scaled to mean 1/arrival_rate", parse_law, Law, default=Exponential()
    )
    service_law: Law = compound("service law, scaled to mean 1/service_rate", parse_law, Law, default=Exponential())

    name = "gg1"

    def _arrival_law(self):
        return self.arrival_law

    def oracle(self):
        from jaxq.systems.stations.oracle import gg1

        return gg1(self.arrival_rate, self.service_rate, self.arrival_law.key(), self.service_law.key())
