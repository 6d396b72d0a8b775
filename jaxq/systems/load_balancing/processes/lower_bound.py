"""The modified system of Section 7: a lower bound on the jobs, and the waiting jobs, of every dispatching policy."""

from typing import Any

import jax.numpy as jnp

from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan


class LowerBoundSystem(MarkovProcess):
    """n queues of at most two jobs; servers move freely, the fastest serve the longest queues; arrivals join the
    shortest queue and are lost where all have two.

    State: queues with at least one job, and with two. The k fastest servers together serve at rate mu~(k) (Eq. 7.1).
    """

    arrival_rate: float
    rates_of_types: Any  # mu_j, shape (M,)
    servers: Any  # N_j, shape (M,)

    scan = Scan(stride=5)

    def init(self, words):
        return jnp.int32(0), jnp.int32(0), jnp.int32(0)

    def _total(self):
        return sum(self.servers[j] for j in range(self.servers.shape[0]))

    def rates(self, state):
        one, two, _ = state
        total, second = self._total(), service_rate(two, self.rates_of_types, self.servers)
        arrival = self.arrival_rate
        return (
            jnp.where(two == total, arrival, 0.0),
            jnp.where((one == total) & (two < total), arrival, 0.0),
            second,
            jnp.where(one < total, arrival, 0.0),
            service_rate(one, self.rates_of_types, self.servers) - second,
        )

    def jump(self, state, k):
        one, two, lost = state
        outcomes = ((one, two, lost + 1), (one, two + 1, lost), (one, two - 1, lost), (one + 1, two, lost))
        return (*outcomes, (one - 1, two, lost))[k]

    def total_rate_bound(self):
        return self.arrival_rate + sum(self.rates_of_types[j] * self.servers[j] for j in range(self.servers.shape[0]))

    def observe(self, state):
        one, two, _ = state
        return {"busy": one, "waiting": two, "all_busy": one == self._total()}

    def counters(self, state):
        return {"lost": state[2]}


def service_rate(busy, rates, servers):
    """mu~(busy), Eq. 7.1: the rate of that many servers, the fastest first.

    Args:
        busy: number of servers, int32.
        rates: mu_j of one server, 1/time, fastest type first, shape (M,).
        servers: N_j, shape (M,).
    """
    rate, left = 0.0, busy
    for j in range(servers.shape[0]):
        here = jnp.minimum(left, servers[j])
        rate, left = rate + rates[j] * here, left - here
    return rate
