import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.exact import small_system
from jaxq.analytic.load_balancing.mean_field import (
    MeanField,
    power_of_d_fixed_point,
)
from jaxq.analytic.load_balancing.policies import Policy
from jaxq.analytic.load_balancing.splitting import split_response_time
from jaxq.analytic.load_balancing.stability import worst_drift
from tests.analytic.load_balancing import equal_servers
from tests.analytic.load_balancing.ranks import (
    JSQ,
    fastest_idle_first,
    idle_first,
    indifferent,
    least_delay,
    shortest,
    shortest_fastest,
)

SPEEDS, SHARES = (2.5, 0.625), (0.2, 0.8)


def test_reference_value() -> None:
    # notebooks/mathematics/load_balancing.md, section 7
    assert equal_servers.response_time(0.9, 2) == pytest.approx(2.614057, abs=6e-7)
    result = power_of_d_fixed_point(0.9, (1.0,), (1.0,), Policy(shortest, 2))
    assert result["response_time"] == pytest.approx(2.614057, abs=6e-7)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(2, 6), st.floats(0.3, 3.0))
def test_one_type_is_the_closed_form(load: float, draws: int, rate: float) -> None:
    result = power_of_d_fixed_point(load * rate, (rate,), (1.0,), Policy(shortest, draws))
    levels = result["levels"][0]
    np.testing.assert_allclose(levels, equal_servers.levels(load, draws, levels.size)[1:], atol=1e-11)
    assert result["response_time"] == pytest.approx(equal_servers.response_time(load, draws, rate), rel=1e-10)


@pytest.mark.parametrize("draws", [2, 3, 5])
def test_speed_weighted_draws_make_all_types_alike(draws: int) -> None:
    # A draw is of type j with probability gamma_j mu_j, so all servers have one utilisation and one law.
    result = power_of_d_fixed_point(0.9, SPEEDS, SHARES, Policy(shortest, draws, weights=SPEEDS))
    expected = equal_servers.levels(0.9, draws, result["levels"].shape[1])[1:]
    np.testing.assert_allclose(result["levels"], np.tile(expected, (2, 1)), atol=1e-11)
    assert result["type_probabilities"] == pytest.approx([0.5, 0.5])


POLICIES = [
    Policy(shortest, 2),
    Policy(shortest_fastest, 2),
    Policy(least_delay, 2),
    Policy(shortest_fastest, 3),
    Policy(shortest, 2, weights=(3.0, 1.0)),
    Policy(fastest_idle_first, 4),
    Policy(idle_first, 3, weights=(2.0, 1.0)),
]


def drawn_flows(levels: np.ndarray, policy: Policy, shares: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    """Chance that an arrival joins a type-j server with i jobs, by adding up all d draws one after the other."""
    weights = shares * np.array(policy.weights or (1.0,) * len(shares))
    law = -np.diff(np.hstack([np.ones((len(shares), 1)), levels, np.zeros((len(shares), 1))]))
    law = (weights / weights.sum())[:, None] * law
    classes = [(j, i) for j in range(law.shape[0]) for i in range(law.shape[1])]
    rank = {c: policy.rank(c[1], speeds[c[0]]) for c in classes}
    # best[r]: chance that the least rank so far is r; the winner of a rank is in proportion to the draws.
    ranks = sorted(set(rank.values()))
    mass = np.array([sum(law[c] for c in classes if rank[c] == r) for r in ranks])
    best = mass.copy()
    for _ in range((policy.draws or 1) - 1):
        better, worse = np.cumsum(mass), np.cumsum(best[::-1])[::-1]
        best = best * (1 - better + mass) + mass * (worse - best)
    flows = np.zeros_like(law)
    for c in classes:
        r = ranks.index(rank[c])
        flows[c] = best[r] * law[c] / mass[r] if mass[r] > 0 else 0.0
    return flows


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.rank.__name__}-{p.draws}-{p.weights is not None}")
def test_balance_at_the_fixed_point(policy: Policy) -> None:
    lam, shares, speeds = 0.6, np.array([0.3, 0.7]), np.array([1.8, 0.7])
    result = power_of_d_fixed_point(lam, speeds.tolist(), shares.tolist(), policy)
    levels = result["levels"]
    flows = lam * drawn_flows(levels, policy, shares, speeds)
    busy = np.hstack([levels, np.zeros((2, 1))])
    served = (shares * speeds)[:, None] * (busy[:, :-1] - busy[:, 1:])
    # As many jobs come to servers with i jobs as leave servers with i + 1.
    np.testing.assert_allclose(flows[:, :-1], served, atol=1e-11)
    # Work in is work out, and Little by type.
    assert (shares * speeds) @ levels[:, 0] == pytest.approx(lam, rel=1e-10)
    assert result["type_probabilities"].sum() == pytest.approx(1, rel=1e-10)
    assert result["type_probabilities"] @ result["type_response_times"] == pytest.approx(result["response_time"])
    assert result["jobs"] == pytest.approx(lam * result["response_time"])


@pytest.mark.parametrize("policy", POLICIES[:3], ids=["blind", "aware", "delay"])
def test_paths_lead_to_the_fixed_point(policy: Policy) -> None:
    field = MeanField(0.7, SPEEDS, SHARES, policy, 25)
    path = field.path(np.zeros((2, 25)), np.array([0.0, 1.0, 400.0]))
    expected = power_of_d_fixed_point(0.7, SPEEDS, SHARES, policy)["levels"]
    np.testing.assert_allclose(path[-1], expected, atol=1e-7)
    # One time unit after the start: no more jobs than have come.
    assert (field.shares * path[1].sum(axis=1)).sum() < 0.7
    assert (path[1] >= -1e-12).all()


@pytest.mark.parametrize("policy", [Policy(shortest, 2, distinct=True), Policy(shortest_fastest, 2)])
def test_exact_small_systems_go_to_the_fixed_point(policy: Policy) -> None:
    # Jobs per server at n = 2, 4, 8, a polynomial in 1/n; distinct draws or not is the same in the limit.
    sizes = np.array([2, 4, 8])
    jobs = [
        small_system(0.5 * n, (1.3, 0.7), (n // 2, n // 2), 4, policy)["number_in_system"] / n for n in sizes.tolist()
    ]
    limit = power_of_d_fixed_point(0.5, (1.3, 0.7), (0.5, 0.5), policy)["jobs"]
    assert np.polyfit(1 / sizes, jobs, 2)[-1] == pytest.approx(limit, abs=0.003)
    assert abs(jobs[-1] - limit) > 0.009


def test_speed_matters() -> None:
    times = [power_of_d_fixed_point(0.7, SPEEDS, SHARES, policy)["response_time"] for policy in POLICIES[:3]]
    assert times[0] > times[1] > times[2]


def test_one_draw_is_a_split() -> None:
    policy = Policy(indifferent, 1, weights=(4.0, 1.2))
    result = power_of_d_fixed_point(0.5, SPEEDS, SHARES, policy)
    shares = np.array([0.8, 0.96]) / 1.76
    expected, _ = split_response_time(5.0, SPEEDS, (2, 8), shares.tolist())
    assert result["response_time"] == pytest.approx(expected, rel=1e-9)


def test_no_fixed_point() -> None:
    with pytest.raises(ValueError, match=r"draws are all of types \[2\] at rate 0.576 per server, .* capacity 0.5"):
        power_of_d_fixed_point(0.9, SPEEDS, SHARES, Policy(shortest, 2))
    # The edge is at .78125 = .5 / .64; the finite system agrees.
    assert power_of_d_fixed_point(0.77, SPEEDS, SHARES, Policy(shortest, 2))["response_time"] > 4
    for load, stable in ((0.781, True), (0.7815, False)):
        assert worst_drift(load * 400, SPEEDS, (80, 320), Policy(shortest, 2)).stable is stable
    with pytest.raises(ValueError, match=r"types \[1, 2\] at rate 1 "):
        power_of_d_fixed_point(1.0, SPEEDS, SHARES, Policy(shortest, 2, weights=SPEEDS))


def test_unbounded_queues_that_the_condition_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two draws, an idle one first, else either: at .7 the slow servers' tail is too long for the levels allowed.
    monkeypatch.setattr("jaxq.analytic.load_balancing.mean_field._MOST_LEVELS", 50)
    with pytest.raises(ValueError, match=r"no fixed point within 50 levels"):
        power_of_d_fixed_point(0.7, SPEEDS, SHARES, Policy(idle_first, 2))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"draws = None"):
        power_of_d_fixed_point(0.5, SPEEDS, SHARES, JSQ)
    with pytest.raises(ValueError, match=r"shares = .* sum must be 1"):
        power_of_d_fixed_point(0.5, SPEEDS, (0.2, 0.7), Policy(shortest, 2))
    with pytest.raises(ValueError, match=r"shares has length 1"):
        power_of_d_fixed_point(0.5, SPEEDS, (1.0,), Policy(shortest, 2))
