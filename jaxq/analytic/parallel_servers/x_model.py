"""Fluid of an X-model in overload: every pool serves every class, in the same order of priority."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.parallel_servers.rest_point import RestPoint, priority_order, rest_point
from jaxq.checks import FieldError


def x_model(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    abandonment_rates: ArrayLike,
    priority: ArrayLike,
    rewards: ArrayLike = 1.0,
) -> RestPoint:
    """Rest point of an overloaded network with class queues, static priority, any number of classes and pools.

    Formula: let D_j = sum_i mu_ij psi_ij be the rate at which servers of pool j come free and p_j = D_j / sum_k D_k. A
    freed server takes the first class that waits, so that a class whose queue stays empty has mu_ij psi_ij = p_j lambda_i
    (EC.29, EC.31). What they leave, the same part of D_j at every pool, goes to the marginal class m:
    mu_mj psi_mj = p_j (D - sum_{i < m} lambda_i) with D = sum_j D_j. From EC.30 p_j is a decreasing function of D,

        p_j = N_j / (sum_{i < m} lambda_i / mu_ij + (D - sum_{i < m} lambda_i) / mu_mj),

    and D the root of sum_j p_j = 1. Queues: y_i = (lambda_i - sum_j mu_ij psi_ij) / theta_i (EC.32). Like EC.32 it has
    y_i = 0 for classes above m, which needs the number of servers freed while one of them waits to be large: at
    mu_14 = .01 in the companion's X-model it is not.

    Args:
        arrival_rates, service_rates, servers, abandonment_rates, rewards: see
            `jaxq.analytic.parallel_servers.rates.Rates`; every service rate > 0.
        priority: the classes, first served first, at every pool.

    Returns:
        A `RestPoint`.

    Raises:
        ValueError: a shape or a number is not allowed, a class and a pool do not go together, or the servers are not all
            busy at the rest point (no overload).

    Source: Stolyar and Tezcan (2011), e-companion, EC.29-EC.32, there for 2 x 2 and m the second class; the extension
    is immediate.
    """
    given = Rates.checked(arrival_rates, service_rates, servers, abandonment_rates, rewards)
    if not given.served.all():
        raise FieldError("service_rates", given.service_rates, "every pool must serve every class here")
    order = priority_order("priority", priority, given.arrival_rates.size)
    above, work = 0.0, np.zeros(given.servers.size)
    for m in order:
        rate, speeds = float(given.arrival_rates[m]), given.service_rates[m]
        if rate > 0 and np.sum(given.servers / (work + rate / speeds)) < 1:
            break
        above, work = above + rate, work + rate / speeds
    else:
        raise FieldError("arrival_rates", given.arrival_rates, "the network is not overloaded")

    def excess(throughput: float) -> float:
        return float(np.sum(given.servers / (work + throughput / speeds))) - 1

    # with nobody above, work = 0 and the throughput is that of servers busy with one class
    through = float(np.sum(given.servers * speeds)) if above == 0 else _root(excess, rate)
    shares = given.servers / (work + through / speeds)
    served = np.zeros(len(order))
    for i in order[: order.index(m)]:
        served[i] = given.arrival_rates[i]
    served[m] = through
    busy = served[:, None] * shares / given.service_rates
    return rest_point(given, given.arrival_rates, busy)


def _root(excess: Callable[[float], float], high: float) -> float:
    root: Any = brentq(excess, 0.0, high, xtol=1e-15 * max(high, 1.0))
    return float(root)
