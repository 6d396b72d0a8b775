"""One queue for all servers of a type: the system of Tezcan (2008), Mathematics of Operations Research 33(1), 51-90."""

from typing import Any

import jax.numpy as jnp

from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan
from jaxq.systems.load_balancing.policy import Policy, compare


class Dedicated(MarkovProcess):
    """Types with a queue each; the compiled half of `LoadBalancing` for policies that rank types.

    State: jobs of each type, those in service included. Of types that tie the first is joined, which is the fastest.
    """

    arrival_rate: float
    rates_of_types: Any  # mu_j, shape (M,)
    servers: Any  # N_j, shape (M,)
    policy: Policy

    scan = Scan(stride=5)

    @property
    def types(self):
        return self.servers.shape[0]

    def init(self, words):
        return (jnp.int32(0),) * self.types

    def _beginning(self):
        return Beginning({"jobs": Number(size=self.types)}, lambda _, given: tuple(given["jobs"]))

    def rates(self, state):
        ranks = [self.policy.rule.rank(q, self.rates_of_types[j], self.servers[j]) for j, q in enumerate(state)]
        joined, best = jnp.int32(0), ranks[0]
        for j, rank in enumerate(ranks[1:], 1):
            better, _ = compare(rank, best)
            joined = jnp.where(better, j, joined)
            best = tuple(jnp.where(better, new, old) for new, old in zip(rank, best, strict=True))
        joins = [jnp.where(joined == j, self.arrival_rate, 0.0) for j in range(self.types)]
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
