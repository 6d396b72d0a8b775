"""The fluid allocation of a critically loaded tree, and whether its pools are pooled completely."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.tree import node, tree
from jaxq.checks import FieldError, vector

SLACK = 1e-9
"""Residual, as a share of the largest rate or staffing, that counts as rounding."""


class Allocation(NamedTuple):
    """Servers that classes hold in the fluid limit.

    busy: z*_ij, per n, shape (I, J).
    shares: xi*_ij = z*_ij / nu_j, columns sum to 1.
    """

    busy: Float[np.ndarray, "classes pools"]
    shares: Float[np.ndarray, "classes pools"]


def fluid_allocation(arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike) -> Allocation:
    """The only z > 0 with sum_j mu_ij z_ij = lambda_i and sum_i z_ij = nu_j, by leaf elimination.

    Formula: a class with one pool left needs z_ij = lambda_i / mu_ij of it, a pool with one class left gives it
    z_ij = nu_j. If the last node comes out even and all z > 0, xi* is the unique optimum of min rho subject to
    sum_j mu_ij nu_j xi_ij = lambda_i, sum_i xi_ij <= rho, xi >= 0, with rho = 1: complete resource pooling.

    Args:
        arrival_rates: lambda, per n, shape (I,), 1/time.
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        servers: nu, per n, shape (J,).

    Returns:
        See `Allocation`.

    Raises:
        ValueError: the graph is no tree, an argument is not positive, the load is not critical (what is left over, and at
            which class or pool, is said), or an edge is idle (z_ij <= 0: complete resource pooling fails there).

    Source: Hmedi, Arapostathis and Pang, Eqs. 3-4; uniqueness: the duals of all pools are positive
    and the two equality systems of a tree have full rank.
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    left = np.concatenate(
        (
            vector("arrival_rates", arrival_rates, classes, low=0, open_low=True),
            vector("servers", servers, pools, low=0, open_low=True),
        )
    )
    total = left.copy()
    busy, edges = np.zeros_like(mu), {(i, j) for i, j in np.argwhere(mu > 0).tolist()}
    last = 0
    while edges:
        degree = np.bincount([k for i, j in edges for k in (i, classes + j)], minlength=classes + pools)
        i, j = next(edge for edge in sorted(edges) if degree[edge[0]] == 1 or degree[classes + edge[1]] == 1)
        if degree[i] == 1:
            busy[i, j], last = left[i] / mu[i, j], classes + j
            left[last] -= busy[i, j]
        else:
            busy[i, j], last = left[classes + j], i
            left[last] -= mu[i, j] * busy[i, j]
        edges.remove((i, j))
    if abs(left[last]) > SLACK * total[last]:
        raise FieldError(
            "arrival_rates",
            ...,
            f"{node(last, classes)} has {left[last]:.6g} of {total[last]:.6g} left over once all "
            "others are even; the load must be critical (sum of w_j nu_j = sum of v_i lambda_i)",
        )
    shares = busy / total[classes:]
    for i, j in np.argwhere(mu > 0).tolist():
        if shares[i, j] <= SLACK:
            raise FieldError(
                "service_rates",
                ...,
                f"complete resource pooling fails at class {i + 1} - pool {j + 1}, whose share of the "
                f"pool is {shares[i, j]:g} and must be > 0",
            )
    return Allocation(busy, shares)
