"""Preemptive policies: the busy servers are a function of the numbers in system, at every moment anew."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp

from jaxq.systems.parallel_servers.policies.selection_rules import InOrder, Rule


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
