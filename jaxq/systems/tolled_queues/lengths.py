"""Tolled queues whose lengths alone are visible, with exponential sizes: an exact jump process."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.jump_process import JumpProcess
from jaxq.systems.tolled_queues.choice import chances, cheapest


class Lengths(JumpProcess):
    """The compiled half of `TolledQueues` where the numbers at the servers are all that matters; see there.

    State: customers at each server, int32. Transitions: a customer joins server 1, ..., m; one leaves it. Uniformised.
    A customer that finds n_j stays (n_j + 1)/mu_j on average, which is tallied at its arrival.
    """

    arrival_rates: Any  # shape (classes,)
    costs: Any  # of waiting, shape (classes,)
    service_rates: Any  # customers/time, shape (servers,)
    tolls: Any  # shape (servers,)
    most: Any  # customers at a server, itself included, that a class accepts, shape (classes, servers)
    random_ties: bool = eqx.field(static=True)

    made_by = "TolledQueues"
    stride = 5

    @property
    def measured_at(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return {f"sojourn_{i + 1}": () for i in range(self.classes)}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.costs.shape[0]

    @property
    def servers(self) -> int:
        """Number of servers."""
        return self.service_rates.shape[0]

    def init(self, words):
        return (jnp.int32(0),) * self.servers

    def _joins(self, state) -> list[list]:
        """Probability that a customer of each class joins each server."""
        found = []
        for i in range(self.classes):
            times = [(n + 1) / self.service_rates[j] for j, n in enumerate(state)]
            best = cheapest([self.tolls[j] + self.costs[i] * time for j, time in enumerate(times)])
            shares = chances(best, self.random_ties)
            found.append([jnp.where(n < self.most[i, j], shares[j], 0.0) for j, n in enumerate(state)])
        return found

    def rates(self, state):
        joins = self._joins(state)
        arrivals = [sum(self.arrival_rates[i] * joins[i][j] for i in range(self.classes)) for j in range(self.servers)]
        return (*arrivals, *[self.service_rates[j] * (n > 0) for j, n in enumerate(state)])

    def jump(self, state, k):
        j = k % self.servers
        return (*state[:j], state[j] + (1 if k < self.servers else -1), *state[j + 1 :])

    def total_rate_bound(self):
        rates = [self.arrival_rates[i] for i in range(self.classes)]
        return sum(rates) + sum(self.service_rates[j] for j in range(self.servers))

    def observe(self, state):
        found = {}
        for i, shares in enumerate(self._joins(state)):
            rate = self.arrival_rates[i]
            found |= {f"joins_{i + 1}_{j + 1}": rate * share for j, share in enumerate(shares)}
            found[f"sojourn_{i + 1}"] = sum(
                rate * share * (n + 1) / self.service_rates[j]
                for j, (n, share) in enumerate(zip(state, shares, strict=True))
            )
        return found | {f"busy_{j + 1}": n > 0 for j, n in enumerate(state)}
