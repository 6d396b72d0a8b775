"""Static planning of a network as linear programs: the most reward, the least load, and their prices."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from jaxq.analytic.parallel_servers.rates import Array, Rates
from jaxq.checks import FieldError


class Plan(NamedTuple):
    """Solution of the static planning problem.

    Attributes:
        reward: optimum, reward/time.
        busy: psi_ij, servers of pool j that serve class i, shape (I, J). A vertex; others may be as good.
        pool_prices: nu_j, reward/time that one more server of pool j earns, shape (J,).
        class_prices: omega_i, reward that one more customer of class i brings, shape (I,).
    """

    reward: float
    busy: Float[np.ndarray, "classes pools"]
    pool_prices: Float[np.ndarray, " pools"]
    class_prices: Float[np.ndarray, " classes"]


class Balance(NamedTuple):
    """Solution of the load balancing problem.

    Attributes:
        load: rho, the load of the busiest pool; the network can serve everybody if rho < 1.
        rates: lambda_ij, class-i customers/time sent to pool j, shape (I, J). A vertex; others may be as good.
        pool_prices: shape (J,), sum 1: share of each pool in the bottleneck (0 for pools less loaded than rho, and
            for all if nobody arrives).
        class_prices: d rho / d lambda_i, shape (I,), time/customer.
    """

    load: float
    rates: Float[np.ndarray, "classes pools"]
    pool_prices: Float[np.ndarray, " pools"]
    class_prices: Float[np.ndarray, " classes"]


def static_planning(
    arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike, rewards: ArrayLike = 1.0
) -> Plan:
    """The largest reward rate of any policy, by linear programming (HiGHS).

    Formula: max sum_ij g_i mu_ij psi_ij subject to sum_j mu_ij psi_ij <= lambda_i, sum_i psi_ij <= N_j, psi >= 0. The
    duals satisfy omega_i >= g_i - nu_j / mu_ij, with equality where psi_ij > 0, and
    reward = sum_i omega_i lambda_i + sum_j nu_j N_j. If the optimal psi is degenerate (a pool exactly filled by classes
    that are exactly served) the prices are not unique.

    Args:
        arrival_rates, service_rates, servers, rewards: see `jaxq.analytic.parallel_servers.rates.Rates`.

    Returns:
        A `Plan`.

    Raises:
        ValueError: a shape or a number is not allowed.

    Source: Stolyar and Tezcan (2011), Operations Research 59(6), the SPP.
    """
    given = Rates.checked(arrival_rates, service_rates, servers, rewards=rewards)
    matrix, bounds, gains = _planning_arrays(given)
    found: Any = linprog(-gains, A_ub=matrix, b_ub=bounds, bounds=(0, None), method="highs")
    classes = given.arrival_rates.size
    busy = np.zeros(given.served.shape)
    busy[given.served] = found.x
    prices = np.maximum(-found.ineqlin.marginals, 0.0)
    return Plan(-float(found.fun), busy, prices[classes:], prices[:classes])


def load_balancing(arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike) -> Balance:
    """The least load at which all customers can be served, by linear programming (HiGHS).

    Formula: min rho subject to sum_j lambda_ij = lambda_i, sum_i lambda_ij / (N_j mu_ij) <= rho, lambda_ij >= 0. The
    duals satisfy a_i <= p_j / (N_j mu_ij), sum_j p_j = 1 and rho = sum_i a_i lambda_i. Prices are not unique where
    parts of the network that share no class are equally loaded.

    Args:
        arrival_rates, service_rates: see `jaxq.analytic.parallel_servers.rates.Rates`.
        servers: N_j > 0.

    Returns:
        A `Balance`.

    Raises:
        ValueError: a shape or a number is not allowed, or a class with arrivals is served by no pool.

    Source: Stolyar and Tezcan (2010), Stochastic Systems, the problem that SHADOW-LB solves [derived from it].
    """
    given = Rates.checked(arrival_rates, service_rates, servers)
    if (given.servers == 0).any():
        raise FieldError("servers", given.servers, "each pool must have one or more")
    for i in np.flatnonzero((given.arrival_rates > 0) & ~given.served.any(axis=1)):
        raise FieldError("service_rates", ..., f"class {i} has arrivals, but no pool serves it")
    edges, (of_class, of_pool) = int(given.served.sum()), np.nonzero(given.served)
    classes, pools = given.served.shape
    work = np.zeros((pools, edges + 1))
    work[of_pool, np.arange(edges)] = 1 / (given.servers[of_pool] * given.service_rates[given.served])
    work[:, -1] = -1
    flow = np.zeros((classes, edges + 1))
    flow[of_class, np.arange(edges)] = 1
    # HiGHS works with absolute tolerances: rates in units of the largest
    unit = max(float(given.arrival_rates.max()), np.finfo(float).tiny)
    work[:, :-1] *= unit
    aim = np.append(np.zeros(edges), 1.0)
    found: Any = linprog(
        aim,
        A_ub=work,
        b_ub=np.zeros(pools),
        A_eq=flow,
        b_eq=given.arrival_rates / unit,
        bounds=(0, None),
        method="highs",
    )
    rates = np.zeros((classes, pools))
    rates[given.served] = found.x[:-1] * unit
    return Balance(float(found.fun), rates, np.maximum(-found.ineqlin.marginals, 0.0), found.eqlin.marginals / unit)


def _planning_arrays(given: Rates) -> tuple[Array, Array, Array]:
    """Rows of classes, then of pools, over the edges; their bounds; the gain of each edge."""
    (of_class, of_pool), edges = np.nonzero(given.served), int(given.served.sum())
    classes, pools = given.served.shape
    rates = given.service_rates[given.served]
    matrix = np.zeros((classes + pools, edges))
    matrix[of_class, np.arange(edges)] = rates
    matrix[classes + of_pool, np.arange(edges)] = 1
    return matrix, np.concatenate([given.arrival_rates, given.servers]), given.rewards[of_class] * rates
