"""The cheapest staffing that is safe enough."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from jaxq.analytic.staffing.tree import tree
from jaxq.checks import FieldError, number, vector


class Staffing(NamedTuple):
    """staffing: nh, shape (J,). cost: sum_j c_j nh_j. price: what one unit of theta more would cost."""

    staffing: Float[np.ndarray, " pools"]
    cost: float
    price: float


def cheapest_staffing(
    service_rates: ArrayLike,
    demand: ArrayLike,
    weights: ArrayLike,
    costs: ArrayLike,
    target: float,
    low: ArrayLike,
    high: ArrayLike,
) -> Staffing:
    """The cheapest second-order staffing with theta >= target, by HiGHS.

    Formula: min c.nh over nh and kappa subject to sum_j mu_ij kappa_ij >= a_i + p_i target, sum_i kappa_ij <= nh_j and
    low <= nh <= high. Without bounds money could be made by swapping pools whose c_j / w_j differ.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        demand: a_i, rate units, shape (I,).
        weights: p > 0, sums to 1, shape (I,).
        costs: c_j > 0, money a server and unit of time, shape (J,).
        target: the least theta, rate units.
        low, high: bounds of nh, shape (J,).

    Returns:
        See `Staffing`.

    Raises:
        ValueError: the graph is no tree, an argument has the wrong shape or sign, or no staffing within the bounds
            reaches the target.

    Source: Hmedi, Arapostathis and Pang, Definition 2.1 with the staffing free.
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    a, p = vector("demand", demand, classes), vector("weights", weights, classes, low=0, open_low=True)
    cost = vector("costs", costs, pools, low=0, open_low=True)
    bounds = np.stack((vector("low", low, pools), vector("high", high, pools)), axis=1)
    target = number("target", target)
    edges = np.argwhere(mu > 0)
    rows = np.zeros((classes + pools, pools + len(edges)))
    for k, (i, j) in enumerate(edges, pools):
        rows[i, k], rows[classes + j, k] = -mu[i, j], 1.0
    rows[range(classes, classes + pools), range(pools)] = -1.0
    found = linprog(
        np.concatenate((cost, np.zeros(len(edges)))),
        rows,
        np.concatenate((-a - p * target, np.zeros(pools))),
        bounds=[*bounds.tolist(), *[(None, None)] * len(edges)],
        method="highs",
    )
    if found.x is None:
        raise FieldError(
            "target", target, f"no staffing from {bounds[:, 0].tolist()} to {bounds[:, 1].tolist()} has it", short=True
        )
    return Staffing(found.x[:pools], float(found.fun), float(-found.ineqlin.marginals[:classes] @ p))
