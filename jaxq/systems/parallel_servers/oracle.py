"""What is known of a network without simulating it: planning problems, balances and exact laws."""

import numpy as np

from jaxq.analytic.erlang import halfin_whitt
from jaxq.analytic.parallel_servers import planning
from jaxq.analytic.staffing import drift, fluid, gains, growth, targets
from jaxq.analytic.staffing.demand import second_order_demand
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


def check_pooling(arrival_rates, service_rates, servers) -> None:
    """ValueError, naming the edge or the node, unless the network is a critically loaded tree that pools completely."""
    fluid.fluid_allocation(arrival_rates, service_rates, servers)


def saturation_targets(arrival_rates, service_rates, servers, weights) -> np.ndarray:
    """Nt_ij, the servers that balanced saturation keeps for each class, shape (I, J); ValueError unless a tree."""
    return targets.saturation_targets(arrival_rates, service_rates, servers, weights)


def weighted_idle(arrival_rates, service_rates, servers) -> float:
    """Idle servers in servers of the last pool: sum_j w_j E idle_j = w.N - v.lambda under every stable policy, trees."""
    spare = growth.lone_growth(arrival_rates, service_rates, servers)[0]
    return float(-spare / gains.gains(service_rates).class_pool[0, -1])


def diffusion(
    arrival_rates, service_rates, servers, second_order_arrivals, second_order_services, staffing, idle_pool
) -> dict[str, Reference]:
    """References of `StaffingDiffusion`: Remark 6.5, and with one pool and equal rates the Halfin-Whitt law of e.x."""
    allocation = fluid.fluid_allocation(arrival_rates, service_rates, servers)
    demand = second_order_demand(second_order_arrivals, second_order_services, allocation.busy)
    ell = drift.constant_drift(service_rates, demand, staffing, allocation.shares)
    spare = drift.spare_capacity(service_rates, ell, idle_pool)
    found = {"weighted_idle": Reference(spare, "identity")}
    rates = service_rates[:, 0]
    if len(servers) == 1 and np.ptp(rates) == 0 and spare > 0:
        size = float(np.sqrt(arrival_rates.sum() / rates[0]))
        found["total_queue"] = Reference(size * halfin_whitt(spare / size) / (spare / size), "limit")
    return found
