"""`exact` of the token pool: its chain against the exact chains of the oracle, and against the steps of the simulator."""

import pytest

import jaxq
from jaxq.analytic.token_pool.pool_queue import capped_pool_queue, pool_queue
from jaxq.analytic.token_pool.server_chain import token_server


def test_a_capped_market_is_that_of_the_chain_of_counts():
    found = jaxq.exact(jaxq.TokenPool(2, 0.5, 0.4, 2))
    one = token_server(0.5, 0.4, 2)
    assert found["pool_queue"] == pytest.approx(capped_pool_queue(2, 0.5, 0.4, 2), rel=1e-10)
    for name in ("own_queue", "request_rate", "offer_rate", "no_tokens", "full_tokens", "tokens"):
        assert found[name] == pytest.approx(one[name], rel=1e-10)
    assert found["pool_busy_on_offer"] == pytest.approx(0.4, rel=1e-12)  # Remark 3.1
    process = jaxq.TokenPool(2, 0.5, 0.4, 2).stationarity().chain()
    assert process.count_states() == found.number_of_states


def test_unconstrained_tokens_and_another_wait():
    # wait 1.2 > m(1): threshold 1, offers .25 / .6
    found = jaxq.exact(jaxq.TokenPool(2, 0.5, 0.6, wait=1.2))
    assert found["pool_queue"] == pytest.approx(pool_queue(2, 0.5, 0.6, 1.2), rel=1e-9)
    assert found["offer_rate"] == pytest.approx(token_server(0.5, 0.6, None, 1.2)["offer_rate"], rel=1e-9)


def test_unlike_servers_by_kind_and_against_the_simulation():
    system = jaxq.TokenPool(2, (0.1, 0.4), 0.7, 2, (0.4, 0.8))
    found = jaxq.exact(system)
    ones = [token_server(rho, 0.7, 2, 0.0, mu) for rho, mu in ((0.25, 0.4), (0.5, 0.8))]
    for name in ("own_queue", "request_rate", "offer_rate", "no_tokens"):
        assert found[name] == pytest.approx(sum(one[name] for one in ones) / 2, rel=1e-9)
    assert found["pool_busy_on_offer"] == pytest.approx(0.7, rel=1e-12)
    # processing costs add up to c sum lambda
    assert found["processing_cost_1"] + found["processing_cost_2"] == pytest.approx(0.5, rel=1e-9)
    run = jaxq.simulate(system, events=100_000, replicas=128, seed=3)
    for name in ("pool_queue", "pool_wait", "cost_1", "cost_2", "tokens", "processing_cost_1"):
        metric = run[name]
        assert metric.half_width < 0.05 * metric.mean, "no power"
        assert abs(metric.mean - found[name]) < 4 * metric.standard_error


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"servers": 4, "token_cap": 10}, "token-pool has 5.69417e\\+08 states or more"),
        (
            {"servers": 20, "token_cap": 1},
            "servers = 20: must be <= 8 for exact, which .*; this market has 1.51e\\+24 states",
        ),
        ({"servers": 3, "arrival_rate": (0.5, 0.6, 0.7), "token_cap": 5}, "token-pool has .*e.+06 states or more"),
        ({"servers": 2, "deviator": "1"}, "deviator = 1:0:1: must be none for exact"),
        ({"servers": 2, "waits": "tagged"}, "waits = tagged: must be little for exact"),
        ({"servers": 2, "policy": "1"}, "policy = 1:0:1: exact needs a token_cap"),
    ],
)
def test_what_has_no_small_chain_is_refused_with_the_reason(fields, words):
    with pytest.raises(ValueError, match=words):
        jaxq.exact(jaxq.TokenPool(**fields))
