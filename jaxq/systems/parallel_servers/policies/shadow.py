"""Shadow routing: virtual queues, run beside the system, whose lengths are the prices of a planning problem.

Stolyar and Tezcan, Operations Research 59(6), 2011. The main paper is not at hand: the algorithms are derived, as greedy
primal-dual schemes on the planning problems, and checked against the linear programs. None is told an arrival rate.
"""

import functools
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.random import uniform
from jaxq.systems.parallel_servers.policies.routers import Routed, Router, served_at_once
from jaxq.systems.parallel_servers.policies.selection_rules import NOBODY

SHIFT = 12
"""Bits of the first of two edges that are charged at once."""


class ShadowRM(Router):
    """SHADOW-RM(eta), the largest reward rate: a virtual queue Q_j a pool, in server-time; its price is nu_j = eta Q_j.

    Between events Q_j falls at rate N_j, to 0 at the lowest. An arrival of class i looks at m = argmin Q_j/mu_ij. If g_i >=
    eta Q_m/mu_im it is admitted: Q_m += 1/mu_im, and it goes to pool m. If not it is tagged: dropped, or, with ``keep``,
    sent to pool m in the line of the tagged (E + the edge), which is served last.
    """

    service_rates: Any  # by edge
    servers: Any  # by pool
    rewards: Any  # by class
    eta: Any
    start: Any  # Q_j at time 0, by pool
    order: tuple[tuple[int, ...], ...] = eqx.field(static=True)  # edges of each class, the first wins a tie
    keep: bool = eqx.field(static=True)

    tags = True
    drifts = True

    def begin(self, word, graph):
        return _apart(self.start, word, functools.reduce(jnp.maximum, self._works(graph)))

    def _works(self, graph):
        """1/mu_ij, by edge."""
        return [1 / self.service_rates[e] for e in range(len(graph.edges))]

    def cheapest(self, memory, stream, graph):
        """(edge, whether admitted) of an arrival."""
        edge, least = _smallest({e: memory[graph.edges[e][1]] / self.service_rates[e] for e in self.order[stream]})
        return edge, self.rewards[stream] >= self.eta * least

    def route(self, memory, stream, idle, graph):
        edge, admitted = self.cheapest(memory, stream, graph)
        line = jnp.where(admitted, edge, edge + len(graph.edges) if self.keep else NOBODY)
        return Routed(line, served_at_once(line, edge, idle, graph), jnp.where(admitted, edge, NOBODY))

    def after(self, memory, charged, graph):
        return _add(memory, charged, self._works(graph), graph)

    def drift(self, memory, elapsed):
        return tuple(jnp.maximum(q - self.servers[j] * elapsed, 0.0) for j, q in enumerate(memory))

    def virtual(self, memory):
        return {"virtual_queue": memory}

    def area(self, memory, elapsed):
        falling = [jnp.minimum(elapsed, q / self.servers[j]) for j, q in enumerate(memory)]
        return {
            "virtual_area": tuple(
                t * (q - self.servers[j] * t / 2) for j, (q, t) in enumerate(zip(memory, falling, strict=True))
            )
        }


class ShadowLB(Router):
    """SHADOW-LB(eta, c), the smallest largest load: m = argmin P_j/(N_j mu_ij), then P_m += 1/(N_m mu_im); after each
    arrival, if eta sum P >= 1, every P_j falls by c = max 1/(N_j mu_ij), to 0 at the lowest.
    """

    service_rates: Any  # by edge
    servers: Any  # by pool
    eta: Any
    start: Any  # P_j at time 0, by pool
    order: tuple[tuple[int, ...], ...] = eqx.field(static=True)  # edges of each class, the first wins a tie

    def begin(self, word, graph):
        return _apart(self.start, word, self._fall(graph))

    def _loads(self, graph):
        """1/(N_j mu_ij), by edge."""
        return [1 / (self.servers[j] * self.service_rates[e]) for e, (_, j) in enumerate(graph.edges)]

    def _fall(self, graph):
        """c = max 1/(N_j mu_ij)."""
        return functools.reduce(jnp.maximum, self._loads(graph))

    def cheapest(self, memory, stream, graph):
        """The edge of an arrival."""
        loads = self._loads(graph)
        return _smallest({e: memory[graph.edges[e][1]] * loads[e] for e in self.order[stream]})[0]

    def route(self, memory, stream, idle, graph):
        edge = self.cheapest(memory, stream, graph)
        return Routed(edge, served_at_once(edge, edge, idle, graph), edge)

    def after(self, memory, charged, graph):
        memory = _add(memory, charged, self._loads(graph), graph)
        full = (charged != NOBODY) & (self.eta * sum(memory) >= 1)
        return tuple(jnp.where(full, jnp.maximum(p - self._fall(graph), 0.0), p) for p in memory)

    def virtual(self, memory):
        return {"virtual_load": memory}


class ShadowTandem(Router):
    """SHADOW-TANDEM: SHADOW-RM admits or tags (drops), the admitted stream alone feeds SHADOW-LB, which picks the pool."""

    admission: ShadowRM
    balance: ShadowLB

    tags = True
    drifts = True

    def begin(self, word, graph):
        return self.admission.begin(word, graph), self.balance.begin(word, graph)

    def route(self, memory, stream, idle, graph):
        edge, admitted = self.admission.cheapest(memory[0], stream, graph)
        chosen = self.balance.cheapest(memory[1], stream, graph)
        line = jnp.where(admitted, chosen, NOBODY)
        charged = jnp.where(admitted, chosen << SHIFT | edge, NOBODY)
        return Routed(line, served_at_once(line, chosen, idle, graph), charged)

    def after(self, memory, charged, graph):
        # NOBODY, all bits set, gives NOBODY and an edge that there is not
        first, second = charged & ((1 << SHIFT) - 1), charged >> SHIFT
        return self.admission.after(memory[0], first, graph), self.balance.after(memory[1], second, graph)

    def drift(self, memory, elapsed):
        return self.admission.drift(memory[0], elapsed), memory[1]

    def virtual(self, memory):
        return self.admission.virtual(memory[0]) | self.balance.virtual(memory[1])

    def area(self, memory, elapsed):
        return self.admission.area(memory[0], elapsed)


def _apart(start, word, step) -> tuple:
    """The virtual queues at time 0, each up to a ``step`` above ``start``.

    With integer rates the differences between virtual queues stay on a lattice and often tie. Floating-point rounding
    removes the ties only very slowly, and estimates drift in the meantime: replicas start from randomly perturbed values.
    """
    return tuple(start[j] + step * uniform(word * jnp.uint32(2 * j + 1)) for j in range(start.shape[0]))


def _smallest(values: dict[int, Any]):
    """(key, value) of the smallest value, ties to the first."""
    (winner, least), *others = values.items()
    winner = jnp.int32(winner)
    for key, value in others:
        winner = jnp.where(value < least, key, winner)
        least = jnp.minimum(least, value)
    return winner, least


def _add(memory: tuple, charged, amounts: list, graph) -> tuple:
    """The virtual queues after an edge is charged its amount."""
    return tuple(
        q + sum(jnp.where(charged == e, amounts[e], 0.0) for e in graph.of_pool(j)) for j, q in enumerate(memory)
    )
