"""What a server is worth, the safety of each class, and the cheapest staffing."""

import numpy as np
import pytest

from jaxq.analytic.staffing import gains, lp
from jaxq.analytic.staffing.cheapest import cheapest_staffing
from tests.analytic.staffing.random_trees import random_tree
from tests.analytic.staffing.test_safety_staffing import demand


def trees(seed, count):
    rng = np.random.default_rng(seed)
    return [random_tree(rng) for _ in range(count)]


def theta(t, staffing, weights=None):
    return lp.safety_staffing(t.service_rates, demand(t), staffing, t.weights if weights is None else weights).theta


def test_swapping_servers_at_their_gain_leaves_theta():
    for t in trees(11, 60):
        worth = gains.gains(t.service_rates).pools
        for j, k in np.argwhere(~np.eye(t.servers.size, dtype=bool)):
            moved = t.staffing.copy()
            moved[j] -= 0.3
            moved[k] += 0.3 * worth[j, k]
            assert theta(t, moved) == pytest.approx(theta(t, t.staffing), abs=1e-9)


def test_gains_compose():
    for t in trees(12, 60):
        g = gains.gains(t.service_rates)
        np.testing.assert_allclose(g.classes, g.classes[:, :1] * g.classes[0], rtol=1e-12)
        np.testing.assert_allclose(g.class_pool, g.classes[:, :1] * g.class_pool[0], rtol=1e-12)
        np.testing.assert_allclose(g.pools * g.pools.T, 1, rtol=1e-12)
        served = t.service_rates > 0
        np.testing.assert_allclose(g.class_pool[served], t.service_rates[served], rtol=1e-12)


def test_gradient_is_the_dual_of_the_linear_program():
    for t in trees(13, 60):
        slope = gains.staffing_gradient(t.service_rates, t.weights)
        for j in range(t.servers.size):
            more = t.staffing + np.eye(t.servers.size)[j]
            assert theta(t, more) - theta(t, t.staffing) == pytest.approx(slope[j], abs=1e-9)


def test_theta_is_the_harmonic_mean_of_the_classes():
    for t in trees(14, 60):
        alone = gains.class_safety(t.service_rates, demand(t), t.staffing)
        assert theta(t, t.staffing) == pytest.approx(1 / (t.weights / alone).sum(), rel=1e-8)
        for i, value in enumerate(alone):
            near = np.full(len(alone), 1e-9)
            near[i] = 1 - near.sum() + near[i]
            assert theta(t, t.staffing, near) == pytest.approx(value, rel=1e-6, abs=1e-6)


def test_cheapest_staffing_meets_its_target_and_no_swap_is_cheaper():
    rng = np.random.default_rng(15)
    for t in trees(16, 60):
        pools = t.servers.size
        costs, low = rng.uniform(0.5, 2, pools), rng.normal(size=pools)
        target = theta(t, low) + rng.uniform(0.1, 1)
        found = cheapest_staffing(t.service_rates, demand(t), t.weights, costs, target, low, low + 100)
        assert theta(t, found.staffing) == pytest.approx(target, abs=1e-8)
        # theta is linear in the staffing: all of it goes where a unit of theta costs least
        slope = gains.staffing_gradient(t.service_rates, t.weights)
        best = int(np.argmin(costs / slope))
        expected = low + np.eye(pools)[best] * (target - theta(t, low)) / slope[best]
        np.testing.assert_allclose(found.staffing, expected, atol=1e-8)
        assert found.cost == pytest.approx(costs @ expected, abs=1e-8)
        assert found.price == pytest.approx(costs[best] / slope[best], rel=1e-9)


def test_cheapest_staffing_within_tight_bounds():
    rates = [[1.5, 1.0], [0.0, 0.8]]
    found = cheapest_staffing(rates, [0.1, 0.1], [0.5, 0.5], [1, 1], 1.0, [0, 0], [0.4, 5])
    slope = gains.staffing_gradient(rates, [0.5, 0.5])
    assert found.staffing[0] == pytest.approx(0.4)
    assert lp.safety_staffing(rates, [0.1, 0.1], found.staffing, [0.5, 0.5]).theta == pytest.approx(1.0, abs=1e-9)
    assert found.price == pytest.approx(1 / slope[1], rel=1e-9)
    with pytest.raises(ValueError, match=r"target = 9: no staffing from \[0.0, 0.0\] to \[0.4, 5.0\] has it"):
        cheapest_staffing(rates, [0.1, 0.1], [0.5, 0.5], [1, 1], 9.0, [0, 0], [0.4, 5])
    with pytest.raises(ValueError, match=r"costs\[2\] = -1: must be > 0"):
        cheapest_staffing(rates, [0.1, 0.1], [0.5, 0.5], [1, -1], 1.0, [0, 0], [0.4, 5])
