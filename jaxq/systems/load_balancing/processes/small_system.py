"""A few parallel queues, each on its own: for systems so small that levels outnumber servers."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.fields import whole
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan
from jaxq.systems.load_balancing.policy import Policy, compare, none_drawn

MOST = 8
"""Servers up to which this layout is used."""


class SmallSystem(MarkovProcess):
    """The compiled half of `LoadBalancing` for a handful of servers; see there.

    State: jobs at each server, fastest first, and the arrivals that found their server full.
    """

    arrival_rate: float
    speeds: Any  # mu of each server, shape (n,)
    weights: Any  # of each server in a draw, shape (n,); None
    policy: Policy
    types: tuple = eqx.field(static=True)  # type of each server
    limits: tuple = eqx.field(static=True)  # jobs at each server at most
    blocking: int = whole("1 if a full server loses its arrivals", static=True, low=0)

    scan = Scan(stride=5)

    def init(self, words):
        return (jnp.int32(0),) * len(self.types), jnp.int32(0)

    def _beginning(self):
        return Beginning({"jobs": Number(size=len(self.types))}, self._begun)

    def _begun(self, state, given):
        for limit, jobs in zip(self.limits, given["jobs"], strict=True):
            Number(limit).read("jobs", jobs)
        return tuple(given["jobs"]), state[1]

    def _joins(self, jobs):
        """Probability that an arrival joins each server."""
        rank = self.policy.rule.rank
        ranks = [rank(q, self.speeds[s]) for s, q in enumerate(jobs)]
        weights = [1 if self.weights is None else self.weights[s] for s in range(len(jobs))]
        found = []
        for mine, weight in zip(ranks, weights, strict=True):
            against = [compare(other, mine) for other in ranks]
            better = sum(jnp.asarray(smaller) * w for (smaller, _), w in zip(against, weights, strict=True))
            even = sum(jnp.asarray(same) * w for (_, same), w in zip(against, weights, strict=True))
            if self.policy.draws == 0:
                chance = (better == 0) * weight / even
            else:
                total = sum(weights)
                missed = none_drawn(self.policy, better, total) - none_drawn(self.policy, better + even, total)
                chance = missed * weight / even
            found.append(chance)
        return found

    def rates(self, state):
        jobs, _ = state
        arrivals = [self.arrival_rate * chance for chance in self._joins(jobs)]
        full = [q >= limit for q, limit in zip(jobs, self.limits, strict=True)]
        lost = sum(jnp.where(here, rate, 0.0) for rate, here in zip(arrivals, full, strict=True))
        joining = [jnp.where(here, 0.0, rate) for rate, here in zip(arrivals, full, strict=True)]
        return (lost, *joining, *[self.speeds[s] * (q > 0) for s, q in enumerate(jobs)])

    def jump(self, state, k):
        jobs, lost = state
        if k == 0:
            return jobs, lost + 1
        arrives, server = k <= len(jobs), (k - 1) % len(jobs)
        return (*jobs[:server], jobs[server] + (1 if arrives else -1), *jobs[server + 1 :]), lost

    def total_rate_bound(self):
        return self.arrival_rate + sum(self.speeds[s] for s in range(len(self.types)))

    def observe(self, state):
        jobs, _ = state
        of_type = [
            [q for q, j in zip(jobs, self.types, strict=True) if j == kind] for kind in range(self.types[-1] + 1)
        ]
        busy = [sum((q > 0).astype(jnp.int32) for q in mine) for mine in of_type]
        return {
            **{f"busy_{j + 1}": count for j, count in enumerate(busy)},
            "two_1": sum((q > 1).astype(jnp.int32) for q in of_type[0]),
            "waiting": sum(jobs) - sum(busy),
            "all_busy": sum(busy) == len(jobs),
        }

    def counters(self, state):
        return {"lost": state[1]}

    def overflow(self, state):
        return False if self.blocking else state[1] > 0
