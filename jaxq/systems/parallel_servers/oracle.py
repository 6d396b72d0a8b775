"""What is known of a network without simulating it: planning problems, balances and exact laws."""

import numpy as np

from jaxq.analytic.parallel_servers import planning
from jaxq.engine.system import Reference


def pool_prices(arrival_rates, service_rates, servers, rewards) -> np.ndarray:
    """nu_j of the static planning problem, shape (J,)."""
    return planning.static_planning(arrival_rates, service_rates, servers, rewards).pool_prices


def load_prices(arrival_rates, service_rates, servers) -> np.ndarray:
    """The pools' prices of the smallest largest load, shape (J,)."""
    return planning.load_balancing(arrival_rates, service_rates, servers).pool_prices


def load(arrival_rates, service_rates, servers) -> float:
    """The smallest largest load of a pool; no policy is stable from 1 on without abandonment."""
    return planning.load_balancing(arrival_rates, service_rates, servers).load


def parallel_servers(arrival_rates, service_rates, servers, abandonment_rates, rewards, classes, pools) -> dict:
    """References of the metrics of `ParallelServers`."""
    plan = planning.static_planning(arrival_rates, service_rates, servers, rewards)
    found = {"reward_rate": Reference(plan.reward, "bound")}
    found |= {
        f"departures_{name}": Reference(float(r), "identity") for name, r in zip(classes, arrival_rates, strict=True)
    }
    return found
