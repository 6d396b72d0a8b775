"""The contract carries the papers' five kinds of system: M/M/c+M and the token pool ship; three more are tried here.

Each is simulated against a value that does not come from this code (specifications of the systems, derived elsewhere).
"""

import pytest

import jaxq
from tests.agreement import check_agreement
from tests.engine.contract_systems import BalancedSaturation, ShadowRouting, TolledQueue


def test_tolled_queue_joins_as_the_closed_form_says():
    result = jaxq.simulate(TolledQueue(0.8, 3.0), events=40_000, replicas=256)
    check_agreement(result["probability_join"], 0.9412359, 0.001)
    assert result["revenue"].mean == pytest.approx(0.8 * result["probability_join"].mean, rel=2e-3)


def test_balanced_saturation_meets_the_exact_chain():
    # the N network of the staffing specification at n = 100; 10.7533 is its exact total queue
    system = BalancedSaturation(131.0, 49.0, 55, 118, 52)
    result = jaxq.simulate(system, events=100_000, replicas=512)
    check_agreement(result["total_queue"], 10.7533, 0.05)


def test_shadow_routing_runs_on_the_real_clock():
    result = jaxq.simulate(ShadowRouting(), events=60_000, replicas=64)
    check_agreement(result["reward_rate"], 1315.9, 0.005, error=0.35)


def test_every_system_that_ships_keeps_its_types_and_metrics():
    for system in (jaxq.MMc(0.5), jaxq.MG1(0.5), jaxq.GG1(0.5), jaxq.TokenPool(3, 0.5, 0.5, 4)):
        result = jaxq.simulate(system, events=200, replicas=32, warmup=0)
        assert set(system.oracle()) <= set(result.metrics)
        assert set(system.headline) <= set(result.metrics)
