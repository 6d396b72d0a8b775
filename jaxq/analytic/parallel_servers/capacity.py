"""What a network can bear in the fluid, tree or not: its load, what is spare, and who waits for whom."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from jaxq.analytic.parallel_servers.planning import load_balancing, static_planning
from jaxq.analytic.parallel_servers.rates import Rates

PRICED = 1e-9
"""Price, as a share of the largest, above which a pool is a bottleneck."""
CRITICAL = 1e-9
"""|load - 1| that counts as 0."""


class Capacity(NamedTuple):
    """Loads and what is spare.

    Attributes:
        load: rho, the load of the busiest pool where it is least; < 1: some policy is stable, > 1: none is.
        pool_loads: of each pool at a routing with that rho, shape (J,). Not unique for pools that are no bottleneck.
        bottleneck: pools whose load is rho at every such routing, shape (J,).
        bound: classes whose rate moves rho: they depend on the bottleneck, shape (I,).
        headroom: how much the rate of each class alone may rise until nothing is spare, 1/time, shape (I,); infinite only
            for no class; 0 from rho = 1 on.
        growth: customers a unit of time by which the queues together grow at least, under every policy; 0 up to rho = 1.
    """

    load: float
    pool_loads: Float[np.ndarray, " pools"]
    bottleneck: Bool[np.ndarray, " pools"]
    bound: Bool[np.ndarray, " classes"]
    headroom: Float[np.ndarray, " classes"]
    growth: float


def capacity(arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike) -> Capacity:
    """Loads, bottlenecks and spare capacity of any bipartite network.

    Formula: rho as `jaxq.analytic.parallel_servers.planning.load_balancing`, whose duals name the bottleneck; headroom of
    class i: max d subject to sum_j mu_kj psi_kj = lambda_k + d 1{k = i}, sum_k psi_kj <= N_j, psi >= 0; growth =
    sum_i lambda_i - max sum_ij mu_ij psi_ij, the planning problem with all rewards 1.

    Args:
        arrival_rates, service_rates, servers: see `jaxq.analytic.parallel_servers.rates.Rates`; servers > 0.

    Raises:
        ValueError: a shape or a number is not allowed, or a class with arrivals is served by no pool.

    Source: linear programming; Stolyar and Tezcan (2010) for rho and its duals.
    """
    given = Rates.checked(arrival_rates, service_rates, servers)
    balance = load_balancing(*given[:3])
    rates = np.where(given.served, given.service_rates, np.inf)
    loads = (balance.rates / rates).sum(axis=0) / given.servers
    classes = len(given.arrival_rates)
    critical = balance.load >= 1 - CRITICAL
    headroom = np.zeros(classes) if critical else np.array([_headroom(given, i) for i in range(classes)])
    served = static_planning(*given[:3]).reward
    growth = max(0.0, float(given.arrival_rates.sum() - served)) if balance.load > 1 + CRITICAL else 0.0
    prices = balance.class_prices
    return Capacity(
        balance.load,
        loads,
        balance.pool_prices > PRICED * max(balance.pool_prices.max(), PRICED),
        prices > PRICED * max(prices.max(), PRICED),
        headroom,
        growth,
    )


def _headroom(given, i: int) -> float:
    of_class, of_pool = np.nonzero(given.served)
    edges = np.arange(of_class.size)
    flow, work = np.zeros((len(given.arrival_rates), edges.size + 1)), np.zeros((len(given.servers), edges.size + 1))
    flow[of_class, edges], work[of_pool, edges] = given.service_rates[given.served], 1.0
    flow[i, -1] = -1.0
    aim = np.append(np.zeros(edges.size), -1.0)
    found: Any = linprog(
        aim, A_ub=work, b_ub=given.servers, A_eq=flow, b_eq=given.arrival_rates, bounds=(0, None), method="highs"
    )
    return float(-found.fun)
