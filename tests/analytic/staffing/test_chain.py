"""Allocations by brute force, and exact stationary means of small trees."""

import itertools

import numpy as np
import pytest

from jaxq.analytic.staffing import gains, growth
from jaxq.analytic.staffing.allocation import balanced_saturation, fill
from jaxq.analytic.staffing.chain import truncated_network
from jaxq.analytic.staffing.demand import of_system, second_order_demand
from jaxq.analytic.staffing.drift import constant_drift, safety_staffing
from jaxq.analytic.staffing.targets import saturation_targets
from jaxq.analytic.stations.mmc import mmc
from jaxq.systems.parallel_servers.network.library import NETWORKS
from tests.analytic.staffing.balanced import balanced_allocations, is_balanced
from tests.analytic.staffing.random_trees import random_targets, random_tree

EDGES = [(0, 0), (0, 1), (1, 1)]
HALF = np.array([0.5, 0.5])


def policies(servers, targets):
    return {
        "bsp": lambda x: balanced_saturation(x, targets, EDGES),
        "class-1": lambda x: fill(x, servers, EDGES),
        "class-2": lambda x: fill(x, servers, [(0, 0), (1, 1), (0, 1)]),
    }


def test_balanced_saturation_is_one_of_the_allocations_found_by_trying_all():
    rng = np.random.default_rng(4)
    for _ in range(12):
        edges, targets = random_targets(rng)
        for x in itertools.product(*(range(0, int(n) + 3, 1 if len(edges) < 4 else 2) for n in targets.sum(axis=1))):
            z = balanced_saturation(x, targets, edges)
            assert is_balanced(x, z, targets, edges)
            if len(edges) < 4:
                assert any((z == other).all() for other in balanced_allocations(x, targets, edges))


def test_a_plain_priority_is_not_balanced():
    targets = np.array([[2, 1], [0, 2]])
    x = (6, 2)
    z = fill(x, (2, 3), EDGES)
    assert not is_balanced(x, z, targets, EDGES) and z[1, 1] == 0
    assert balanced_saturation(x, targets, EDGES)[1, 1] == 2


def test_formulas_of_example_6_9():
    n1, n12, n22 = 3, 2, 4
    targets = np.array([[n1, n12], [0, n22]])
    for x1, x2 in itertools.product(range(12), repeat=2):
        r = max(x1 - n1, 0)
        z12 = min(r, n12) if x2 >= n22 else min(r, n12 + n22 - x2)
        z22 = min(x2, n22) if x1 >= n1 + n12 else min(x2, n12 + n22 - r)
        np.testing.assert_array_equal(balanced_saturation((x1, x2), targets, EDGES), [[min(x1, n1), z12], [0, z22]])


def test_targets_are_whole_and_next_to_the_optimum():
    rng = np.random.default_rng(8)
    for _ in range(200):
        t = random_tree(rng)
        n = 1000
        servers = np.round(n * t.servers + n**0.5 * t.staffing).astype(int)
        lam = n * t.arrival_rates + n**0.5 * t.second_order_arrivals
        try:
            targets = saturation_targets(lam, t.service_rates, servers, t.weights)
        except ValueError as error:
            assert "must be >= 0" in str(error)
            continue
        assert (targets.sum(axis=0) == servers).all() and (targets[t.service_rates == 0] == 0).all()
        theta = gains.safety_staffing(t.service_rates, *of_system(n, lam, servers), t.weights)
        served = (t.service_rates * targets).sum(axis=1)
        assert np.abs(served - lam - n**0.5 * theta * t.weights).max() <= t.service_rates.sum(axis=1).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (100, {"bsp": 10.7533, "class-1": 9.6448, "class-2": 11.2444}),
        pytest.param(400, {"bsp": 20.5114}, marks=pytest.mark.slow),
    ],
)
def test_n_network(scale, expected):
    """Digits of the simulated process, enumerated, sharing no code (tests/systems/parallel_servers/test_staffing.py)."""
    lam, mu, servers, *_ = NETWORKS["n"].at(scale)
    targets = saturation_targets(lam, mu, servers, HALF)
    worth = gains.gains(mu).pools[:, 1]
    theta = gains.safety_staffing(mu, *of_system(scale, lam, servers), HALF)
    spare = scale**0.5 * theta * (gains.gains(mu).classes[0] @ HALF) / gains.gains(mu).class_pool[0, 1]
    for name, value in expected.items():
        found = truncated_network(lam, mu, servers, policies(servers, targets)[name])
        assert found.edge < 2e-9
        assert found.waiting.sum() == pytest.approx(value, abs=6e-5)
        # the weighted idle servers are the same under every stable policy
        assert worth @ found.idle == pytest.approx(spare, abs=1e-5)
        np.testing.assert_allclose((mu * found.busy).sum(axis=1), lam, rtol=1e-6)
    if scale == 100:
        assert spare == pytest.approx(8.201863, abs=1e-6)


def test_one_class_and_pool_is_the_classical_queue():
    found = truncated_network([8.5], [[1.0]], [10], lambda x: fill(x, [10], [(0, 0)]))
    assert found.waiting[0] == pytest.approx(mmc(8.5, 1.0, 10)["queue_length"], rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "balanced", "alone"), [(100, 6.965, (7.642, 6.277)), (400, 13.578, (15.217, 12.335))]
)
def test_growth_without_enough_staff(scale, balanced, alone):
    lam, mu, servers, *_ = NETWORKS["n"].at(scale, [-0.5, 0.2])
    targets = saturation_targets(lam, mu, servers, HALF)
    assert growth.saturated_growth(lam, mu, targets).sum() == pytest.approx(balanced, abs=6e-4)
    np.testing.assert_allclose(growth.lone_growth(lam, mu, servers), alone, atol=6e-4)


def test_growth_of_the_diffusion_is_that_of_a_lone_queue():
    rng = np.random.default_rng(9)
    for _ in range(100):
        t = random_tree(rng)
        a = second_order_demand(t.second_order_arrivals, t.second_order_services, t.shares * t.servers)
        ell = constant_drift(t.service_rates, a, t.staffing, t.shares)
        for i, j in np.argwhere(t.service_rates > 0).tolist():
            lone = -gains.class_safety(t.service_rates, a, t.staffing)[i]
            assert growth.diffusion_growth(t.service_rates, ell, j, i) == pytest.approx(lone, abs=1e-9)
        assert np.sign(safety_staffing(t.service_rates, ell, t.weights)) == -np.sign(lone)


def test_an_unstable_policy_is_refused():
    # class 1 takes pool 2 first: pool 1 idles while class 2 starves, although theta > 0
    lam, mu, servers, *_ = NETWORKS["n"].at(25)
    with pytest.raises(ValueError, match="most_states = 60000: more are needed; is the policy unstable"):
        truncated_network(lam, mu, servers, lambda x: fill(x, servers, [(0, 1), (0, 0), (1, 1)]), most_states=60_000)


def test_targets_that_would_be_negative():
    with pytest.raises(ValueError, match="class 1 would need -.* servers of pool 2; must be >= 0"):
        saturation_targets([5.0, 9.0], [[1.0, 1.0], [0.0, 1.0]], [8, 7], HALF)
