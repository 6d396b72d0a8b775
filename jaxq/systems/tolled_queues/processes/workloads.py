"""Tolled queues by customer: the unfinished work before each server, whatever the laws."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.initial import Beginning, Number
from jaxq.engine.process import Process, Scan
from jaxq.laws.law import Law
from jaxq.systems.tolled_queues.arrivals import Arrivals
from jaxq.systems.tolled_queues.policy import cheapest, drawn, first
from jaxq.systems.tolled_queues.processes.customer import Customer

NO_TIME = 1e-30
"""Work that a customer of size 0 adds, so that one who joins is told from one who does not."""


class Workloads(Process):
    """The compiled half of `TolledQueues`; see there.

    State: the work W_j before each server as an event finds it, float32, and the state of the arrival stream. An event
    is (work added to each server, class, gap to the next event, state of the stream then). Words, each with one
    purpose: class (if there are several), gap, size, tie (if ties are random); they do not depend on the servers.
    """

    mean_gap: float
    shares: Any  # probability that a customer is of one of the first classes, as words (`edges`), shape (classes - 1,)
    costs: Any  # of waiting, a class, shape (classes,)
    mean_sizes: Any  # a class, shape (classes,)
    rates: Any  # mu_j, shape (servers,)
    slownesses: Any  # 1/mu_j: a product costs less than a division, shape (servers,)
    tolls: Any  # theta_j, shape (servers,)
    thresholds: Any  # most work, own size included, at which a class still joins a server, shape (classes, servers)
    size_law: Law
    arrivals: Arrivals
    information: str = eqx.field(static=True)
    random_ties: bool = eqx.field(static=True)
    strict: bool = eqx.field(static=True)
    grains: (
        Any  # in one unit of work, of which there is always a whole number before each server; None: it may be any work
    )

    @property
    def words(self):
        return sum(self._uses)

    @property
    def _uses(self) -> tuple[int, int, int, int]:
        return int(self.classes > 1), self.arrivals.words, self.size_law.words, int(self.random_ties)

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every customer is tallied: successive joins balance each other, and every 5th alone has 2.5 to 9 times the
        variance."""
        joins = {
            f"sojourn_{i + 1}": tuple(f"joins_{i + 1}_{j + 1}" for j in range(self.servers))
            for i in range(self.classes)
        }
        parts = {f"busy_{j + 1}": () for j in range(self.servers)} | {"workload": ()}
        return Scan(tile=128, init_words=max(1, self.arrivals.init_words), measured_at=joins | parts)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.costs.shape[0]

    @property
    def servers(self) -> int:
        """Number of servers."""
        return self.rates.shape[0]

    def init(self, words):
        return (0.0,) * self.servers, self.arrivals.init(words)

    def _beginning(self):
        numbers = {"work": Number(size=self.servers, real=True)}
        return Beginning(numbers, lambda state, given: (tuple(given["work"]), state[1]))

    def of_class(self, kind, values):
        """The entry of a customer's class."""
        found = values[0]
        for i in range(1, self.classes):
            found = jnp.where(kind >= i, values[i], found)
        return found

    def drawn(self, stream, words) -> Customer:
        """Who comes in this state of the stream."""
        parts = iter(words)
        of_class, of_gap, of_size, of_tie = [tuple(next(parts) for _ in range(count)) for count in self._uses]
        kind = jnp.int32(0)
        for i in range(self.classes - 1):
            kind = kind + (of_class[0] >= self.shares[i]).astype(jnp.int32)
        gap, following = self.arrivals.next(stream, of_gap)
        mean = self.of_class(kind, self.mean_sizes)
        size: Any = self.size_law.sample(of_size) * mean  # pyright: ignore[reportOperatorIssue]
        return Customer(kind, mean, size, gap * self.mean_gap, following, of_tie)

    def added(self, work, stream, customer: Customer) -> tuple:
        """The work that it adds at each server: where it joins, its size."""
        kind, size = customer.kind, customer.size
        expected = {"workload": size, "workload-only": customer.mean, "lengths": 1.0}[self.information]
        seen = [(jnp.ceil(w) if self.information == "lengths" else w) + expected for w in work]
        cost = self.of_class(kind, self.costs)
        joined = cheapest([self.tolls[j] + cost * (w * self.slownesses[j]) for j, w in enumerate(seen)])
        joined = drawn(joined, customer.tie[0]) if self.random_ties else first(joined)
        added = []
        for j, w in enumerate(seen):
            threshold = self.of_class(kind, self.thresholds[:, j])
            joins = joined[j] & (w < threshold if self.strict else w <= threshold)
            added.append(jnp.where(joins & self.arrivals.customer(stream), jnp.maximum(size, NO_TIME), 0.0))
        return tuple(added)

    def next_event(self, state, words):
        work, stream = state
        customer = self.drawn(stream, words)
        return (self.added(work, stream, customer), *self.rest(customer)), customer.gap

    @staticmethod
    def rest(customer: Customer) -> tuple:
        """The parts of an event that do not depend on the servers."""
        return customer.kind, customer.gap, customer.following

    def update(self, state, event):
        added, _, gap, following = event
        left = [w + a - gap * self.rates[j] for j, (w, a) in enumerate(zip(state[0], added, strict=True))]
        left = [jnp.maximum(w, 0.0) for w in left]
        if self.grains is not None:  # or rounding would add up, and decide who joins
            left = [jnp.floor(w * self.grains + 0.5) / self.grains for w in left]
        return tuple(left), following

    def tally(self, state, event):
        (work, stream), (added, kind, gap, _) = state, event
        customer = jnp.asarray(self.arrivals.customer(stream))
        found: dict[str, Any] = {} if self.arrivals.every_event else {"customers": customer}
        after = [w + a for w, a in zip(work, added, strict=True)]
        for i in range(self.classes):
            mine = [(a > 0) & (kind == i) if self.classes > 1 else a > 0 for a in added]
            found |= {f"joins_{i + 1}_{j + 1}": joins for j, joins in enumerate(mine)}
            found[f"sojourn_{i + 1}"] = sum(
                jnp.where(joins, w * self.slownesses[j], 0.0)
                for j, (joins, w) in enumerate(zip(mine, after, strict=True))
            )
        busy = [jnp.minimum(w * self.slownesses[j], gap) for j, w in enumerate(after)]
        found |= {f"busy_{j + 1}": time for j, time in enumerate(busy)}
        found["workload"] = sum(
            time * (w - 0.5 * self.rates[j] * time) for j, (time, w) in enumerate(zip(busy, after, strict=True))
        )
        return found

    def _record(self, state, event):
        (work, stream), (added, kind, *_) = state, event
        joins = [a > 0 for a in added]
        server = sum(jnp.where(here, j + 1, 0) for j, here in enumerate(joins))
        waits = [
            jnp.where(here, w * self.slownesses[j], 0.0) for j, (here, w) in enumerate(zip(joins, work, strict=True))
        ]
        service = sum(a * self.slownesses[j] for j, a in enumerate(added))
        found = {"class": kind + 1, "server": server, "waiting_time": sum(waits), "service_time": service}
        comes = {} if self.arrivals.every_event else {"comes": self.arrivals.customer(stream)}
        return found | {"balked": server == 0} | comes

    def _beside_alternatives(self, scales, slopes, slots):
        from jaxq.systems.tolled_queues.processes.pairs import beside_pairs

        return beside_pairs(self, scales, slopes)
