import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.policies import Policy, routing, weights_of
from tests.analytic.load_balancing.ranks import (
    JIQ,
    JSQ,
    LEAST_DELAY,
    RANDOM,
    SA_JIQ,
    SA_JSQ,
    least_delay,
    shortest,
    shortest_fastest,
)

SPEEDS = 4.0, 2.0, 1.0
# Two servers of type 0 with 1 job, one with 3; type 1 has one with 0 jobs and two with 1; type 2 three with 0.
CLASSES = [(0, 1, 2), (0, 3, 1), (1, 0, 1), (1, 1, 2), (2, 0, 3)]


def chances(policy: Policy) -> dict[tuple[int, int], float]:
    return {(j, jobs): p for j, jobs, p in routing(policy, SPEEDS, CLASSES)}


def test_policies_that_see_all() -> None:
    assert chances(SA_JSQ) == {(1, 0): 1.0}
    assert chances(SA_JIQ) == {(1, 0): 1.0}
    assert chances(JSQ) == chances(JIQ) == {(1, 0): 0.25, (2, 0): 0.75}
    # Delays: 2/4 at (0, 1), 1/2 at (1, 0), 1 elsewhere; the tie goes to the fastest.
    assert chances(LEAST_DELAY) == {(0, 1): 1.0}
    assert chances(RANDOM) == pytest.approx({(j, jobs): m / 9 for j, jobs, m in CLASSES})


def test_nobody_idle() -> None:
    busy = [(0, 2, 1), (0, 3, 1), (1, 1, 2)]
    assert routing(SA_JIQ, SPEEDS[:2], busy) == routing(JIQ, SPEEDS[:2], busy)
    assert {(j, jobs): p for j, jobs, p in routing(JIQ, SPEEDS[:2], busy)} == {(0, 2): 0.25, (0, 3): 0.25, (1, 1): 0.5}
    assert routing(SA_JSQ, SPEEDS[:2], busy) == [(1, 1, 1.0)]


def test_distinct_draws() -> None:
    # 9 servers, 4 idle, 4 with one job, 1 with three; C(9, 2) = 36.
    found = chances(Policy(shortest, 2, distinct=True))
    assert found == pytest.approx(
        {(1, 0): 26 / 36 / 4, (2, 0): 26 / 36 * 3 / 4, (0, 1): 10 / 36 / 2, (1, 1): 10 / 36 / 2}
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(1, 5)),
        min_size=1,
        max_size=8,
        unique_by=lambda entry: entry[:2],
    ),
    st.sampled_from([shortest, shortest_fastest, least_delay]),
    st.integers(1, 4),
    st.sampled_from([None, (1.0, 2.0, 0.5)]),
)
def test_probabilities(
    classes: list[tuple[int, int, int]], rank: object, draws: int, weights: tuple[float, ...] | None
) -> None:
    total = sum(m for _, _, m in classes)
    policies = [Policy(rank, draws, weights=weights)]  # type: ignore[arg-type]
    if weights is None and draws <= total:
        policies.append(Policy(rank, draws, distinct=True))  # type: ignore[arg-type]
        everyone = routing(Policy(rank), SPEEDS, classes)  # type: ignore[arg-type]
        found = routing(Policy(rank, total, distinct=True), SPEEDS, classes)  # type: ignore[arg-type]
        assert [entry[:2] for entry in found] == [entry[:2] for entry in everyone]
    for policy in policies:
        found = routing(policy, SPEEDS, classes)
        assert sum(p for _, _, p in found) == pytest.approx(1, rel=1e-12)
        assert all(p > 0 for _, _, p in found)
        one = routing(policy._replace(draws=1), SPEEDS, classes)
        w = weights or (1.0, 1.0, 1.0)
        share = {(j, i): w[j] * m / sum(w[a] * b for a, _, b in classes) for j, i, m in classes}
        assert {(j, i): p for j, i, p in one} == pytest.approx(share)


def test_against_sampling() -> None:
    policy = Policy(shortest_fastest, 2, weights=(1.0, 3.0, 0.5))
    rng = np.random.default_rng(1)
    servers = [(j, jobs) for j, jobs, m in CLASSES for _ in range(m)]
    weights = np.array([(1.0, 3.0, 0.5)[j] for j, _ in servers])
    drawn = rng.choice(len(servers), size=(200_000, 2), p=weights / weights.sum())
    order = np.argsort(np.argsort([jobs * 10 - SPEEDS[j] for j, jobs in servers], kind="stable"))
    winner = drawn[np.arange(len(drawn)), order[drawn].argmin(axis=1)]
    counts = np.bincount(winner, minlength=len(servers)) / len(drawn)
    found = chances(policy)
    for j, jobs, _ in CLASSES:
        share = sum(c for c, server in zip(counts, servers, strict=True) if server == (j, jobs))
        assert share == pytest.approx(found[j, jobs], abs=0.005)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"draws = 0"):
        weights_of(Policy(shortest, 0), 2)
    with pytest.raises(ValueError, match=r"weights = \(1.0,\): must have one entry for each of 2 types"):
        weights_of(Policy(shortest, 2, weights=(1.0,)), 2)
    with pytest.raises(ValueError, match=r"weights\[1\] = 0"):
        weights_of(Policy(shortest, 2, weights=(1.0, 0.0)), 2)
    with pytest.raises(ValueError, match=r"distinct = True: .* need draws with replacement"):
        weights_of(Policy(shortest, 2, True, (1.0, 2.0)), 2)
    with pytest.raises(ValueError, match=r"draws = 10: must be at most the 9 servers"):
        chances(Policy(shortest, 10, distinct=True))
