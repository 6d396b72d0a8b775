"""The planning programs against their duals, against greedy solutions and against vertices by hand."""

import numpy as np
import pytest

from jaxq.analytic.parallel_servers.planning import load_balancing, static_planning

RATES, SPEEDS, SERVERS, REWARDS = (250, 600), ((4, 1), (4, 4)), (100, 100), (1, 1.9)


def random_network(seed):
    """A network of up to 5 x 5 with about two thirds of the edges; every class and pool has one."""
    random = np.random.default_rng(seed)
    classes, pools = random.integers(1, 6, 2)
    served = random.random((classes, pools)) < 0.65
    served[np.arange(classes), random.integers(0, pools, classes)] = True
    served[random.integers(0, classes, pools), np.arange(pools)] = True
    speeds = random.uniform(0.2, 4, (classes, pools)) * served
    servers = random.integers(1, 200, pools)
    rates = random.uniform(0.2, 2, classes) * speeds.max(axis=1) * servers.mean() * pools / classes
    return rates, speeds, servers, random.uniform(0.5, 3, classes)


def test_x_model():
    plan = static_planning(RATES, SPEEDS, SERVERS, REWARDS)
    assert plan.reward == pytest.approx(1340, rel=1e-12)
    np.testing.assert_allclose(plan.busy, [[50, 0], [50, 100]], atol=1e-9)
    np.testing.assert_allclose(plan.pool_prices, [4, 4], rtol=1e-9)
    np.testing.assert_allclose(plan.class_prices, [0, 0.9], atol=1e-9)
    # all but the reward of class 1 at its slow pool stays, so does the optimum
    assert static_planning(RATES, ((4, 0.01), (4, 4)), SERVERS, REWARDS).reward == pytest.approx(1340, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_plan_and_prices_prove_each_other_optimal(seed):
    rates, speeds, servers, rewards = random_network(seed)
    plan = static_planning(rates, speeds, servers, rewards)
    flow = speeds * plan.busy
    assert np.all(plan.busy >= 0) and np.all(plan.busy[speeds == 0] == 0)
    assert np.all(flow.sum(axis=1) <= rates * (1 + 1e-9)) and np.all(plan.busy.sum(axis=0) <= servers * (1 + 1e-9))
    assert rewards @ flow.sum(axis=1) == pytest.approx(plan.reward, rel=1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(speeds > 0, rewards[:, None] - plan.pool_prices / speeds, -np.inf)
    assert np.all(plan.class_prices >= worth.max(axis=1) - 1e-9)
    assert plan.class_prices @ rates + plan.pool_prices @ servers == pytest.approx(plan.reward, rel=1e-9)


def test_one_pool_is_a_knapsack():
    rates, speeds, rewards = np.array([3.0, 5.0, 2.0]), np.array([1.0, 2.0, 0.5]), np.array([2.0, 1.5, 3.0])
    plan = static_planning(rates, speeds[:, None], (5,), rewards)
    # indices g mu: 2, 3, 1.5; the second class takes 2.5 servers, the first the rest
    np.testing.assert_allclose(plan.busy[:, 0], [2.5, 2.5, 0], atol=1e-12)
    assert plan.pool_prices[0] == pytest.approx(2)
    np.testing.assert_allclose(plan.class_prices, [0, 0.5, 0], atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_least_load_and_its_prices_prove_each_other_optimal(seed):
    rates, speeds, servers, _ = random_network(seed)
    if len(rates) > 1:
        rates[0] = 0.0
    found = load_balancing(rates, speeds, servers)
    with np.errstate(divide="ignore", invalid="ignore"):
        work = np.where(speeds > 0, 1 / (servers * speeds), np.inf)
    np.testing.assert_allclose(found.rates.sum(axis=1), rates, rtol=1e-9)
    loads = np.where(speeds > 0, found.rates * np.where(speeds > 0, work, 0), 0).sum(axis=0)
    assert np.all(found.rates >= 0) and loads.max() == pytest.approx(found.load, rel=1e-9)
    assert found.pool_prices.sum() == pytest.approx(1) and np.all(found.pool_prices >= 0)
    with np.errstate(invalid="ignore"):
        cost = np.where(np.isfinite(work), found.pool_prices * work, np.inf).min(axis=1)
    assert np.all(found.class_prices <= cost + 1e-9 * cost.max())
    assert found.class_prices @ rates == pytest.approx(found.load, rel=1e-8)


def test_least_load_of_a_pool_and_of_equal_pools():
    assert load_balancing((3,), ((2,),), (4,)).load == pytest.approx(3 / 8)
    assert load_balancing((3, 4), np.ones((2, 3)), (2, 3, 5)).load == pytest.approx(0.7)
    found = load_balancing(RATES, SPEEDS, SERVERS)
    assert found.load == pytest.approx(1.0625) and found.rates[0, 1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: static_planning((1, 2), ((1,),), (1,)), r"arrival_rates = \[1.0, 2.0\]: must be 1 number"),
        (
            lambda: static_planning((1,), (1,), (1,)),
            r"array of shape \(1,\): must be of shape \(classes, pools\)",
        ),
        (lambda: static_planning((-1,), ((1,),), (1,)), r"arrival_rates\[1\] = -1: must be >= 0"),
        (lambda: static_planning((1,), ((np.nan,),), (1,)), r"service_rates\[1, 1\] = nan: must be >= 0"),
        (lambda: load_balancing((1, 1), ((1,), (0,)), (1,)), "class 1 has arrivals, but no pool serves it"),
        (lambda: load_balancing((1,), ((1,),), (0,)), r"servers = \[0.0\]"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
