"""Safety staffing by removing leaves."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.tree import tree
from jaxq.checks import vector


class Step(NamedTuple):
    """One leaf removed; numbers are pairs (c, d) that stand for c + d theta.

    Attributes:
        leaf, neighbour: nodes, classes 0 to I - 1, then pools I to I + J - 1.
        flow: kappa of their edge, servers.
        left: what the neighbour has after it, of demand (rate units) or of servers.
    """

    leaf: int
    neighbour: int
    flow: tuple[float, float]
    left: tuple[float, float]


class Reallocation(NamedTuple):
    """theta: the safety staffing, rate units. kappa: second-order servers of pool j for class i, shape (I, J). steps: how
    they were found; what the last neighbour has left must be 0."""

    theta: float
    kappa: Float[np.ndarray, "classes pools"]
    steps: tuple[Step, ...]


def safety_staffing(
    service_rates: ArrayLike, demand: ArrayLike, staffing: ArrayLike, weights: ArrayLike
) -> Reallocation:
    """theta and kappa with all constraints of the linear program tight, in one pass.

    Formula: class i demands a_i + p_i theta, pool j has nh_j free, both affine in theta. A class with one pool left takes
    kappa_ij = demand_i / mu_ij from it; a pool with one class left gives it kappa_ij = free_j. What the last node has left
    must vanish, which gives theta.

    Args:
        service_rates, demand, staffing, weights: as `jaxq.analytic.staffing.lp.safety_staffing`.

    Returns:
        See `Reallocation`.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape or sign.

    Source: Arapostathis and Pang (2016), leaf elimination; here on Definition 2.1 of Hmedi, Arapostathis and Pang, as in
    their Example 3.3.
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    wanted = np.stack(
        (vector("demand", demand, classes), vector("weights", weights, classes, low=0, open_low=True)), axis=1
    )
    free = np.stack((vector("staffing", staffing, pools), np.zeros(pools)), axis=1)
    flow = np.zeros((classes, pools, 2))
    alive, last, steps = mu > 0, wanted[0], []
    while alive.any():
        leaf_classes, leaf_pools = alive.sum(axis=1) == 1, alive.sum(axis=0) == 1
        i, j = np.argwhere(alive & (leaf_classes[:, None] | leaf_pools))[0]
        if leaf_classes[i]:
            flow[i, j] = wanted[i] / mu[i, j]
            free[j] -= flow[i, j]
            last = free[j]
        else:
            flow[i, j] = free[j]
            wanted[i] -= mu[i, j] * flow[i, j]
            last = wanted[i]
        alive[i, j] = False
        leaf, neighbour = (i, classes + j) if leaf_classes[i] else (classes + j, i)
        steps.append(Step(int(leaf), int(neighbour), tuple(flow[i, j].tolist()), tuple(last.tolist())))
    theta = float(-last[0] / last[1])
    return Reallocation(theta, flow @ np.array([1.0, theta]), tuple(steps))
