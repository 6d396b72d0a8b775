"""Small networks under every policy with an exact law, simulated against it; which reference is given where."""

import numpy as np
import pytest

import jaxq
from jaxq.analytic.stations.mmc import mmc
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network
from tests.agreement import check_agreement

SMALL = Network(
    [2.5, 2.0], [[1.5, 0.5], [1.0, 1.2]], [2, 1], abandonment_rates=[0.8, 0.4], rewards=[1, 2], holding_costs=[2, 1]
)
RUN = {"replicas": 1024, "events": 4000, "warmup": 1000, "seed": 5}
POLICIES = {
    "priority": {"priorities": "1: 2 > 1; 2: 1 > 2", "preferences": "2 > 1"},
    "lqfs": {},
    "priority-preemptive": {"priorities": "2 > 1"},
    "max-weight-preemptive": {},
    "softmax-preemptive": {"weights": [0.7, 1.1], "offsets": [0.5, -0.5], "preferences": "1: 2 > 1; 2: 1 > 2"},
    "random": {},
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_small_network_has_its_exact_law(policy):
    result = jaxq.simulate(ParallelServers(SMALL, policy=policy, **POLICIES[policy]), **RUN)
    exact = {name for name, metric in result.metrics.items() if metric.kind == "exact"}
    assert {"queue_1", "queue_2", "busy_1_2", "idle_1", "abandonment_2", "reward_rate", "holding_cost"} <= exact
    for name in exact:
        check_agreement(result[name], result[name].oracle, 0.03)
    assert all(abs(metric.z) < 4.5 for metric in result.metrics.values() if metric.kind == "identity")


def test_departures_balance_arrivals_under_every_policy():
    for policy in ("shadow-rm", "shadow-lb", "c-mu"):
        known = ParallelServers("x-model", policy=policy).oracle()
        assert known["departures_1"] == (250.0, "identity", 0.0) and known["reward_rate"].kind == "bound"
        assert known["reward_rate"].value == pytest.approx(1340)
    assert "queue_1" not in ParallelServers("x-model", policy="shadow-rm").oracle()


def test_overload_has_the_companions_limit():
    known = ParallelServers("x-model", policy="c-mu-theta").oracle()
    for name, value in {"busy_1_3": 12.866698, "busy_2_4": 62.866698, "queue_1": 161.399906, "idle_3": 0}.items():
        assert known[name].value == pytest.approx(value, abs=5e-7) and known[name].kind == "limit"


def test_random_splitting_has_the_limit_of_each_pool():
    known = ParallelServers("x-model", policy="random").oracle()
    # pool 3: class 2 takes 75 of 100, class 1 wants 31.25; pool 4: class 1 wants 125, 25 are left
    assert known["busy_1_3"].value == pytest.approx(25) and known["busy_1_4"].value == pytest.approx(25)
    assert known["queue_1"].value == pytest.approx(25 + 100) and known["queue_1"].kind == "limit"


def test_alike_pools_are_erlang_a():
    pools = Network([100, 110], np.ones((2, 2)), [120, 80], [0.5, 0.5])
    known = ParallelServers(pools, policy="lqfs").oracle()
    assert known["total_queue"].value == pytest.approx(22.3606, abs=5e-5) and known["total_queue"].kind == "exact"
    one = ParallelServers(Network([400], [[4]], [100], [1]), policy="lqfs").oracle()
    assert one["queue_1"].value == pytest.approx(10.634, abs=5e-4)
    law = mmc(400, 4, 100, 1)
    assert one["abandonment_1"].value == pytest.approx(law["probability_abandon"])
    assert one["idle_1"].value == pytest.approx(100 * (1 - law["utilisation"]))
    # split at random, pools do not help each other
    assert ParallelServers(pools, policy="random").oracle()["total_queue"].kind != "exact"


def test_qgyms_network():
    known = ParallelServers("qgym-n", policy="max-weight-preemptive").oracle()
    assert known["holding_cost"].value == pytest.approx(48.4328, abs=1e-4)
    assert known["holding_cost"].kind == "exact"
    first = ParallelServers("qgym-n", policy="priority-preemptive", priorities="1 > 2").oracle()
    assert first["holding_cost"].value == pytest.approx(54.0552, abs=1e-4)
    # unstable
    second = ParallelServers("qgym-n", policy="priority-preemptive", priorities="2 > 1").oracle()
    assert "holding_cost" not in second


def test_a_closed_form_is_preferred_to_a_cut():
    known = ParallelServers(Network([0.999], [[1]], [1]), policy="max-weight-preemptive").oracle()
    assert known["queue_1"].value == pytest.approx(mmc(0.999, 1, 1)["queue_length"], rel=1e-12)
