"""What is planned from the rates before a run: the starting prices of shadow routing, balanced targets, loads.

These define policies and say what is stable; references for what is simulated are in ``oracle``.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Num

from jaxq.analytic.parallel_servers import planning
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.staffing import fluid, targets


def plan(rates: Rates) -> tuple[Float[np.ndarray, "classes pools"], Float[np.ndarray, " pools"]]:
    """psi_ij, shape (I, J), and nu_j, shape (J,), of the static planning problem."""
    found = planning.static_planning(rates.arrival_rates, rates.service_rates, rates.servers, rates.rewards)
    return found.busy, found.pool_prices


def load_prices(rates: Rates) -> Float[np.ndarray, " pools"]:
    """The pools' prices of the smallest largest load, shape (J,)."""
    return planning.load_balancing(rates.arrival_rates, rates.service_rates, rates.servers).pool_prices


def load(rates: Rates) -> float:
    """The smallest largest load of a pool; no policy is stable from 1 on without abandonment."""
    return planning.load_balancing(rates.arrival_rates, rates.service_rates, rates.servers).load


def saturation_targets(rates: Rates, weights: Float[np.ndarray, " classes"]) -> Num[np.ndarray, "classes pools"]:
    """Nt_ij, the servers that balanced saturation keeps for each class, shape (I, J); ValueError unless a tree."""
    return targets.saturation_targets(rates.arrival_rates, rates.service_rates, rates.servers, weights)


def check_pooling(network: Any) -> None:
    """ValueError, naming the edge or the node, unless a `Network` is a critically loaded tree that pools completely."""
    fluid.fluid_allocation(network.arrival_rates, network.service_rates, network.servers)
