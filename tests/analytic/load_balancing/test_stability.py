import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.exact import small_system
from jaxq.analytic.load_balancing.policies import Policy
from jaxq.analytic.load_balancing.stability import worst_drift
from tests.analytic.load_balancing.ranks import JIQ, JSQ, LEAST_DELAY, RANDOM, SA_JSQ, idle_first, indifferent, shortest

SYSTEM = 360.0, (2.5, 0.625), (80, 320)


def test_power_of_two_at_four_hundred_servers() -> None:
    # Both draws slow: .64 of 360 arrivals against a capacity of 200.
    replaced = worst_drift(*SYSTEM, Policy(shortest, 2))
    assert replaced.types == (1,)
    assert replaced.drift == pytest.approx(0.64 * 360 - 200, rel=1e-12)
    assert not replaced.stable
    distinct = worst_drift(*SYSTEM, Policy(shortest, 2, distinct=True))
    assert distinct.drift == pytest.approx(360 * 320 * 319 / (400 * 399) - 200, rel=1e-12)
    assert distinct.drift == pytest.approx(30, abs=0.5)


def test_random_routing() -> None:
    assert worst_drift(*SYSTEM, RANDOM) == ((1,), pytest.approx(88.0), False)
    by_speed = worst_drift(*SYSTEM, Policy(indifferent, 1, weights=(2.5, 0.625)))
    assert (by_speed.drift, by_speed.stable) == (pytest.approx(-20), True)


@pytest.mark.parametrize("policy", [SA_JSQ, JSQ, LEAST_DELAY], ids=["sa_jsq", "jsq", "least_delay"])
def test_policies_that_see_all_queues(policy: Policy) -> None:
    assert worst_drift(*SYSTEM, policy) == ((0, 1), pytest.approx(-40), True)
    assert not worst_drift(400.0, *SYSTEM[1:], policy).stable


def test_what_overflows_is_lost_from_large_buffers() -> None:
    # Three servers, two distinct draws: both slow with probability 1/3, 4/3 against 1.
    policy = Policy(shortest, 2, distinct=True)
    verdict = worst_drift(4.0, (4.0, 0.5), (1, 2), policy)
    assert verdict == ((1,), pytest.approx(1 / 3), False)
    losses = [4 * small_system(4.0, (4.0, 0.5), (1, 2), b, policy)["loss_probability"] for b in (8, 16, 24)]
    assert losses[-1] == pytest.approx(verdict.drift, abs=1e-3)
    assert worst_drift(2.7, (4.0, 0.5), (1, 2), policy).stable
    assert 4 * small_system(2.7, (4.0, 0.5), (1, 2), 24, policy)["loss_probability"] < 0.06


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 2.0), st.integers(1, 6), st.integers(1, 6), st.integers(2, 4), st.booleans())
def test_no_part_of_a_type_is_worse(load: float, fast: int, slow: int, draws: int, distinct: bool) -> None:
    n, arrival_rate = fast + slow, load * (3.0 * fast + slow)
    draws = min(draws, n)
    verdict = worst_drift(arrival_rate, (3.0, 1.0), (fast, slow), Policy(shortest, draws, distinct))
    for a in range(fast + 1):
        for b in range(slow + 1):
            chance = 1.0
            for i in range(draws):
                chance *= max(a + b - i, 0) / (n - i) if distinct else (a + b) / n
            assert arrival_rate * chance - 3 * a - b <= max(verdict.drift, 0) + 1e-9 * arrival_rate
    assert verdict.stable == (verdict.drift < 0)


def test_equal_weights_are_no_weights() -> None:
    assert worst_drift(*SYSTEM, Policy(shortest, 3, weights=(1.0, 1.0))) == worst_drift(*SYSTEM, Policy(shortest, 3))


def test_idle_queue_policies_have_no_formula() -> None:
    with pytest.raises(ValueError, match=r"rank must grow"):
        worst_drift(*SYSTEM, JIQ)
    assert worst_drift(*SYSTEM, Policy(idle_first, 1)) == worst_drift(*SYSTEM, RANDOM)


def test_idle_queue_policies_can_be_unstable_below_capacity() -> None:
    # Two servers, a long slow queue: the fast one alone has arrivals r when idle and r / 2 when busy.
    def excess(r: float) -> float:
        ratio = r / 2.5 / (1 - r / 5)
        return r / 2 * ratio / (1 + ratio) - 0.625

    assert excess(0.6 * 3.125) < 0 < excess(0.7 * 3.125)
    r = 0.9 * 3.125
    loss = small_system(r, (2.5, 0.625), (1, 1), 40, JIQ)["loss_probability"]
    assert r * loss == pytest.approx(excess(r), abs=1e-4)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"arrival_rate = -1"):
        worst_drift(-1.0, *SYSTEM[1:], JSQ)
    with pytest.raises(ValueError, match=r"draws = 401: must be at most the 400 servers"):
        worst_drift(*SYSTEM, Policy(shortest, 401, distinct=True))
    with pytest.raises(ValueError, match=r"13 types: at most 12"):
        worst_drift(1.0, [13.0 - j for j in range(13)], [1] * 13, JSQ)
