"""What is planned from the rates before a run: the starting prices of shadow routing, balanced targets, loads.

These define policies and say what is stable; references for what is simulated are in ``oracle``.
"""

import numpy as np

from jaxq.analytic.parallel_servers import planning
from jaxq.analytic.staffing import fluid, targets


def plan(arrival_rates, service_rates, servers, rewards) -> tuple[np.ndarray, np.ndarray]:
    """psi_ij, shape (I, J), and nu_j, shape (J,), of the static planning problem."""
    found = planning.static_planning(arrival_rates, service_rates, servers, rewards)
    return found.busy, found.pool_prices


def load_prices(arrival_rates, service_rates, servers) -> np.ndarray:
    """The pools' prices of the smallest largest load, shape (J,)."""
    return planning.load_balancing(arrival_rates, service_rates, servers).pool_prices


def load(arrival_rates, service_rates, servers) -> float:
    """The smallest largest load of a pool; no policy is stable from 1 on without abandonment."""
    return planning.load_balancing(arrival_rates, service_rates, servers).load


def saturation_targets(arrival_rates, service_rates, servers, weights) -> np.ndarray:
    """Nt_ij, the servers that balanced saturation keeps for each class, shape (I, J); ValueError unless a tree."""
    return targets.saturation_targets(arrival_rates, service_rates, servers, weights)


def check_pooling(arrival_rates, service_rates, servers) -> None:
    """ValueError, naming the edge or the node, unless the network is a critically loaded tree that pools completely."""
    fluid.fluid_allocation(arrival_rates, service_rates, servers)
