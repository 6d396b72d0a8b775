"""Fluid rest points of pools that serve routed streams under static priority, each from queues of its own."""

import numpy as np
from numpy.typing import ArrayLike

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.parallel_servers.rest_point import RestPoint, priority_order, rest_point
from jaxq.checks import FieldError


def routed_rest_point(
    routed_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    abandonment_rates: ArrayLike,
    priority: ArrayLike,
    rewards: ArrayLike = 1.0,
) -> RestPoint:
    """Rest point psi* of the fluid if class-i customers join the queue of pool j at rate lambda_ij.

    Formula: pools do not touch each other; in pool j the classes in the order of its priority get
    psi_ij = min(lambda_ij / mu_ij, N_j - sum_{k before i} psi_kj), and y_ij = (lambda_ij - mu_ij psi_ij) / theta_i wait.
    EC.17 is the case sum_i lambda_ij / mu_ij = N_j, in which psi*_ij = lambda_ij / mu_ij and nobody waits. In a pool that
    is underloaded or of one class the order does not matter; preemptive or not it is the same.

    Args:
        routed_rates: lambda_ij, shape (I, J), customers/time; 0 where the pool does not serve the class.
        service_rates, servers, abandonment_rates, rewards: see `jaxq.analytic.parallel_servers.rates.Rates`.
        priority: the classes, first served first: shape (I,), the same at every pool, or (J, I), a row a pool.

    Returns:
        A `RestPoint`; its queue has shape (I, J), its abandonment, a fraction of each stream, too.

    Raises:
        ValueError: a shape or a number is not allowed, or a stream joins a pool that does not serve it.

    Source: Stolyar and Tezcan (2011), e-companion, EC.6-EC.17.
    """
    routed = np.asarray(routed_rates, dtype=np.float64)
    if routed.shape != np.shape(service_rates):
        raise ValueError(f"routed_rates has shape {routed.shape}: it must be that of service_rates")
    given = Rates.checked(routed.sum(axis=1), service_rates, servers, abandonment_rates, rewards)
    if not (routed >= 0).all():
        raise FieldError("routed_rates", routed, "must be zero or positive")
    if (routed[~given.served] > 0).any():
        raise FieldError("routed_rates", routed, "must be 0 where service_rates is 0")
    classes, pools = routed.shape
    orders = np.broadcast_to(np.asarray(priority), (pools, classes)).tolist()
    busy = np.zeros(routed.shape)
    for j, order in enumerate(orders):
        free = float(given.servers[j])
        for i in priority_order("priority", order, classes):
            if routed[i, j] > 0:
                busy[i, j] = min(routed[i, j] / given.service_rates[i, j], free)
                free -= busy[i, j]
    return rest_point(given, routed, busy)
