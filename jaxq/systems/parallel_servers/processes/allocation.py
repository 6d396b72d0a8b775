"""Networks under preemptive policies: a state of numbers in system alone."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan
from jaxq.systems.parallel_servers.network.graph import Graph
from jaxq.systems.parallel_servers.network.schedule import Schedule
from jaxq.systems.parallel_servers.observables import named_counts
from jaxq.systems.parallel_servers.policies.preemptive import Allocation
from jaxq.systems.parallel_servers.processes.renewal import Renewal


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
    graph: Graph = eqx.field(static=True)

    scan = Scan(
        stride=5, tile=128
    )  # a tile as fast as 64, and compiled in half the time (loops over 64 are unrolled whole)

    @property
    def drifts(self):
        return self.schedule.switches

    def init(self, words):
        return (jnp.int32(0),) * self.abandonment_rates.shape[0], self.schedule.begin(), self.renewal.begin()

    def _beginning(self):
        names = [f"number_{name}" for name in self.graph.classes]
        return Beginning(dict.fromkeys(names, Number()), lambda state, given: (tuple(given.values()), *state[1:]))

    def _shares(self, numbers):
        """(busy servers by edge, customers that wait by class)."""
        busy = self.allocation.fill(list(numbers), [*self.servers], self.graph.edges)
        return busy, [x - z for x, z in zip(numbers, self.graph.by_class(busy), strict=True)]

    def rates(self, state):
        numbers, schedule, phases = state
        busy, queues = self._shares(numbers)
        departures = [theta * q for theta, q in zip([*self.abandonment_rates], queues, strict=True)]
        for e, (i, _) in enumerate(self.graph.edges):
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
        idle = [count - z for count, z in zip([*self.servers], self.graph.by_pool(busy), strict=True)]
        return named_counts(busy, dict(zip(self.graph.classes, queues, strict=True)), idle, self.graph)
