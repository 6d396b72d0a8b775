"""Tolled queues whose lengths alone are visible, with exponential sizes: an exact jump process."""

from typing import Any

import jax.numpy as jnp

from jaxq.engine.initial import Beginning, Number
from jaxq.systems.tolled_queues.policy import chances, cheapest
from jaxq.systems.tolled_queues.processes.visible import Visible


class Lengths(Visible):
    """The compiled half of `TolledQueues` where the numbers at the servers are all that matters; see there.

    State: customers at each server, int32. Transitions: a customer joins server 1, ..., m; one leaves it. Uniformised.
    A customer that finds n_j stays (n_j + 1)/mu_j on average, mu_j in customers/time.
    """

    most: Any  # customers at a server, itself included, that a class accepts, shape (classes, servers)

    def init(self, words):
        return (jnp.int32(0),) * self.servers

    def _beginning(self):
        return Beginning({"customers": Number(size=self.servers)}, lambda _, given: tuple(given["customers"]))

    def joins(self, state):
        found = []
        for i in range(self.classes):
            best = cheapest([self.tolls[j] + self.costs[i] * time for j, time in enumerate(self.stays(state, i))])
            shares = chances(best, self.random_ties)
            found.append([jnp.where(n < self.most[i, j], shares[j], 0.0) for j, n in enumerate(state)])
        return found

    def rates(self, state):
        joins = self.joins(state)
        arrivals = [sum(self.arrival_rates[i] * joins[i][j] for i in range(self.classes)) for j in range(self.servers)]
        return (*arrivals, *[self.service_rates[j] * (n > 0) for j, n in enumerate(state)])

    def jump(self, state, k):
        j = k % self.servers
        return (*state[:j], state[j] + (1 if k < self.servers else -1), *state[j + 1 :])

    def total_rate_bound(self):
        rates = [self.arrival_rates[i] for i in range(self.classes)]
        return sum(rates) + sum(self.service_rates[j] for j in range(self.servers))

    def stays(self, state, i):
        return [(n + 1) / self.service_rates[j] for j, n in enumerate(state)]

    def numbers(self, state):
        return list(state)
