"""Preemptive policies: the busy servers are a function of the numbers in system, at every moment anew."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.drawn_orders import drawn_orders
from jaxq.systems.parallel_servers.policies.selection_rules import InOrder, Rule


class Allocation(eqx.Module):
    """A pure function: how many servers of pool j serve class i, by edge, of the numbers in system and servers."""

    @abstractmethod
    def fill(self, numbers: list, servers: list, edges) -> list:
        """Busy servers by edge, int32, or of a policy that draws lots their mean, float32; ``numbers``: by class,
        ``servers``: by pool, ``edges``: (i, j), pool by pool."""


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


class DrawnPriorities(Allocation):
    """A static priority of the classes that is drawn anew at every moment: of those that are left the next one is i with
    probability exp(s_i) / sum exp(s_k), s_i = w_i x number in system + b_i (Plackett and Luce). The busy servers are the
    mean over the draws, in which the law of the numbers in system is that of the draws themselves, and which is smooth in
    w and b.
    """

    weights: Any  # w_i, shape (I,), 1/customers
    offsets: Any  # b_i, shape (I,)
    own: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """By class, its edges in the order in which it takes them."""

    def fill(self, numbers, servers, edges):
        scores = [w * x + b for w, x, b in zip(self.weights, numbers, self.offsets, strict=True)]
        busy = [jnp.float32(0.0)] * len(edges)
        for order, chance in drawn_orders(range(len(numbers)), scores):
            customers, free = list(numbers), list(servers)
            for e in (e for i in order for e in self.own[i]):
                i, j = edges[e]
                more = jnp.minimum(customers[i], free[j])
                busy[e], customers[i], free[j] = busy[e] + chance * more, customers[i] - more, free[j] - more
        return busy
