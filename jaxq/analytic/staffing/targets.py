"""The servers that balanced saturation keeps for each class."""

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.elimination import safety_staffing
from jaxq.analytic.staffing.tree import tree
from jaxq.checks import FieldError


def saturation_targets(
    arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike, weights: ArrayLike
) -> Int[np.ndarray, "classes pools"]:
    """Whole numbers Nt_ij with sum_i Nt_ij = N_j next to the optimum of the program for theta^n.

    Formula: M_ij, not centred, with sum_j mu_ij M_ij = lambda_i + p_i sqrt n theta^n and sum_i M_ij = N_j, so that
    M_ij = n z*_ij + sqrt n kappa_ij; rounded down in each pool, and the servers left over to the largest fractions.

    Args:
        arrival_rates: lambda^n, shape (I,), 1/time.
        service_rates: mu^n, shape (I, J), 1/time; 0: not served.
        servers: N, shape (J,).
        weights: p > 0, sums to 1, shape (I,).

    Returns:
        Nt, shape (I, J).

    Raises:
        ValueError: the graph is no tree, an argument has the wrong shape, or an edge would get a negative number.

    Source: Hmedi, Arapostathis and Pang, Eq. 11.
    """
    mu = tree(service_rates)
    exact = safety_staffing(mu, arrival_rates, servers, weights).kappa
    for i, j in np.argwhere(exact < 0).tolist():
        raise FieldError(
            "servers", ..., f"class {i + 1} would need {exact[i, j]:g} servers of pool {j + 1}; must be >= 0"
        )
    down = np.floor(exact + 1e-9)
    left = np.round(np.asarray(servers) - down.sum(axis=0)).astype(np.int64)
    rank = np.argsort(np.argsort(-np.where(mu > 0, exact - down, -1.0), axis=0, kind="stable"), axis=0)
    return (down + (rank < left)).astype(np.int64)
