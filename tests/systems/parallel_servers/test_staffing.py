"""Tree networks under balanced saturation and priorities, against exact chains, the weighted idle servers and slopes."""

import itertools

import jax
import numpy as np
import pytest

import jaxq
from jaxq.analytic.staffing import gains
from jaxq.analytic.staffing.cheapest import cheapest_staffing
from jaxq.analytic.staffing.demand import of_system
from jaxq.experiments.staffing.growth import growth
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.objectives import safety_staffing
from jaxq.systems.parallel_servers.policies.saturation import Saturation
from tests.agreement import check_agreement
from tests.analytic.staffing.balanced import balanced_allocations, is_balanced
from tests.analytic.staffing.random_trees import random_targets, random_tree

POLICIES = {
    "balanced": {"policy": "balanced-saturation"},
    "class-1": {"policy": "priority-preemptive", "priorities": "1 > 2"},
    "class-2": {"policy": "priority-preemptive", "priorities": "2 > 1"},
}
# total queue at n = 100, of truncated chains: jaxq.analytic.staffing.chain, and enumerated from the process itself (below)
EXACT = {"balanced": 10.7533, "class-1": 9.6448, "class-2": 11.2444}
SPARE = 8.201863


@pytest.mark.parametrize("name", ["balanced", "class-1"])
def test_means_of_the_n_network(name):
    system = ParallelServers("n", **POLICIES[name])
    assert system.oracle()["weighted_idle"] == (pytest.approx(SPARE, abs=1e-6), "identity", 0.0)
    found = jaxq.simulate(system, replicas=1024, events=200_000, warmup=20_000, seed=4)
    assert not found.flags
    check_agreement(found["total_queue"], EXACT[name], 0.02)
    check_agreement(found["weighted_idle"], SPARE, 0.01)


@pytest.mark.parametrize(("name", "most"), [("balanced", (390, 350)), ("class-2", (400, 130))])
def test_exact_enumeration_of_the_simulator(name, most):
    """What the simulator does, enumerated on a cut space; the reference comes from a chain with transitions of its own."""
    found = jaxq.exact(
        ParallelServers("n", **POLICIES[name]), keep=lambda x: (x[0][0] <= most[0]) & (x[0][1] <= most[1])
    )
    assert found.edge_mass < 1e-6
    assert found.metrics["total_queue"] == pytest.approx(EXACT[name], abs=2e-3)
    assert found.metrics["weighted_idle"] == pytest.approx(SPARE, abs=1e-3)


def test_a_non_preemptive_policy_has_the_same_weighted_idle_servers():
    system = ParallelServers("n", policy="priority", priorities="1 > 2")
    found = jaxq.simulate(system, replicas=512, events=50_000, warmup=20_000, seed=5)
    check_agreement(found["weighted_idle"], SPARE, 0.02)


def test_another_tree_keeps_the_identity():
    system = ParallelServers("m", policy="balanced-saturation")
    found = jaxq.simulate(system, replicas=512, events=60_000, warmup=20_000, seed=6)
    check_agreement(found["weighted_idle"], system.oracle()["weighted_idle"].value, 0.05)


def test_saturation_is_balanced_on_random_trees():
    rng = np.random.default_rng(7)
    for _ in range(5):
        edges, targets = random_targets(rng)
        policy = Saturation(targets[tuple(np.array(edges).T)], tuple(rng.permutation(len(edges)).tolist()))
        states = list(itertools.product(*(range(int(n) + 3) for n in targets.sum(axis=1))))
        servers = list(targets.sum(axis=0))
        fill = jax.jit(lambda x, policy=policy, servers=servers, edges=edges: policy.fill(list(x), servers, edges))
        busy = np.stack(fill(np.array(states).T), axis=1)
        for x, row in zip(states[:: max(len(states) // 60, 1)], busy[:: max(len(states) // 60, 1)], strict=True):
            z = np.zeros_like(targets)
            z[tuple(np.array(edges).T)] = row
            assert is_balanced(x, z, targets, edges)
            if len(edges) < 4:
                assert any((z == other).all() for other in balanced_allocations(x, targets, edges))


@pytest.mark.parametrize(
    ("scale", "name", "slope"),
    [
        (100, "balanced", 6.965),
        (400, "balanced", 13.578),
        (100, "class-1", 6.2775),
        (100, "class-2", 7.6422),
    ],
)
def test_queues_grow_as_predicted_when_theta_is_negative(scale, name, slope):
    system = ParallelServers("n", scale=scale, staffing=[-0.5, 0.2], **POLICIES[name])
    with pytest.raises(ValueError, match="must be < 1"):
        system.stationarity().check()
    found = growth(system, 400, 128, seed=8)
    error = found.total.standard_error
    assert not found.flags and error < 0.03 * slope
    assert abs(found.total.value - slope) < 4.5 * error


def test_a_work_conserving_policy_that_is_unstable_though_theta_is_positive():
    # class 1 goes to pool 2 first: pool 1 idles while class 2, which only pool 2 serves, starves
    fields = {"policy": "priority-preemptive", "priorities": "1 > 2", "preferences": "1: 2 > 1; 2: 2"}
    found = growth(ParallelServers("n", **fields), 40, 64, seed=9)
    # 131 customers of class 1 fill pool 2 of 118 servers (rate .98); 49 of class 2 arrive and few are served
    assert found.total.value > 45 and found.total.standard_error < 1
    assert abs(found.queues["1"].value) < 0.1 and found.queues["2"].value > 45
    stable = growth(ParallelServers("n", **POLICIES["class-1"]), 400, 128, seed=9)
    assert stable.total.standard_error < 0.05 and abs(stable.total.value) < 4.5 * stable.total.standard_error


def test_tails_are_exponential():
    """P(Q > q) falls by the same factor over steps of q under the exact law, whose total queue the simulation has."""
    found = jaxq.exact(
        ParallelServers("n", scale=25, **POLICIES["balanced"]), keep=lambda x: (x[0][0] <= 250) & (x[0][1] <= 230)
    )
    tail = [found.expectation(lambda x, q=q: sum(x[0]) > 48 + q) for q in (20, 40, 60)]
    assert tail[1] / tail[0] == pytest.approx(tail[2] / tail[1], rel=0.05)


def test_gradient_of_theta_is_the_worth_of_a_server():
    rng = np.random.default_rng(10)
    with jax.enable_x64(True):
        for _ in range(4):
            t = random_tree(rng)
            network = Network(t.arrival_rates, t.service_rates, t.servers, staffing=t.staffing, scale=400)
            system = ParallelServers(network, policy="lqfs", safety=t.weights)
            given = system.network, system.size, system.rates(), system.shares()
            theta, slope = jax.jit(jax.value_and_grad(lambda nh, x=given: safety_staffing(*x, nh)))(t.staffing)
            np.testing.assert_allclose(slope, gains.staffing_gradient(t.service_rates, t.weights), rtol=1e-9)
            a, nh = of_system(400, 400 * t.arrival_rates, 400 * t.servers + 20 * t.staffing)
            assert float(theta) == pytest.approx(gains.safety_staffing(t.service_rates, a, nh, t.weights), abs=1e-9)


@pytest.mark.parametrize("costs", [(1.0, 1.0), (1.0, 2.0), (3.0, 1.0)])
def test_staffing_tuned_by_gradient_is_the_optimum_of_the_linear_program(costs):
    system = ParallelServers(
        "n", policy="balanced-saturation", staffing=[0.5, 1.9], staffing_costs=costs, safety_target=1.2
    )
    found = jaxq.tune(system, "staffing", objective="staffing")
    rates = system.rates()
    demand, fixed = rates.arrival_rates / 10, 10 * system.network.servers
    low = fixed + system.network.staffing
    best = cheapest_staffing(rates.service_rates, demand, system.shares(), costs, 1.2, low, low + 50)
    assert found.converged and found.verification is None
    assert found.best.objective == pytest.approx(best.cost - costs @ fixed, rel=1e-3)
    np.testing.assert_allclose(found.best.values["staffing"], best.staffing - fixed, atol=2e-3)


def test_what_is_refused():
    with pytest.raises(ValueError, match="class 2 - pool 2 closes a cycle"):
        ParallelServers(Network([1, 1], [[1, 1], [1, 1]], [2, 2]), policy="balanced-saturation")
    with pytest.raises(ValueError, match=r"safety = \[0.2, 0.3, 0.5\]: must be 2 numbers, one a class"):
        ParallelServers("n", policy="lqfs", safety=[0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match=r"staffing_costs = \[1.0, 0.0\]: must be a number > 0"):
        ParallelServers("n", policy="lqfs", staffing_costs=[1.0, 0.0])
    with pytest.raises(ValueError, match="has no objective for this configuration"):
        jaxq.tune(ParallelServers("x", policy="lqfs"), "staffing", start=[0, 0])
    assert "weighted_idle" not in ParallelServers("x", policy="lqfs").oracle()
    assert "weighted_idle" not in ParallelServers("n", policy="shadow-rm").oracle()
