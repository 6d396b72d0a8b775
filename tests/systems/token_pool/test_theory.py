"""What `jaxq theory token-pool` states, against values of the paper and chains written down here."""

import numpy as np
import pytest

from jaxq.analytic.token_pool.mean_field_equilibrium import equilibria, fluid_queue, fluid_rates
from jaxq.systems.token_pool.model import TokenPool


def value(system, name):
    return system.theory()[name].value


def test_equilibria_of_a_user_s_market():
    # w = 1 / (N (1 - rho)) of complete pooling (Section 4.2.2); the others by the chain of all phases
    known = [one.wait for one in equilibria(10, 0.8, 0.8, 70)[0]]
    assert value(TokenPool(10, 0.8), "equilibria")[: len(known)] == pytest.approx(known, rel=1e-12)
    assert known[0] == pytest.approx(0.5) and len(known) == 5
    assert value(TokenPool(4, 0.8), "equilibria") == "none"
    assert TokenPool(10, 1.6, service_rate=2.0).theory()["equilibria"].value[0] == pytest.approx(0.25)


def test_thresholds_of_many_phases_are_followed_in_modes():
    # thresholds 1 to 3 have 6, 21 and 56 phases: exact, and by an expansion of order 2 or more
    exact, complete_to = equilibria(5, 0.7, 0.6, 100)
    modes, to_the_same = equilibria(5, 0.7, 0.6, 1, 60)
    assert complete_to <= to_the_same and len(exact) <= len(modes)
    for one, other in zip(exact, modes, strict=False):
        assert other.threshold == one.threshold and abs(one.wait - other.wait) <= 2 * other.error + 1e-12
        assert other.error < 0.05


def small_pool(rho, threshold, mix, offer, longest=150):
    """E[Q_0] of two servers by power iteration on (q_1, q_2, Q_0), uniformised: nothing of the package."""
    ways = range(threshold + 1)
    rate = 2 * (1 + rho)
    law = np.zeros((threshold + 1, threshold + 1, longest + 1))
    law[0, 0, 0] = 1.0
    routed = [1.0 if q == threshold else mix if q == threshold - 1 else 0.0 for q in ways]
    for _ in range(6000):
        after = np.zeros_like(law)
        for q in ways:
            for axis in (0, 1):
                here = np.moveaxis(law, axis, 0)[q]
                there = np.moveaxis(after, axis, 0)
                there[q][:, 1:] += here[:, :-1] * rho * routed[q] / rate
                there[q][:, -1] += here[:, -1] * rho * routed[q] / rate
                if routed[q] < 1:
                    there[q + 1] += here * rho * (1 - routed[q]) / rate
                if q:
                    there[q - 1] += here / rate
                else:
                    there[0][:, :-1] += here[:, 1:] * offer / rate
                    there[0][:, 0] += here[:, 0] * offer / rate
                    there[0] += here * (1 - offer) / rate
        law = after
    return float(law.sum(axis=(0, 1)) @ np.arange(longest + 1))


def test_an_equilibrium_brings_about_its_wait_in_a_chain_of_two_servers():
    theory = TokenPool(2, 0.3, 0.2).theory()
    threshold, mix, offer = theory["equilibrium_1"].value
    # Lemma 4.2 by hand: .3^2 <= .2 < .3, so that k = 1, p = (.2 - .09) / (.3 - .09), and every idle unit is offered
    assert (threshold, offer) == (1, 1.0) and mix == pytest.approx(0.11 / 0.21)
    wait = small_pool(0.3, threshold, mix, offer) / (2 * 0.2 * 0.7 / 0.8)  # R = phi (1 - rho) / (1 - phi)
    assert theory["equilibria"].value[0] == pytest.approx(wait, rel=1e-9)
    assert "Case One, w < m(1)" in theory["equilibrium_1"].meaning


def test_rates_costs_and_the_program():
    system = TokenPool(10, 0.8, 0.6, 20, processing_cost=0.5, wait=0.3)
    theory = system.theory()
    assert (theory["request_rate"].value, theory["offer_rate"].value) == pytest.approx((0.3, 0.5))  # phi .2 / .4
    assert theory["fluid_queue"].value == pytest.approx(0.6) == fluid_queue(0.8, 0.6)  # (.8 + .64 - 2 x .6) / .4
    # Eq. (12): c lambda + q + R w
    assert theory["fluid_cost"].value == pytest.approx(0.4 + 0.6 + 0.3 * 0.3)
    assert theory["fluid_program"].value == pytest.approx(theory["fluid_cost"].value, rel=1e-9)
    assert theory["planner_cost"].value == pytest.approx(0.4 + 0.4) and theory["tuned_phi"].value == 0.8
    assert theory["alone_cost"].value == pytest.approx(4.4)
    assert 0 < theory["cap_own_queue"].value < 1
    fast = TokenPool(10, 1.6, 0.6, 20, service_rate=2.0, processing_cost=0.5, wait=0.15).theory()
    assert fast["fluid_cost"].value == pytest.approx(0.8 + 0.6 + 0.6 * 0.15)
    assert fast["request_rate"].value == pytest.approx(2 * fluid_rates(0.8, 0.6)[0])


def test_the_least_number_of_servers_or_why_not():
    assert value(TokenPool(10, 0.8, 0.3), "minimum_servers") == 12
    stated = TokenPool(10, 0.95, 0.05).theory()["minimum_servers"]
    assert stated.value == "not known" and "at least 20 are needed" in stated.meaning


def test_unlike_servers_have_what_is_defined():
    theory = TokenPool(3, (0.5, 0.6, 1.6), service_rate=(1.0, 0.8, 2.0)).theory()
    assert theory["response_1"].value == (0, 0, 0.625)  # rho_i / phi of Section 7
    assert theory["pooling_wait"].value == pytest.approx(4 / 2.7) and not theory["pooling_is_equilibrium"].value
    assert theory["minimum_copies"].value == 3  # 4 x 2 / 2.7 = 2.96
    ends = [theory[name].value for name in ("congestion", "congestion_bound")]
    assert ends == pytest.approx([4 / (2.7 / 1.1), 0.8 * 0.5 / (0.5 * 0.2)])
    assert "unlike" in theory["equilibria"].meaning
    kept = TokenPool(3, (0.5, 0.6, 1.6), 0.7, service_rate=(1.0, 0.8, 2.0)).theory()["pooling_wait"]
    assert "keeps jobs" in kept.meaning
    alike = TokenPool(2, (0.5, 0.5), service_rate=(1.0, 1.0))
    assert alike.theory() == TokenPool(2, 0.5).theory()


@pytest.mark.parametrize("extra", [{"policy": "1:0.5"}, {"deviator": "2"}])
def test_another_policy_is_said(extra):
    theory = TokenPool(3, 0.8, **extra).theory()
    assert "plays another policy" in theory["equilibrium"].meaning and theory["minimum_servers"].value == 5


def test_the_best_response_beside_playing_along():
    theory = TokenPool(8, 0.7, deviator="optimal").theory()
    # Section 6.3 prints 4.43 % for N = 8 at .7; V_CRP = .7 (1 + 1 / 2.4)
    assert 100 * theory["gap"].value == pytest.approx(4.43, abs=0.005)
    assert theory["v_crp"].value == pytest.approx(0.7 * (1 + 1 / 2.4)) and theory["processing_only"].value == 0.7
    assert 0.7 < theory["v_opt"].value < theory["v_crp"].value
