"""What `jaxq.tune` can improve: fluid reward rates of routing probabilities, a guarantee in eta, the cost of a staffing."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.engine.objective import Objective
from jaxq.systems.parallel_servers import fluid
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.safety_staffing import prices, program

Pairs = Float[np.ndarray, "classes pools"]
Classes = Float[np.ndarray, " classes"]

HORIZON = 1000.0
"""Time between two changes of the arrival rates that `shadow_objectives` assumes, in mean service times."""


def routing_objectives(rates: Rates, routing: Pairs) -> dict[str, Objective]:
    """The objective of static random splitting: its fluid reward rate as a function of ``routing``.

    Args:
        rates: of the network.
        routing: p_ij where none is given, shape (I, J).
    """
    function = fluid.routed_reward
    return {
        "fluid": Objective(
            lambda values: function(values["routing"], rates),
            "reward_rate",
            "reward rate of the fluid",
            maximise=True,
            parameters=("routing",),
            unset={"routing": routing},
        )
    }


def shadow_objectives(rates: Rates, busy: Pairs, prices: Float[np.ndarray, " pools"]) -> dict[str, Objective]:
    """The objective of SHADOW-RM: the reward rate that is guaranteed, as a function of ``eta``.

    The virtual queues start at 0 and the arrival rates stay for 1000 mean service times. No metric stands for it: a
    stationary mean knows no changes, and would be best at eta -> 0.

    Args:
        rates: of the network.
        busy, prices: psi_ij, shape (I, J), and nu_j, shape (J,), of the planning problem.
    """
    horizon = HORIZON * busy.sum() / (rates.service_rates * busy).sum()
    return {
        "guarantee": Objective(
            lambda values: fluid.shadow_guarantee(
                values["eta"], busy, rates.service_rates, rates.rewards, (prices**2).sum(), horizon
            ),
            None,
            f"reward rate guaranteed over {HORIZON:g} mean service times from empty virtual queues",
            maximise=True,
            parameters=("eta",),
        )
    }


def staffing_objectives(
    network: Network, scale: float, rates: Rates, shares: Classes, costs, target: float
) -> dict[str, Objective]:
    """The objective of trees without abandonment: the cost of a staffing that is safe enough, as a function of ``staffing``.

    The cost is c.nh + K (target - theta^n)^+ + sum_j k_j (nh0_j - nh_j)^+, nh0 the staffing of the network, below which no
    pool may go (without that, money is made by swapping servers of pools whose cost and worth differ). The penalties are
    twice the largest price that theta^n may have, and twice the cost of a server: more than the multipliers of the linear
    program, so that both have the same optimum, exactly. Servers are not rounded.

    Args:
        network: a tree.
        scale: n.
        rates: of the network at this n.
        shares: p, shape (I,).
        costs: c_j, shape (J,); None: 1 each.
        target: of theta^n.
    """
    costs = np.ones(len(network.pools)) if costs is None else np.asarray(costs)
    least, slope = network.staffing, prices(network.graph, rates.service_rates, shares)[1]
    penalty = 2 * float(np.max(costs / slope))

    def cost(values: dict[str, Any]):
        staffing = jnp.asarray(values["staffing"])
        lacking = jnp.maximum(target - safety_staffing(network, scale, rates, shares, staffing), 0)
        return costs @ staffing + penalty * lacking + 2 * costs @ jnp.maximum(least - staffing, 0)

    doc = f"cost of second-order staffing with theta^n >= {target:g}, no pool below the network's own"
    return {"staffing": Objective(cost, None, doc, parameters=("staffing",), unset={"staffing": least})}


def safety_staffing(
    network: Network, scale: float, rates: Rates, shares: Classes, staffing: Float[Array | np.ndarray, " pools"]
) -> Float[Array, ""]:
    """theta^n as a differentiable function of the second-order staffing nh, shape (J,); its gradient is w_j / v.p.

    Formula: the last unknown of `jaxq.systems.parallel_servers.safety_staffing.program` with demand lambda^n / sqrt n and
    servers sqrt n nu_j + nh_j, which is not rounded to whole servers.

    Args:
        network, scale, rates, shares: see `staffing_objectives`.
    """
    root = np.sqrt(scale)
    demand = jnp.asarray(rates.arrival_rates / root)
    right = jnp.concatenate((demand, root * network.servers + jnp.asarray(staffing)))
    return jnp.linalg.solve(program(network.graph, rates.service_rates, shares), right)[-1]
