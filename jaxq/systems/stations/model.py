"""Single stations: M/M/c/K+M as a jump process; M/G/1, GI/G/1, GI/G/c, M/G/c/c and M/G/infinity by customer, the first three
of these in batches too.

Notation: arrival rate lambda, service rate mu per server, servers c, abandonment rate theta of a waiting customer,
capacity K (customers in the system at most), load lambda/mu, utilisation lambda/(c mu).
"""

import math
from typing import Any

import jax.numpy as jnp

from jaxq.checks import FieldError
from jaxq.engine.fields import compound, nonnegative, positive, whole
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import JumpProcess
from jaxq.engine.process import Scan
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.laws.batch import BATCH_USAGE, BatchLaw, parse_batch_law
from jaxq.laws.law import Law
from jaxq.laws.standard import USAGE, Exponential, parse_law
from jaxq.systems.stations.processes import workloads
from jaxq.systems.stations.processes.by_customer import Lindley, Queue
from jaxq.systems.stations.processes.occupancy import Occupancy

MOST_SERVERS = 1024
"""The work at every server is moved at every customer."""
MOST_PLACES = 4096


def _law(times: str, rate: str) -> Any:
    return compound(f"{times} law, scaled to mean 1/{rate}", parse_law, Law, default=Exponential(), usage=USAGE)


def _batches() -> Any:
    return compound(
        "law of the number of customers who come together, in batches at arrival_rate / mean number; none: one by one",
        parse_batch_law,
        BatchLaw,
        default=None,
        optional=True,
        usage=BATCH_USAGE,
    )


def _rate(doc: str, default: float, law: str) -> Any:
    return positive(f"{doc}, 1/time", default=default, observed=f"{law}.rate")


MARKOVIAN = (
    Quantity("number_in_system", "customers in the system", "customers", primary=True),
    Quantity("queue_length", "customers who wait", "customers"),
    Quantity("waiting_time", "wait of an admitted customer, those who abandon included (Little)", "time"),
    Quantity("probability_wait", "an admitted customer waits (Poisson arrivals see time averages)", "probability"),
    Quantity("probability_abandon", "an admitted customer abandons", "probability"),
    Quantity("utilisation", "share of the servers that are busy", "share"),
    Quantity("probability_block", "an arriving customer finds the system full", "probability"),
)
CUSTOMERS = (
    Quantity("waiting_time", "wait of a customer before its service", "time", primary=True),
    Quantity("sojourn_time", "time of a customer in the system", "time"),
    Quantity("queue_length", "customers who wait (Little)", "customers"),
    Quantity("probability_wait", "a customer waits", "probability"),
    Quantity("utilisation", "share of the servers that are busy", "share"),
)
OCCUPANCY = (
    Quantity("number_in_system", "customers in the system", "customers", primary=True),
    Quantity("number_variance", "variance of the number in the system", "customers^2"),
    Quantity("probability_empty", "the system is empty", "probability"),
    Quantity(
        "probability_block", "an arriving customer finds all servers busy and is lost", "probability", primary=True
    ),
    Quantity("utilisation", "share of the servers that are busy", "share"),
)
"""The metrics of `MMc`; of queues by customer; of stations without a queue."""


class MMc(JumpProcess):
    """M/M/c/K+M: Poisson arrivals, c exponential servers, exponential patience, room for K customers.

    State: the number in system n, int32. Transitions: arrival lambda, service mu min(n, c), abandonment
    theta (n - c)+. Uniformised at lambda + c mu without abandonment, embedded with it.
    """

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8, momentary=True)
    service_rate: float = positive("service rate of one server, 1/time", default=1.0, momentary=True)
    servers: int = whole("servers", default=1, momentary=True)
    abandonment_rate: float | None = nonnegative(
        "abandonment rate of a waiting customer, 1/time", default=None, optional=True, momentary=True
    )
    capacity: int | None = whole("customers in the system at most", default=None, optional=True, momentary=True)

    name = "mmc"
    metric_table = MARKOVIAN
    scan = Scan(stride=3, unroll=3, tile=128)

    def check_fields(self):
        if self.capacity is not None and self.capacity < self.servers:
            raise FieldError("capacity", self.capacity, f"must be >= servers = {self.servers}")

    def init(self, words):
        return 0

    def _beginning(self):
        return Beginning({"number_in_system": Number(self.capacity)}, lambda _, given: given["number_in_system"])

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
        queue = self._queue(state)
        seen = {"number_in_system": state, "queue_length": queue, "all_busy": state >= self.servers}
        # weighted sums are float32: in overload, number - queue would be rounding
        if self.abandonment_rate is not None:
            seen["busy"] = jnp.minimum(state, self.servers)
        return seen if self.capacity is None else {**seen, "full": state >= self.capacity}

    def metrics(self, sums):
        number, queue, all_busy = (sums[name] / sums.time for name in ("number_in_system", "queue_length", "all_busy"))
        busy = number - queue if self.abandonment_rate is None else sums["busy"] / sums.time
        full = 0.0 if self.capacity is None else sums["full"] / sums.time
        admitted = self.arrival_rate * (1.0 - full)
        patience = 0.0 if self.abandonment_rate is None else self.abandonment_rate
        return {
            "number_in_system": number,
            "queue_length": queue,
            "waiting_time": queue / admitted,
            "probability_wait": (all_busy - full) / (1.0 - full),
            "probability_abandon": patience * queue / admitted,
            "utilisation": busy / float(self.servers),
            **({} if self.capacity is None else {"probability_block": full}),
        }

    def stationarity(self):
        return Stationarity(self._check_load)

    def _check_load(self):
        load = float(self.arrival_rate / self.service_rate)
        if self.capacity is None and not self.abandonment_rate and load >= self.servers:
            raise FieldError(
                "arrival_rate",
                self.arrival_rate,
                f"must be < servers x service_rate = {self.servers * self.service_rate:g} (no stationary "
                "regime without abandonment or capacity)",
                short=True,
            )

    def oracle(self):
        from jaxq.systems.stations.oracle import mmc

        return mmc(self.arrival_rate, self.service_rate, self.servers, self.abandonment_rate, self.capacity)

    def tails(self):
        from jaxq.systems.stations.tails import mmc

        return mmc(self.arrival_rate, self.service_rate, self.servers, self.abandonment_rate, self.capacity)


class MG1(Lindley):
    """M/G/1: Poisson arrivals, one server, service times from a law with mean 1/service_rate."""

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = _rate("service rate", 1.0, "service_law")
    service_law: Law = _law("service", "service_rate")
    batch_law: BatchLaw | None = _batches()

    name = "mg1"
    metric_table = CUSTOMERS

    def oracle(self):
        from jaxq.systems.stations.oracle import mg1

        return mg1(self.arrival_rate, self.service_rate, self.service_law.key(), self._batch_key())

    def tails(self):
        from jaxq.systems.stations.tails import waits

        laws = Exponential().key(), self.service_law.key(), self._batch_key()
        return waits(self.arrival_rate, self.service_rate, 1, *laws)


class GG1(Lindley):
    """GI/G/1: renewal arrivals from a law with mean 1/arrival_rate, service times from a law with mean 1/service_rate."""

    arrival_rate: float = _rate("arrival rate", 0.8, "arrival_law")
    service_rate: float = _rate("service rate", 1.0, "service_law")
    arrival_law: Law = _law("interarrival", "arrival_rate")
    service_law: Law = _law("service", "service_rate")
    batch_law: BatchLaw | None = _batches()

    name = "gg1"
    metric_table = CUSTOMERS

    def _arrival_law(self):
        return self.arrival_law

    def oracle(self):
        from jaxq.systems.stations.oracle import gg1

        laws = self.arrival_law.key(), self.service_law.key()
        return gg1(self.arrival_rate, self.service_rate, *laws, self._batch_key())

    def tails(self):
        from jaxq.systems.stations.tails import waits

        laws = self.arrival_law.key(), self.service_law.key(), self._batch_key()
        return waits(self.arrival_rate, self.service_rate, 1, *laws)


class GGc(Queue):
    """GI/G/c+G, first come first served: renewal arrivals, c servers (Kiefer and Wolfowitz 1955), limited patience if given.

    State: the work before each server as a customer finds it, ascending, float32, time. A customer waits the least of
    them, adds its service there, and all run down by the gap to the next customer: ``O(c)`` a customer. With
    ``abandonment_rate`` a customer whose patience is shorter leaves when it is over, and adds nothing; waits are of all
    customers, those who leave included. The utilisation is lambda E(service) / c over all customers: a mean over time has no
    finite variance where the gaps have none.
    """

    arrival_rate: float = _rate("arrival rate", 0.8, "arrival_law")
    service_rate: float = _rate("service rate of one server", 1.0, "service_law")
    servers: int = whole("servers", default=1, static=True, high=MOST_SERVERS)
    arrival_law: Law = _law("interarrival", "arrival_rate")
    service_law: Law = _law("service", "service_rate")
    abandonment_rate: float | None = positive(
        "1 / mean patience of a waiting customer, 1/time; none: nobody leaves",
        default=None,
        optional=True,
        observed="patience_law.rate",
    )
    patience_law: Law = _law("patience", "abandonment_rate")
    batch_law: BatchLaw | None = _batches()

    name = "ggc"
    metric_table = (
        *CUSTOMERS,
        Quantity("probability_abandon", "a customer leaves unserved, once it has waited its patience", "probability"),
    )

    def check_fields(self):
        super().check_fields()
        if not self._limited and self.patience_law.key() != Exponential().key():
            raise FieldError("patience_law", self.patience_law, "must go with an abandonment_rate, 1 / mean patience")

    @property
    def words(self):
        return super().words + (self.patience_law.words if self._limited else 0)

    @property
    def _limited(self) -> bool:
        return self.abandonment_rate is not None

    def _arrival_law(self):
        return self.arrival_law

    def _capacity(self):
        most = self.servers * self.service_rate
        return most, f"servers x service_rate = {most:g}"

    def stationarity(self):
        if not self._limited:
            return super().stationarity()
        return Stationarity(tail="heavy_tail" if self.service_law.moments <= 2 else None)

    def init(self, words):
        return workloads.zeros(self.servers)

    def _beginning(self):
        numbers = {"work": Number(size=self.servers, real=True)}
        return Beginning(numbers, lambda _, given: workloads.times(given["work"]))

    def next_event(self, state, words):
        own = super().words
        event, gap = super().next_event(state, words[:own])
        if self.abandonment_rate is None:
            return event, gap
        patience: Any = self.patience_law.sample(words[own:])
        return (*event, patience * (1 / self.abandonment_rate)), gap

    def _served(self, state, event):
        """(service that the customer gets, whether it stays for it)."""
        if not self._limited:
            return event[0], None
        stays = event[2] >= state[0]
        return jnp.where(stays, event[0], 0.0), stays

    def update(self, state, event):
        service, _ = self._served(state, event)
        return workloads.run_down(workloads.replace_least(state, state[0] + service), event[1])

    def tally(self, state, event):
        service, stays = self._served(state, event)
        seen = {"waiting_time": state[0], "waited": state[0] > 0, "service_time": service}
        if stays is None:
            return seen
        return seen | {"waiting_time": jnp.minimum(state[0], event[2]), "abandoned": ~stays}

    def _values(self, state, event):
        seen = self.tally(state, event)
        return {"sojourn_time": seen["waiting_time"] + seen["service_time"]}

    def metrics(self, sums):
        service = sums["service_time"] / sums.events
        found = super().metrics(sums) | {"utilisation": service * float(self.arrival_rate / self.servers)}
        if not self._limited:
            return found
        sojourn = found["waiting_time"] + service
        return found | {"sojourn_time": sojourn, "probability_abandon": sums["abandoned"] / sums.events}

    def oracle(self):
        from jaxq.systems.stations.oracle import ggc

        rates = self.arrival_rate, self.service_rate, self.servers, self.abandonment_rate
        laws = self.arrival_law.key(), self.service_law.key(), self.patience_law.key()
        return ggc(*rates, *laws, self._batch_key())

    def tails(self):
        from jaxq.systems.stations.tails import impatient_waits, waits

        given = self.arrival_rate, self.service_rate, self.servers
        laws = self.arrival_law.key(), self.service_law.key()
        if self.abandonment_rate is None:
            return waits(*given, *laws, self._batch_key())
        return impatient_waits(*given, self.abandonment_rate, *laws, self.patience_law.key(), self._batch_key())


class MGcc(Occupancy):
    """M/G/c/c, Erlang's loss system: Poisson arrivals, c servers and no queue; who finds all busy is lost.

    The stationary law depends on the service law through its mean only.
    """

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = _rate("service rate of one server", 1.0, "service_law")
    servers: int = whole("servers", default=1, static=True, high=MOST_SERVERS)
    service_law: Law = _law("service", "service_rate")

    name = "mgcc"
    metric_table = OCCUPANCY

    @property
    def places(self):
        return self.servers

    def metrics(self, sums):
        found = super().metrics(sums)
        return {
            **found,
            "probability_block": sums["refused"] / sums.events,
            "utilisation": found["number_in_system"] / float(self.servers),
        }

    def oracle(self):
        from jaxq.systems.stations.oracle import mgcc

        return mgcc(self.arrival_rate, self.service_rate, self.servers)


class MGinf(Occupancy):
    """M/G/infinity: Poisson arrivals, a server for everyone.

    The number in system is Poisson with mean lambda/mu for every service law. ``most_customers`` bounds those that the
    simulation holds at once; the default leaves out less than 1e-15 of the law, and a run that needs more is
    flagged ``overflow``.
    """

    arrival_rate: float = positive("arrival rate, 1/time", default=0.8)
    service_rate: float = _rate("service rate", 1.0, "service_law")
    service_law: Law = _law("service", "service_rate")
    most_customers: int | None = whole(
        "customers held at once; none: from the load", default=None, optional=True, static=True, high=MOST_PLACES
    )

    name = "mginf"
    metric_table = OCCUPANCY

    @property
    def places(self):
        return self.most_customers or self._enough()

    def _enough(self) -> int:
        """Places that a Poisson number passes with probability under 1e-15, rounded up so that programs are shared."""
        from scipy.special import pdtrc

        load = float(self.arrival_rate / self.service_rate)
        places = 16 * math.ceil(load / 16)
        while pdtrc(places, load) > 1e-15:
            places += 16
        return places

    def check_fields(self):
        load = float(self.arrival_rate / self.service_rate)
        if self.most_customers is None and (load > MOST_PLACES or self._enough() > MOST_PLACES):
            raise FieldError(
                "arrival_rate",
                self.arrival_rate,
                f"must be such that a load of {load:g} fits {MOST_PLACES} customers",
                short=True,
            )

    def process(self):
        return self.replace(most_customers=self.places)

    def overflow(self, state):
        return state[1] > 0

    def _record(self, state, event):
        return {"service_time": event[0]}

    def oracle(self):
        from jaxq.systems.stations.oracle import mginf

        return mginf(self.arrival_rate, self.service_rate)
