"""Gains between classes and pools, what a server is worth, and the safety staffing that follows from them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.tree import tree
from jaxq.checks import vector


class Gains(NamedTuple):
    """Exchange rates along the tree.

    classes: g(i, i'), worth of work of class i' in work of class i, shape (I, I).
    class_pool: g(i, j), worth of a server of pool j in work of class i, shape (I, J).
    pools: G(j, j'), servers of pool j' that one server of pool j is worth, shape (J, J).
    """

    classes: Float[np.ndarray, "classes classes"]
    class_pool: Float[np.ndarray, "classes pools"]
    pools: Float[np.ndarray, "pools pools"]


def gains(service_rates: ArrayLike) -> Gains:
    """Products of service rates along paths.

    Formula: on the path between two nodes a step from class i to pool j multiplies by mu_ij, a step from pool j to class i
    divides by it. One server of pool j less and G(j, j') of pool j' more leave theta as it is.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.

    Returns:
        See `Gains`.

    Raises:
        ValueError: the graph is no tree.

    Source: Hmedi, Arapostathis and Pang, Theorem 3.1 and Remark 3.4.
    """
    mu = tree(service_rates)
    classes = mu.shape[0]
    walks = [_walk(mu, i) for i in range(classes)]
    class_gains = np.array([walk[:classes] for walk in walks])
    class_pool = np.array([walk[classes:] for walk in walks])
    return Gains(class_gains, class_pool, class_pool[0][:, None] / class_pool[0])


def safety_staffing(
    service_rates: ArrayLike, demand: ArrayLike, staffing: ArrayLike, weights: ArrayLike, root: int = 0
) -> float:
    """theta from the gains of one class.

    Formula: theta = [sum_j g(r, j) nh_j - sum_i g(r, i) a_i] / sum_i g(r, i) p_i, the same for every class r.

    Args:
        service_rates, demand, staffing, weights: as `jaxq.analytic.staffing.lp.safety_staffing`.
        root: r.

    Returns:
        theta, rate units.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape or sign.

    Source: Hmedi, Arapostathis and Pang, Eq. 14.
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    walk = _walk(mu, root)
    spare = walk[classes:] @ vector("staffing", staffing, pools) - walk[:classes] @ vector("demand", demand, classes)
    return float(spare / (walk[:classes] @ vector("weights", weights, classes, low=0, open_low=True)))


def class_safety(service_rates: ArrayLike, demand: ArrayLike, staffing: ArrayLike) -> Float[np.ndarray, " classes"]:
    """theta_i, the most safety staffing that class i alone can have: theta at p = e_i.

    Formula: theta_i = sum_j g(i, j) nh_j - sum_i' g(i, i') a_i'; and 1/theta(p) = sum_i p_i / theta_i.

    Args:
        service_rates, demand, staffing: as `safety_staffing`.

    Returns:
        Shape (I,), rate units; all have the sign of theta.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape.

    Source: Hmedi, Arapostathis and Pang, Corollary 3.5 and Remark 3.6.
    """
    classes, class_pool, _ = gains(service_rates)
    spare = class_pool @ vector("staffing", staffing, class_pool.shape[1])
    return spare - classes @ vector("demand", demand, len(classes))


def staffing_gradient(service_rates: ArrayLike, weights: ArrayLike) -> Float[np.ndarray, " pools"]:
    """What one more server of each pool adds to theta.

    Formula: d theta / d nh_j = g(r, j) / sum_i g(r, i) p_i.

    Args:
        service_rates, weights: as `safety_staffing`.

    Returns:
        Shape (J,), rate units per server.

    Raises:
        ValueError: as `safety_staffing`.

    Source: Hmedi, Arapostathis and Pang, Eq. 14.
    """
    classes, class_pool, _ = gains(service_rates)
    return class_pool[0] / (classes[0] @ vector("weights", weights, len(classes), low=0, open_low=True))


def _walk(mu: Float[np.ndarray, "classes pools"], root: int) -> Float[np.ndarray, " classes+pools"]:
    """Gains from class `root` to all classes, then to all pools."""
    classes = mu.shape[0]
    found = np.zeros(sum(mu.shape))
    found[root] = 1.0
    todo = [root]
    while todo:
        k = todo.pop()
        if k < classes:
            ahead = [(classes + j, mu[k, j]) for j in np.flatnonzero(mu[k]).tolist()]
        else:
            ahead = [(i, 1 / mu[i, k - classes]) for i in np.flatnonzero(mu[:, k - classes]).tolist()]
        for other, step in ahead:
            if found[other] == 0:
                found[other] = found[k] * step
                todo.append(other)
    return found
