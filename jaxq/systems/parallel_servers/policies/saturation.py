"""Balanced saturation: every class is kept its own servers in every pool, and takes more only where others leave them."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.systems.parallel_servers.policies.preemptive import Allocation


class Saturation(Allocation):
    """A balanced saturation policy on any tree, preemptive (Hmedi, Arapostathis and Pang, Definition 6.8 and Eq. 64).

    First z_ij = min(what class i has left, Nt_ij), edge after edge; then the free servers are filled in the same order. So a
    class at or under Nt_i = sum_j Nt_ij is served at once with z_ij <= Nt_ij, one above has z_ij >= Nt_ij, and nobody
    waits for a pool with idle servers.
    """

    targets: Any
    """Nt_ij by edge, int, whose sums over the classes are the servers of the pools."""
    order: tuple[int, ...] = eqx.field(static=True)
    """The edges in the order in which they are taken; a class leaves servers idle at its last one."""

    def fill(self, numbers, servers, edges):
        customers, free, busy = list(numbers), list(servers), [jnp.int32(0)] * len(edges)
        for most in ([*self.targets], None):
            for e in self.order:
                i, j = edges[e]
                more = jnp.minimum(customers[i], free[j] if most is None else most[e])
                busy[e], customers[i], free[j] = busy[e] + more, customers[i] - more, free[j] - more
        return busy
