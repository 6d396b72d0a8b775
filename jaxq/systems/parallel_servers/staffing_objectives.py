"""What `jaxq.tune` can make small: the cost of a staffing that is safe enough."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxq.engine.objective import Objective
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.safety import prices, program


def staffing_objectives(system: ParallelServers) -> dict[str, Objective]:
    """Objectives of a `ParallelServers`: ``staffing``, of trees without abandonment; a function of ``staffing``.

    The cost is c.nh + K (target - theta^n)^+ + sum_j k_j (nh0_j - nh_j)^+, nh0 the staffing of the network, below which no
    pool may go (without that, money is made by swapping servers of pools whose cost and worth differ). The penalties are
    twice the largest price that theta^n may have, and twice the cost of a server: more than the multipliers of the linear
    program, so that both have the same optimum, exactly. Servers are not rounded.
    """
    if not system.staffed:
        return {}
    costs = np.ones(len(system.network.pools)) if system.staffing_costs is None else np.asarray(system.staffing_costs)
    least, target, slope = system.network.staffing, float(system.safety_target), _prices(system)[1]
    penalty = 2 * float(np.max(costs / slope))

    def cost(values: dict[str, Any]):
        staffing = jnp.asarray(values["staffing"])
        lacking = jnp.maximum(target - safety_staffing(system, staffing), 0)
        return costs @ staffing + penalty * lacking + 2 * costs @ jnp.maximum(least - staffing, 0)

    doc = f"cost of second-order staffing with theta^n >= {target:g}, no pool below the network's own"
    return {"staffing": Objective(cost, None, doc, parameters=("staffing",), unset={"staffing": least})}


def safety_staffing(system: ParallelServers, staffing):
    """theta^n as a differentiable function of the second-order staffing nh, shape (J,); its gradient is w_j / v.p.

    Formula: the last unknown of `jaxq.systems.parallel_servers.safety.program` with demand lambda^n / sqrt n and servers
    sqrt n nu_j + nh_j, which is not rounded to whole servers.
    """
    network, root = system.network, np.sqrt(system.size)
    demand = jnp.asarray(system.rates().arrival_rates / root)
    right = jnp.concatenate((demand, root * network.servers + jnp.asarray(staffing)))
    return jnp.linalg.solve(program(*_tree(system)), right)[-1]


def _tree(system: ParallelServers):
    rates, edges = system.rates().service_rates, system.network.edges
    return edges, np.array([rates[i, j] for i, j in edges]), len(system.network.pools), system.shares()


def _prices(system: ParallelServers):
    return prices(*_tree(system))
