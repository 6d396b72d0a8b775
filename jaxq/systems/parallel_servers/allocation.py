"""Preemptive policies: the busy servers are a function of the numbers in system, at every moment anew."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.jump_process import MarkovProcess
from jaxq.systems.parallel_servers.observed import named_counts
from jaxq.systems.parallel_servers.renewal import Renewal
from jaxq.systems.parallel_servers.rules import InOrder, Rule
from jaxq.systems.parallel_servers.schedule import Schedule


class Allocation(eqx.Module):
    """A pure function: how many servers of pool j serve class i, by edge, of the numbers in system and servers."""

    @abstractmethod
    def fill(self, numbers: list, servers: list, edges) -> list:
        """Busy servers by edge, int32; ``numbers``: by class, ``servers``: by pool, ``edges``: (i, j), pool by pool."""


class Greedy(Allocation):
    """Edge by edge, each as many as there are customers and servers left.

    Of a rule `InOrder` the order is fixed. Of `Largest` it is that of falling weight x number in system (MaxWeight: weight
    h_i mu_ij), the number as it is before anyone is served; ``ties`` lists the edges, those first that win a tie.
    """

    rule: Rule
    ties: tuple[int, ...] = eqx.field(static=True)

    def fill(self, numbers, servers, edges):
        customers, free, busy = list(numbers), list(servers), [jnp.int32(0)] * len(edges)
        if isinstance(self.rule, InOrder):
            ranks = self.rule.ranks
            for e in sorted(range(len(edges)), key=lambda e: ranks[e]):
                i, j = edges[e]
                busy[e] = jnp.minimum(customers[i], free[j])
                customers[i], free[j] = customers[i] - busy[e], free[j] - busy[e]
            return busy
        for _ in range(len(numbers) + len(servers) - 1):  # each time a class or a pool is used up
            open_ = {e: (customers[edges[e][0]] > 0) & (free[edges[e][1]] > 0) for e in self.ties}
            edge = self.rule.pick({e: jnp.where(there, numbers[edges[e][0]], 0) for e, there in open_.items()})
            for e, (i, j) in enumerate(edges):
                more = jnp.where(edge == e, jnp.minimum(customers[i], free[j]), 0)
                busy[e], customers[i], free[j] = busy[e] + more, customers[i] - more, free[j] - more
        return busy


class Allocated(MarkovProcess):
    """The compiled half of `ParallelServers` for preemptive policies; see there.

    State: numbers in system by class, the schedule, and the phases of the arrival processes. Transitions by class:
    departures, served or not, phases that move, and arrivals (by the phase in which the next one starts).
    """

    schedule: Schedule
    renewal: Renewal
    service_rates: Any  # mu_ij, by edge, shape (E,)
    servers: Any  # N_j, shape (J,)
    abandonment_rates: Any  # theta_i, shape (I,)
    allocation: Allocation
    edges: tuple[tuple[int, int], ...] = eqx.field(static=True)  # (i, j), pool by pool
    classes: tuple[str, ...] = eqx.field(static=True)
    pools: tuple[str, ...] = eqx.field(static=True)

    stride = 5
    tile = 128  # as fast as 64, and compiled in half the time (loops over 64 are unrolled whole)

    @property
    def drifts(self):
        return self.schedule.switches

    def init(self, words):
        return (jnp.int32(0),) * self.abandonment_rates.shape[0], self.schedule.begin(), self.renewal.begin()

    def _shares(self, numbers):
        """(busy servers by edge, customers that wait by class)."""
        busy = self.allocation.fill(list(numbers), [*self.servers], self.edges)
        served = [sum(z for z, (k, _) in zip(busy, self.edges, strict=True) if k == i) for i in range(len(numbers))]
        return busy, [x - z for x, z in zip(numbers, served, strict=True)]

    def rates(self, state):
        numbers, schedule, phases = state
        busy, queues = self._shares(numbers)
        departures = [theta * q for theta, q in zip([*self.abandonment_rates], queues, strict=True)]
        for e, (i, _) in enumerate(self.edges):
            departures[i] = departures[i] + self.service_rates[e] * busy[e]
        arrivals = self.schedule.arrival_rates(schedule)
        moves = self.renewal.move_rates(phases, arrivals)
        return (*departures, *moves, *self.renewal.arrival_rates(phases, list(enumerate(arrivals))))

    def transition(self, state, k):
        numbers, schedule, phases = state
        classes = list(range(len(numbers)))
        following, first = [x - (k == i) for i, x in enumerate(numbers)], len(numbers) + len(self.renewal.moves)
        for place, (_, i, _) in enumerate(self.renewal.arrivals(classes), first):
            following[i] = following[i] + (k == place)
        return tuple(following), schedule, self.renewal.after(phases, k, len(numbers), classes)

    def drift(self, state, elapsed):
        return state[0], self.schedule.drift(state[1], elapsed), state[2]

    def next_switch(self, state):
        return self.schedule.next_switch(state[1])

    def observe(self, state):
        busy, queues = self._shares(state[0])
        idle = [
            count - sum(z for z, (_, pool) in zip(busy, self.edges, strict=True) if pool == j)
            for j, count in enumerate(self.servers)
        ]
        waiting = dict(zip(self.classes, queues, strict=True))
        return named_counts(busy, waiting, idle, self.edges, self.classes, self.pools)
