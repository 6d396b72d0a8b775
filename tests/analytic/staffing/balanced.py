"""The balanced allocations of a tree by their definition."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike


def is_balanced(
    in_system: Sequence[int], busy: ArrayLike, targets: ArrayLike, edges: Sequence[tuple[int, int]]
) -> bool:
    """Whether z is feasible, work conserving and meets Eq. 64 in state x.

    Formula: x_i <= Nt_i: sum_j z_ij = x_i and z_ij <= Nt_ij for all j; x_i >= Nt_i: z_ij >= Nt_ij for all j, with
    Nt_i = sum_j Nt_ij; and a class that waits finds no idle server in its pools.

    Args:
        in_system: x, shape (I,).
        busy: z, shape (I, J).
        targets: Nt, shape (I, J).
        edges: the pairs (i, j) of the tree.

    Source: Hmedi, Arapostathis and Pang, Eq. 64.
    """
    z, nt = np.asarray(busy), np.asarray(targets)
    waiting, idle = np.asarray(in_system) - z.sum(axis=1), nt.sum(axis=0) - z.sum(axis=0)
    if z.min() < 0 or waiting.min() < 0 or idle.min() < 0 or z.sum() != sum(z[i, j] for i, j in edges):
        return False
    if any(waiting[i] > 0 and idle[j] > 0 for i, j in edges):
        return False
    for i, x in enumerate(in_system):
        if x <= nt[i].sum() and not (waiting[i] == 0 and (z[i] <= nt[i]).all()):
            return False
        if x >= nt[i].sum() and not (z[i] >= nt[i]).all():
            return False
    return True


def balanced_allocations(
    in_system: Sequence[int], targets: ArrayLike, edges: Sequence[tuple[int, int]]
) -> Iterator[Int[np.ndarray, "classes pools"]]:
    """Every z with `is_balanced`, by trying all.

    Args:
        in_system, targets, edges: as `is_balanced`; small.
    """
    nt = np.asarray(targets, np.int64)
    servers = nt.sum(axis=0)
    for flows in np.ndindex(*(min(in_system[i], int(servers[j])) + 1 for i, j in edges)):
        z = np.zeros_like(nt)
        z[tuple(np.array(edges).T)] = flows
        if is_balanced(in_system, z, nt, edges):
            yield z
