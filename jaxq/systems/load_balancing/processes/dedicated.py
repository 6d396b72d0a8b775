"""One queue for all servers of a type: the system of Tezcan (2008), Mathematics of Operations Research 33(1), 51-90."""

from typing import Any

import jax.numpy as jnp

from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan


class Dedicated(MarkovProcess):
    """Types with a queue each, under minimum expected delay, fastest server first; the compiled half of `LoadBalancing`.

    State: jobs of each type, those in service included. An arrival joins the fastest type with an idle server, else the
    type of least expected delay, queue_j / (N_j mu_j), ties to the fastest.
    """

    arrival_rate: float
    rates_of_types: Any  # mu_j, shape (M,)
    servers: Any  # N_j, shape (M,)

    scan = Scan(stride=5)

    @property
    def types(self):
        return self.servers.shape[0]

    def init(self, words):
        return (jnp.int32(0),) * self.types

    def rates(self, state):
        # an idle server is preferred to any delay, the fastest one first
        delays = [
            jnp.where(
                jobs < self.servers[j],
                j - self.types,
                (jobs - self.servers[j]) / (self.servers[j] * self.rates_of_types[j]),
            )
            for j, jobs in enumerate(state)
        ]
        joins, least = [], delays[0]
        for delay in delays[1:]:
            least = jnp.minimum(least, delay)
        taken = jnp.bool_(False)
        for delay in delays:
            joins.append(jnp.where((delay == least) & ~taken, self.arrival_rate, 0.0))
            taken |= delay == least
        served = [self.rates_of_types[j] * jnp.minimum(jobs, self.servers[j]) for j, jobs in enumerate(state)]
        return (*joins, *served)

    def jump(self, state, k):
        arrives, j = k < self.types, k % self.types
        return (*state[:j], state[j] + (1 if arrives else -1), *state[j + 1 :])

    def total_rate_bound(self):
        return self.arrival_rate + sum(self.rates_of_types[j] * self.servers[j] for j in range(self.types))

    def observe(self, state):
        busy = [jnp.minimum(jobs, self.servers[j]) for j, jobs in enumerate(state)]
        return {
            **{f"busy_{j + 1}": count for j, count in enumerate(busy)},
            "waiting": sum(state) - sum(busy),
            "all_busy": sum(busy) == sum(self.servers[j] for j in range(self.types)),
        }
