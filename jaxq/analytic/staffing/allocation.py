"""Which servers work for which class when only the numbers in system matter (preemptive policies)."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike


def fill(
    in_system: ArrayLike, servers: ArrayLike, edges: Iterable[tuple[int, int]], reserved: ArrayLike | None = None
) -> Int[np.ndarray, "*batch classes pools"]:
    """Servers taken edge by edge: a preemptive priority, work conserving once every edge is there.

    Formula: z_ij grows by the smaller of what class i has left and pool j has free, edge after edge.

    Args:
        in_system: x, shape (..., I).
        servers: N, shape (J,).
        edges: pairs (i, j), the first takes first.
        reserved: servers taken before, shape (..., I, J) (default: none).

    Returns:
        z, shape (..., I, J).

    Source: Hmedi, Arapostathis and Pang, Definition 6.8 (second step).
    """
    x, capacity = np.asarray(in_system, np.int64), np.asarray(servers, np.int64)
    shape = (*x.shape, capacity.size)
    z = np.zeros(shape, np.int64) if reserved is None else np.array(np.broadcast_to(reserved, shape), np.int64)
    for i, j in edges:
        z[..., i, j] += np.minimum(x[..., i] - z[..., i, :].sum(-1), capacity[j] - z[..., :, j].sum(-1))
    return z


def balanced_saturation(
    in_system: ArrayLike, targets: ArrayLike, edges: Iterable[tuple[int, int]]
) -> Int[np.ndarray, "*batch classes pools"]:
    """A balanced saturation policy on any tree.

    Formula: first z_ij = min(what class i has left, Nt_ij), pool after pool; then the free servers are filled, edge by
    edge.

    Args:
        in_system: x, shape (..., I).
        targets: Nt, shape (I, J), whose columns sum to the servers.
        edges: pairs (i, j), the order of both steps.

    Returns:
        z, shape (..., I, J).

    Source: Hmedi, Arapostathis and Pang, Definition 6.8 and Eq. 64.
    """
    x, nt, order = np.asarray(in_system, np.int64), np.asarray(targets, np.int64), list(edges)
    z = np.zeros((*x.shape, nt.shape[1]), np.int64)
    for i, j in order:
        z[..., i, j] = np.minimum(x[..., i] - z[..., i, :].sum(-1), nt[i, j])
    return fill(x, nt.sum(axis=0), order, z)
