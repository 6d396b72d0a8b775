"""Bounds and shares of cost for unlike servers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxq.analytic.token_pool.heterogeneous import congestion_bound, deviation_bound, processing_costs
from jaxq.analytic.token_pool.server_chain import centralised_jobs, pool_queue_unconstrained

SERVERS = st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.1, 10)), min_size=2, max_size=20)


@given(SERVERS)
def test_the_pool_is_within_the_factor_of_central_control(servers):
    rho, mu = np.array(servers).T
    total, centre = pool_queue_unconstrained(rho.max(), rho), centralised_jobs(rho * mu, mu)
    assert centre * (1 - 1e-9) <= total <= congestion_bound(rho * mu, mu) * centre * (1 + 1e-9)


@given(SERVERS)
def test_what_a_server_waits_is_within_the_bound(servers):
    rho, mu = np.array(servers).T
    wait = pool_queue_unconstrained(rho.max(), rho) / (rho * mu).sum()
    assert np.all(rho * mu * wait <= deviation_bound(rho * mu, mu) * (1 + 1e-9))


@given(SERVERS, st.floats(0, 5))
def test_both_ways_pay_for_all_the_work(servers, cost):
    rho, mu = np.array(servers).T
    paid = processing_costs(rho * mu, mu, cost)
    assert paid.mechanism.sum() == pytest.approx(cost * (rho * mu).sum())
    assert paid.centralised.sum() == pytest.approx(paid.mechanism.sum())


def test_alike_utilisations_lose_nothing():
    assert congestion_bound([0.4, 0.8], [0.5, 1.0]) == pytest.approx(1.0)
    assert congestion_bound([0.5, 0.8], 1.0) == pytest.approx(4.0)
    assert deviation_bound([0.5, 0.8], 1.0) == pytest.approx(0.8 * 0.8 / (0.5 * 0.2 * 2))
    paid = processing_costs([0.5, 0.8], [1.0, 2.0], 2.0)
    assert paid.mechanism == pytest.approx([1.0, 1.6]) and paid.centralised == pytest.approx([2.6 / 3, 5.2 / 3])


@pytest.mark.parametrize(
    ("arrivals", "services", "words"),
    [([0.5, 1.0], 1.0, "arrival_rate = 1.0"), ([0.5, -1.0], 1.0, "arrival_rate"), ([0.5, 0.5], [1.0, 0.0], "service")],
)
def test_bad_rates(arrivals, services, words):
    for function in (congestion_bound, deviation_bound, processing_costs):
        with pytest.raises(ValueError, match=words):
            function(arrivals, services)
