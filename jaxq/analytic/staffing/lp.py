"""Safety staffing as a linear program."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from jaxq.analytic.staffing.tree import tree
from jaxq.checks import FieldError, vector


class Plan(NamedTuple):
    """theta: the safety staffing, rate units. kappa: second-order servers of pool j for class i, shape (I, J)."""

    theta: float
    kappa: Float[np.ndarray, "classes pools"]


def safety_staffing(service_rates: ArrayLike, demand: ArrayLike, staffing: ArrayLike, weights: ArrayLike) -> Plan:
    """The linear program that defines theta, solved by HiGHS.

    Formula: max theta over theta and kappa_ij (either sign) subject to
    sum_j mu_ij kappa_ij >= a_i + p_i theta and sum_i kappa_ij <= nh_j.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        demand: a_i = lh_i - sum_j mh_ij z*_ij, second-order demand, rate units, shape (I,).
        staffing: nh_j, second-order servers, shape (J,).
        weights: p > 0, how the safety is shared between classes, sums to 1, shape (I,).

    Returns:
        See `Plan`.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape or sign.

    Source: Hmedi, Arapostathis and Pang, Definition 2.1 (LP').
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    a, nh = vector("demand", demand, classes), vector("staffing", staffing, pools)
    p = vector("weights", weights, classes, low=0, open_low=True)
    edges = np.argwhere(mu > 0)
    rows = np.zeros((classes + pools, 1 + len(edges)))
    rows[:classes, 0] = p
    for k, (i, j) in enumerate(edges, 1):
        rows[i, k], rows[classes + j, k] = -mu[i, j], 1.0
    cost = np.zeros(1 + len(edges))
    cost[0] = -1.0
    found = linprog(cost, rows, np.concatenate((-a, nh)), bounds=(None, None), method="highs")
    if found.x is None:
        raise FieldError("service_rates", ..., f"the linear program has no optimum ({found.message})")
    kappa = np.zeros_like(mu)
    kappa[tuple(edges.T)] = found.x[1:]
    return Plan(float(found.x[0]), kappa)
