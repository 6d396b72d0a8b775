"""`ParallelServers.theory`: planning, the conditions of the companion, rest points and safety staffing."""

import numpy as np
import pytest

from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network

THREE = Network([30, 40, 50], [[1, 2], [3, 0], [2, 1]], [20, 25], [1, 0.5, 2], [1, 2, 3])


def stated(**fields):
    return {name: x.value for name, x in ParallelServers(**fields).theory().items()}


def test_the_x_model_under_shadow_routing():
    found = stated(network="x-model", policy="shadow-rm")
    # class 2 in full, psi_24 = 100 and psi_23 = 50, class 1 on the 50 servers left of pool 3: 200 + 1.9 x 600
    assert found["planning_reward"] == pytest.approx(1340)
    assert found["planned_busy_1"] == pytest.approx([50, 0]) and found["planned_busy_2"] == pytest.approx([50, 100])
    assert found["pool_prices"] == pytest.approx([4, 4]) and found["class_prices"] == pytest.approx([0, 0.9])
    assert found["binding"] == ("pool 3", "pool 4", "class 2")
    assert found["ec_27"] and found["ec_28"] and found["closed_form"]
    root = (-350 + np.sqrt(350**2 + 4 * 3 * 5000)) / 6  # 3 x^2 + 350 x = 5000
    assert found["closed_form_busy_1"][0] == pytest.approx(root)
    assert found["fluid_busy_1"] == pytest.approx([50, 0]) and found["fluid_reward"] == pytest.approx(1340)
    assert found["theta"] is None


def test_set_b_with_slow_servers_is_set_a_with_slower_ones():
    network, other = (ParallelServers(name).network for name in ("x-model-b-slow", "x-model-slow"))
    assert network.service_rates[0, 1] == pytest.approx(0.01) == other.service_rates[0, 1]
    shared = network.service_rates / other.service_rates
    assert shared.ravel() == pytest.approx([1.1, 1, 1.1, 1.1])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"rewards": [1, 0.2]}, None),  # indices 4, .8 at pool 3 and 1, .8 at pool 4: class 1 first
        ({"rewards": [1, 0.5]}, "EC.27 fails: c-mu/theta ranks 1 > 2 at pool 3 and 2 > 1 at pool 4"),
        ({"rewards": [1, 1]}, "EC.27 fails: two classes have the same c-mu/theta index at a pool"),
        ({"arrival_rates": [250, 900]}, "EC.28 fails"),  # 900 > 4 x 200
        ({"arrival_rates": [50, 300]}, "the network is not overloaded"),
        ({"abandonment_rates": [1, 0], "holding_costs": [1, 1]}, "class 2 never abandons"),
        ({"service_rates": [[4, 1], [4, 0]]}, "pool 4 does not serve class 2"),
    ],
)
def test_the_conditions_of_the_closed_form(fields, why):
    network = ParallelServers().network.replace(**{"holding_costs": None, **fields})
    found = ParallelServers(network, policy="lqfs").theory()
    assert found["closed_form"].value == (why is None)
    assert why is None or f"do not apply: {why}" in found["closed_form"].meaning
    assert ("closed_form_queues" in found) == (why is None) and found["ec_27"].value == (
        why is None or "27" not in why
    ) * (why is None or not why.startswith(("class", "pool")))


def test_rest_points_of_other_policies():
    # c-mu/theta is by g_i mu_ij: at pool 1 classes 2 and 3 have 6, and ties go to 2; pool 2 has 3 of class 3, 2 of class 1.
    # So 40/3 servers serve class 2, and all others class 3
    found = stated(network=THREE)
    assert found["fluid_busy_2"] == pytest.approx([40 / 3, 0], abs=1e-2)
    assert found["fluid_busy_3"] == pytest.approx([20 / 3, 25], abs=1e-2)
    assert found["fluid_queues"] == pytest.approx([30, 0, (50 - 40 / 3 - 25) / 2], abs=2e-2)
    # SHADOW-LB in underload: lambda_ij/mu_ij at the least load, nobody waits
    under = stated(network=THREE.replace(arrival_rates=[15, 20, 25]), policy="shadow-lb")
    busy = np.sum([under[f"fluid_busy_{i}"] for i in "123"], axis=0)
    assert busy == pytest.approx(under["load"] * np.array([20, 25])) and under["fluid_queues"] == pytest.approx(
        [0, 0, 0]
    )
    # SHADOW-TANDEM in overload keeps the optimum
    assert stated(network=THREE, policy="shadow-tandem")["fluid_reward"] == pytest.approx(195)
    for policy in ("lqfs", "shadow-rm-tag", "c-mu-preemptive"):
        assert ParallelServers(THREE, policy=policy).theory()["fluid"].value is None


def test_trees_have_their_safety_staffing():
    found = stated(network="n", policy="lqfs")
    # by hand in notebooks/mathematics/staffing.md, section 7; four ways in `tests/analytic/staffing`
    assert found["theta"] == pytest.approx(0.748888889) and found["theta_n"] == pytest.approx(0.72498039)
    assert found["verdict"] == "stabilisable"
    few = stated(network="n", policy="lqfs", staffing=[-0.5, 0.2])
    assert few["theta"] == pytest.approx(-0.673333333) and few["verdict"] == "transient under every policy"
    loose = ParallelServers("qgym-n", policy="lqfs").theory()["theta"]
    assert loose.value is None and "the load must be critical" in loose.meaning


def test_one_class_needs_no_priorities():
    single = Network([5], [[1]], [6])
    assert ParallelServers(single, policy="priority").oracle()["total_queue"].value == pytest.approx(
        2.93758225, abs=1e-8
    )
    assert ParallelServers(single, policy="priority-preemptive").process() is not None
    with pytest.raises(ValueError, match="needs an order of the classes"):
        ParallelServers(THREE, policy="priority")
