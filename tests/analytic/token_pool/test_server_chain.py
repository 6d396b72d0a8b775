from collections.abc import Callable

import numpy as np
import pytest

from jaxq.analytic.token_pool.server_chain import (
    best_response,
    centralised_jobs,
    pool_queue_unconstrained,
    switching_wait,
    token_server,
)

State = tuple[int, ...]
Jumps = Callable[[State], list[tuple[State, float]]]


def dense_law(states: list[State], jumps: Jumps) -> np.ndarray:
    """Stationary law of a chain given as a function state -> [(target, rate)]; jumps out of the set are dropped."""
    from scipy.sparse import lil_matrix
    from scipy.sparse.linalg import spsolve

    index = {state: i for i, state in enumerate(states)}
    balance = lil_matrix((len(states), len(states)))
    for state in states:
        for target, rate in jumps(state):
            if rate > 0 and target in index:
                balance[index[target], index[state]] += rate
                balance[index[state], index[state]] -= rate
    balance[0, :] = 1.0
    return spsolve(balance.tocsc(), np.eye(len(states))[0])


def policy_jumps(rho: float, phi: float, token_cap: int, policy: tuple[int, float, float]) -> Jumps:
    """Section 6.1 word for word, with the pool of a lone server as third coordinate (time unit 1 / mu)."""
    threshold, mix, offer = policy

    def jumps(state: State) -> list[tuple[State, float]]:
        q, s, pool = state
        routed = 1.0 if q >= threshold else mix if q == threshold - 1 else 0.0
        if s == 0:
            routed = 0.0
        moves = [((q, s - 1, pool + 1), rho * routed), ((q + 1, s, pool), rho * (1 - routed))]
        if q >= 1:
            moves.append(((q - 1, s, pool), 1.0))
        elif s < token_cap:
            served = max(pool - 1, 0)
            moves += [((q, s + 1, served), offer * phi), ((q, s, served), offer * (1 - phi) * (pool > 0))]
        return moves

    return jumps


@pytest.mark.parametrize(
    ("rho", "phi", "token_cap", "expected"),
    [
        (0.8, 0.4, 50, (1.517058, 0.121278, 0.303196, 0.067842, 0.040705)),
        (0.8, 0.8, 50, (0.363636, 0.727273, 0.909091, 0.090909, 0.018182)),
        (0.5, 0.4, 3, (0.497020, None, None, 0.373063, 0.216130)),
    ],
)
def test_reference_values(rho: float, phi: float, token_cap: int, expected: tuple[float | None, ...]) -> None:
    # notebooks/mathematics/token_pool.md, section 7, the second by hand
    result = token_server(rho, phi, token_cap)
    for key, value in zip(
        ("own_queue", "request_rate", "offer_rate", "no_tokens", "full_tokens"), expected, strict=True
    ):
        if value is not None:
            assert result[key] == pytest.approx(value, abs=6e-7), key


@pytest.mark.parametrize(
    ("rho", "phi", "token_cap", "wait"),
    [
        (0.5, 0.4, 3, 0.0),
        (0.5, 0.2, 4, 0.0),
        (0.6, 0.9, 5, 0.0),
        (0.6, 0.6, 1, 0.0),
        (0.6, 0.36, 3, 0.0),
        (0.5, 0.4, 4, 3.0),
        (0.6, 0.7, 3, 1.5),
        (0.7, 0.1, 2, 0.0),
    ],
)
def test_against_a_truncated_generator(rho: float, phi: float, token_cap: int, wait: float) -> None:
    policy = best_response(rho, phi, wait)
    three = policy_jumps(rho, phi, token_cap, policy)

    def jumps(state: State) -> list[tuple[State, float]]:
        return [(target[:2], rate) for target, rate in three((*state, 0)) if target[:2] != state]

    states = [(q, s) for q in range(110) for s in range(token_cap + 1) if s == 0 or q <= policy[0] + 1]
    law = dict(zip(states, dense_law(states, jumps), strict=True))
    result = token_server(rho, phi, token_cap, wait)
    routed = {q: 1.0 if q >= policy[0] else policy[1] if q == policy[0] - 1 else 0.0 for q in range(110)}
    expected = {
        "own_queue": sum(q * p for (q, _), p in law.items()),
        "request_rate": rho * sum(routed[q] * p for (q, s), p in law.items() if s > 0),
        "offer_rate": policy[2] * sum(p for (q, s), p in law.items() if q == 0 and s < token_cap),
        "no_tokens": sum(p for (_, s), p in law.items() if s == 0),
        "full_tokens": sum(p for (_, s), p in law.items() if s == token_cap),
        "tokens": sum(s * p for (_, s), p in law.items()),
    }
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, rel=1e-9), key


@pytest.mark.parametrize(("rho", "phi", "token_cap"), [(0.5, 0.4, 1), (0.5, 0.4, 3), (0.6, 0.25, 2), (0.5, 0.5, 4)])
def test_lone_server_keeps_all_jobs_and_a_busy_pool(rho: float, phi: float, token_cap: int) -> None:
    # N = 1 and phi <= rho: total jobs rho / (1 - rho) whatever the cap, and an offer finds the pool busy w.p. phi.
    policy = best_response(rho, phi)
    states = [
        (q, s, pool)
        for q in range(70)
        for s in range(token_cap + 1)
        for pool in range(token_cap + 1 - s)
        if s == 0 or q <= policy[0] + 1
    ]
    law = dict(zip(states, dense_law(states, policy_jumps(rho, phi, token_cap, policy)), strict=True))
    pool_queue = sum(pool * p for (_, _, pool), p in law.items())
    result = token_server(rho, phi, token_cap)
    assert result["own_queue"] + pool_queue == pytest.approx(rho / (1 - rho), rel=1e-9)
    offered = {state: p for state, p in law.items() if state[0] == 0 and state[1] < token_cap}
    busy = sum(p for (_, _, pool), p in offered.items() if pool > 0)
    assert busy / sum(offered.values()) == pytest.approx(phi, rel=1e-9)


@pytest.mark.parametrize("phi", [0.8, 0.9, 0.99])
@pytest.mark.parametrize("token_cap", [1, 50, 700])
def test_closed_form_for_phi_of_at_least_rho(phi: float, token_cap: int) -> None:
    # Appendices C.1.1 and C.2.1.
    rho = 0.8
    share = 1 / (1 + token_cap * (1 - rho))
    expected = {
        "own_queue": rho / (1 - rho) * share,
        "request_rate": rho * token_cap * (1 - rho) * share,
        "offer_rate": rho / phi * token_cap * (1 - rho) * share,
        "no_tokens": share,
        "full_tokens": (1 - rho) * share,
        "tokens": (1 - rho) * share * token_cap * (token_cap + 1) / 2,
    }
    result = token_server(rho, phi, token_cap)
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, rel=1e-11), key


def test_requests_are_phi_times_offers() -> None:
    for rho, phi, token_cap, wait in (
        (0.8, 0.4, 50, 0.0),
        (0.5, 1e-6, 600, 0.0),
        (0.9, 0.3, 300, 0.0),
        (0.9, 0.3, 40, 55.0),
        (0.7, 0.9, 20, 4.0),
        (0.9, 0.85, None, 0.0),
        (0.9, 0.3, None, 55.0),
        (0.7, 0.95, None, 0.0),
    ):
        result = token_server(rho, phi, token_cap, wait)
        assert result["request_rate"] == pytest.approx(phi * result["offer_rate"], rel=1e-12)


def test_large_cap_comes_to_no_cap_from_the_side_of_lemma_6_2() -> None:
    free = token_server(0.8, 0.4, None)
    gaps = []
    for token_cap in (100, 200, 400, 800):
        capped = token_server(0.8, 0.4, token_cap)
        # Lemma 6.2: the cap lengthens the queue and lowers both rates, by O(1/C).
        assert capped["own_queue"] > free["own_queue"]
        assert capped["offer_rate"] < free["offer_rate"]
        gaps.append(free["request_rate"] - capped["request_rate"])
    slopes = np.diff(np.log2(gaps))
    np.testing.assert_allclose(slopes, -1.0, atol=0.06)
    assert gaps[-1] / free["request_rate"] == pytest.approx(0.006, abs=5e-4)


@pytest.mark.parametrize("phi", [0.05, 0.3, 0.512, 0.6, 0.64, 0.75, 0.8])
def test_without_cap_is_equation_11(phi: float) -> None:
    rho = 0.8
    result = token_server(rho, phi, None)
    assert result["offer_rate"] == pytest.approx((1 - rho) / (1 - phi), rel=1e-12)
    lines = [z - switching_wait(rho, z) * (1 - rho) / (1 - phi) for z in range(60)]
    assert result["own_queue"] == pytest.approx(max(lines), rel=1e-10, abs=1e-12)


def test_without_cap_above_rho_the_queue_is_empty() -> None:
    result = token_server(0.8, 0.9, None, service_rate=2.0)
    assert result == pytest.approx({"own_queue": 0.0, "request_rate": 1.6, "offer_rate": 1.6 / 0.9}, rel=1e-14)


def test_without_cap_in_case_two_is_a_truncated_geometric_queue() -> None:
    rho, threshold = 0.8, 3
    wait = (switching_wait(rho, 3) + switching_wait(rho, 4)) / 2
    result = token_server(rho, 0.7, None, wait)
    weights = rho ** np.arange(threshold + 1)
    assert result["own_queue"] == pytest.approx(weights @ np.arange(threshold + 1) / weights.sum(), rel=1e-12)
    assert result["request_rate"] == pytest.approx(rho * weights[-1] / weights.sum(), rel=1e-12)


def test_time_unit() -> None:
    slow, fast = token_server(0.8, 0.4, 20, wait=12.0), token_server(0.8, 0.4, 20, wait=3.0, service_rate=4.0)
    assert fast["own_queue"] == pytest.approx(slow["own_queue"], rel=1e-12)
    assert fast["request_rate"] == pytest.approx(4 * slow["request_rate"], rel=1e-12)
    assert fast["own_queue"] != pytest.approx(token_server(0.8, 0.4, 20)["own_queue"], rel=1e-3)


def test_switching_wait() -> None:
    assert switching_wait(0.8, 0) == 0.0
    assert switching_wait(0.8, 1) == 1.0
    for z in range(1, 30):
        expected = (z - sum(0.8**i for i in range(1, z + 1))) / 0.2
        assert switching_wait(0.8, z) == pytest.approx(expected, rel=1e-12)
        assert switching_wait(0.8, z) - switching_wait(0.8, z - 1) >= 1 - 1e-12


@pytest.mark.parametrize("rho", [0.1, 0.3, 0.5, 0.7, 0.8, 0.99, 0.999])
def test_powers_of_rho_are_pure_thresholds(rho: float) -> None:
    product = 1.0
    for power in range(1, 40):
        product *= rho
        for phi in (rho**power, product, np.nextafter(product, 0), np.nextafter(product, 1)):
            assert best_response(rho, phi) == (power - 1, 0.0, 1.0)


def test_case_one_between_the_powers() -> None:
    # rho = .8, phi = .4: .8^5 = .32768 <= .4 < .4096 = .8^4.
    threshold, mix, offer = best_response(0.8, 0.4)
    assert (threshold, offer) == (4, 1.0)
    assert mix == pytest.approx((0.4 - 0.8**5) / (0.8**4 - 0.8**5), rel=1e-12)
    assert best_response(0.8, 0.4, 0.999 * switching_wait(0.8, 4)) == (threshold, mix, offer)


@pytest.mark.parametrize("phi", [0.05, 0.4, 0.8, 0.9])
def test_case_two_follows_the_wait(phi: float) -> None:
    rho = 0.8
    k = best_response(rho, phi)[0]
    for z in range(k, k + 12):
        inside = (switching_wait(rho, z) + switching_wait(rho, z + 1)) / 2
        threshold, mix, offer = best_response(rho, phi, inside)
        assert (threshold, mix) == (z, 0.0)
        assert offer == pytest.approx(rho ** (z + 1) / phi, rel=1e-12)
        assert offer <= 1.0
        # At the upper end both neighbours are optimal; the lower threshold is kept.
        assert best_response(rho, phi, switching_wait(rho, z + 1))[0] == z


def test_policy_is_the_best_threshold_for_its_wait() -> None:
    # The cost (25) E[q] + request rate x wait at every fixed threshold with balanced tokens is not lower.
    rho, phi = 0.8, 0.7
    for wait in (0.0, 0.5, 2.0, 4.4, 9.0, 31.0):
        chosen = token_server(rho, phi, None, wait)
        cost = chosen["own_queue"] + chosen["request_rate"] * wait
        for z in range(best_response(rho, phi)[0], 20):
            weights = rho ** np.arange(z + 1)
            law = weights / weights.sum()
            assert cost <= law @ np.arange(z + 1) + rho * law[-1] * wait + 1e-12


def test_centralised_jobs() -> None:
    assert centralised_jobs(0.8, 1.0) == pytest.approx(4.0)
    assert centralised_jobs([0.2, 1.4], [1.0, 3.0]) == pytest.approx(0.4 / 0.6)
    assert centralised_jobs([0.5, 0.9], 1.0) == pytest.approx(0.7 / 0.3)
    with pytest.raises(ValueError, match=r"= 1.0 must be below 1"):
        centralised_jobs([0.5, 1.5], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"arrival_rate = .*0.0"):
        centralised_jobs([0.5, 0.0], 1.0)


def test_pool_queue() -> None:
    assert pool_queue_unconstrained(0.8, 0.8) == pytest.approx(4.0)
    assert pool_queue_unconstrained(0.9, [0.3, 0.8]) == pytest.approx(9.0)
    # Theorem 7.1: complete pooling when all servers have one utilisation, whatever their speeds.
    assert pool_queue_unconstrained(0.6, [0.6, 0.6]) == pytest.approx(centralised_jobs([0.6, 1.8], [1.0, 3.0]))
    with pytest.raises(ValueError, match=r"rho = 0.85: must be at most phi = 0.8"):
        pool_queue_unconstrained(0.8, [0.3, 0.85])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"rho = 1.0: must be a number > 0 and < 1"):
        token_server(1.0, 0.4, 5)
    with pytest.raises(ValueError, match=r"phi = 0"):
        best_response(0.8, 0)
    with pytest.raises(ValueError, match=r"wait = -1"):
        best_response(0.8, 0.4, -1)
    with pytest.raises(ValueError, match=r"token_cap = 0: must be a whole number >= 1"):
        token_server(0.8, 0.4, 0)
    with pytest.raises(ValueError, match=r"service_rate = 0"):
        token_server(0.8, 0.4, 5, service_rate=0)
    with pytest.raises(ValueError, match=r"threshold = 1.5"):
        switching_wait(0.8, 1.5)
