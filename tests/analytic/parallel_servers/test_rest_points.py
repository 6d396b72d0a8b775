"""Fluid rest points: the companion's digits, balance of flows, the pool by hand."""

import numpy as np
import pytest

from jaxq.analytic.parallel_servers.fluid import routed_rest_point
from jaxq.analytic.parallel_servers.planning import static_planning
from jaxq.analytic.parallel_servers.x_model import x_model

RATES, SPEEDS, SERVERS, PATIENCE, REWARDS = (250, 600), ((4, 1), (4, 4)), (100, 100), (1, 1), (1, 1.9)


@pytest.mark.parametrize("unit", [1.0, 1.1])
def test_the_companions_digits(unit):
    # notebooks/mathematics/parallel_servers.md, section 4
    found = x_model(
        np.multiply(RATES, unit), np.multiply(SPEEDS, unit), SERVERS, np.multiply(PATIENCE, unit), (1, 0), REWARDS
    )
    first = (np.sqrt(350**2 + 60000) - 350) / 6
    np.testing.assert_allclose(found.busy, [[first, 50 - first], [100 - first, 50 + first]], rtol=1e-13)
    np.testing.assert_allclose(found.busy.ravel(), [12.866698, 37.133302, 87.133302, 62.866698], atol=5e-7)
    np.testing.assert_allclose(found.queue, [161.399906, 0], atol=5e-7)
    np.testing.assert_allclose(found.abandonment, [0.6455996, 0], atol=5e-8)


def test_slow_services_lose_the_class_and_15_percent():
    found = x_model(RATES, ((4, 0.01), (4, 4)), SERVERS, PATIENCE, (1, 0), REWARDS)
    assert 1 - found.reward_rate / static_planning(RATES, SPEEDS, SERVERS, REWARDS).reward == pytest.approx(
        0.148, abs=5e-4
    )
    # the printed 99.5 % is that of a = 1.1
    assert found.abandonment[0] == pytest.approx(0.9941, abs=5e-5)
    scaled = x_model((275, 660), ((4.4, 0.01), (4.4, 4.4)), SERVERS, (1.1, 1.1), (1, 0), REWARDS)
    assert scaled.abandonment[0] == pytest.approx(0.9946, abs=5e-5)


@pytest.mark.parametrize("seed", range(10))
def test_freed_servers_are_shared_in_proportion(seed):
    random = np.random.default_rng(seed)
    classes, pools = random.integers(1, 6, 2)
    rates, speeds = random.uniform(1, 5, classes), random.uniform(0.3, 3, (classes, pools))
    servers, order = random.integers(1, 20, pools), random.permutation(classes)
    rates *= random.uniform(1.3, 4) * np.sum(speeds.max(axis=0) * servers) / rates.sum()
    patience = random.uniform(0.1, 2, classes)
    found = x_model(rates, speeds, servers, patience, order)
    flow = speeds * found.busy
    np.testing.assert_allclose(found.busy.sum(axis=0), servers, rtol=1e-12)
    share = flow.sum(axis=0) / flow.sum()
    np.testing.assert_allclose(flow, flow.sum(axis=1)[:, None] * share, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(flow.sum(axis=1) + patience * found.queue, rates, rtol=1e-10)
    waits = found.queue[order] > 0
    # served in full, then in part, then not at all
    m = int(np.argmax(waits))
    assert not waits[:m].any() and np.all(found.abandonment[order[m + 1 :]] == 1)


def test_one_pool_agrees_with_the_pool_of_routed_streams():
    rates, speeds, patience = (30.0, 20.0, 50.0), np.array([[1.0], [2.0], [0.5]]), (0.5, 1.0, 2.0)
    one = x_model(rates, speeds, (40,), patience, (1, 0, 2), (1, 2, 3))
    routed = routed_rest_point(np.reshape(rates, (3, 1)), speeds, (40,), patience, (1, 0, 2), (1, 2, 3))
    np.testing.assert_allclose(one.busy, routed.busy, atol=1e-11)
    np.testing.assert_allclose(one.queue, routed.queue[:, 0], atol=1e-10)
    assert one.reward_rate == pytest.approx(routed.reward_rate)


def test_routed_streams_that_fit_are_served_and_others_wait():
    plan = static_planning(RATES, SPEEDS, SERVERS, REWARDS)
    found = routed_rest_point(np.multiply(SPEEDS, plan.busy), SPEEDS, SERVERS, PATIENCE, (0, 1), REWARDS)
    np.testing.assert_allclose(found.busy, plan.busy, atol=1e-9)
    assert found.queue.sum() == 0 and found.reward_rate == pytest.approx(1340)
    crowded = routed_rest_point(((200, 50), (300, 300)), SPEEDS, SERVERS, (1, 0), ((0, 1), (1, 0)), REWARDS)
    np.testing.assert_allclose(crowded.busy, [[50, 25], [50, 75]])
    np.testing.assert_allclose(crowded.queue, [[0, 25], [np.inf, 0]])
    np.testing.assert_allclose(crowded.abandonment, [[0, 0.5], [0, 0]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: x_model(RATES, ((4, 0), (4, 4)), SERVERS, PATIENCE, (1, 0)), "every pool must serve every class"),
        (lambda: x_model((5, 6), SPEEDS, SERVERS, PATIENCE, (1, 0)), "not overloaded"),
        (lambda: x_model(RATES, SPEEDS, SERVERS, PATIENCE, (1, 1)), r"priority = \[1, 1\]"),
        (lambda: routed_rest_point((1,), SPEEDS, SERVERS, PATIENCE, (1, 0)), "routed_rates has shape"),
        (
            lambda: routed_rest_point(((1, 1), (1, -1)), SPEEDS, SERVERS, 1, (1, 0)),
            "routed_rates = .* zero or positive",
        ),
        (
            lambda: routed_rest_point(((1, 1), (1, 1)), ((1, 0), (1, 1)), SERVERS, 1, (1, 0)),
            "0 where service_rates is 0",
        ),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
