"""What `jaxq.tune` can make large: fluid reward rates of routing probabilities, and a guarantee in eta."""

from jaxq.engine.objective import Objective
from jaxq.systems.parallel_servers import fluid
from jaxq.systems.parallel_servers.network import Rates

HORIZON = 1000.0
"""Time between two changes of the arrival rates that `shadow_objectives` assumes, in mean service times."""


def routing_objectives(rates: Rates, rewards, routing) -> dict[str, Objective]:
    """The objective of static random splitting: its fluid reward rate as a function of ``routing``.

    Args:
        rates: of the network.
        rewards: g_i, shape (I,).
        routing: p_ij where none is given, shape (I, J).
    """
    function = fluid.routed_reward
    return {
        "fluid": Objective(
            lambda values: function(values["routing"], *rates, rewards),
            "reward_rate",
            "reward rate of the fluid",
            maximise=True,
            parameters=("routing",),
            unset={"routing": routing},
        )
    }


def shadow_objectives(rates: Rates, rewards, busy, prices) -> dict[str, Objective]:
    """The objective of SHADOW-RM: the reward rate that is guaranteed, as a function of ``eta``.

    The virtual queues start at 0 and the arrival rates stay for 1000 mean service times. No metric stands for it: a
    stationary mean knows no changes, and would be best at eta -> 0.

    Args:
        rates: of the network.
        rewards: g_i, shape (I,).
        busy, prices: psi_ij, shape (I, J), and nu_j, shape (J,), of the planning problem.
    """
    horizon = HORIZON * busy.sum() / (rates.service_rates * busy).sum()
    return {
        "guarantee": Objective(
            lambda values: fluid.shadow_guarantee(
                values["eta"], busy, rates.service_rates, rewards, (prices**2).sum(), horizon
            ),
            None,
            f"reward rate guaranteed over {HORIZON:g} mean service times from empty virtual queues",
            maximise=True,
            parameters=("eta",),
        )
    }
