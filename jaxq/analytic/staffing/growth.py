"""How fast queues grow without enough staff."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.drift import class_values, spare_capacity
from jaxq.analytic.staffing.gains import class_safety
from jaxq.analytic.staffing.tree import tree


def saturated_growth(
    arrival_rates: ArrayLike, service_rates: ArrayLike, targets: ArrayLike
) -> Float[np.ndarray, " classes"]:
    """Growth of each queue under balanced saturation once every class is above its target.

    Formula: lambda_i - sum_j mu_ij Nt_ij, about -sqrt n p_i theta^n; negative: the queue is drawn back.

    Args:
        arrival_rates: lambda^n, shape (I,), 1/time.
        service_rates: mu^n, shape (I, J), 1/time; 0: not served.
        targets: Nt, servers of pool j kept for class i, shape (I, J).

    Returns:
        Customers a unit of time, shape (I,).

    Raises:
        ValueError: the graph is no tree.

    Source: Hmedi, Arapostathis and Pang, Eq. 64: then z_ij = Nt_ij.
    """
    return np.asarray(arrival_rates, np.float64) - (tree(service_rates) * np.asarray(targets, np.float64)).sum(axis=1)


def lone_growth(
    arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike
) -> Float[np.ndarray, " classes"]:
    """Growth of the total queue while all of it is in one class and no server is idle.

    Formula: sum_i' g(i, i') lambda_i' - sum_j g(i, j) N_j = -sqrt n theta^n (v.p) / v_i, for queues in class i.

    Args:
        arrival_rates: lambda^n, shape (I,), 1/time.
        service_rates: mu^n, shape (I, J), 1/time; 0: not served.
        servers: N, shape (J,).

    Returns:
        Customers a unit of time, for each class that may hold the queue, shape (I,).

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape.

    Source: the derivative of E v.X is v.lambda - w.N + w.idle, and v.X grows by v_i for each customer in queue i.
    """
    return -class_safety(service_rates, arrival_rates, servers)


def diffusion_growth(service_rates: ArrayLike, ell: ArrayLike, root: int, queued: int) -> float:
    """Growth of (e.x)^+ in the diffusion with all idleness in the root pool and all queues in one class next to it.

    Formula: -rho / (e' B1^-1)_queued.

    Args:
        service_rates, ell, root: as `jaxq.analytic.staffing.drift.safety_staffing`.
        queued: the class, from 0.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape.

    Source: e' B1^-1 b = -rho + (e.x)^- sum_j G(j, root) u^s_j, with no idleness left.
    """
    return -spare_capacity(service_rates, ell, root) / float(class_values(service_rates, root)[queued])
