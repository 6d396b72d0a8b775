import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.exact import small_states, small_system
from jaxq.analytic.load_balancing.modified import modified_system, pooled_jobs
from jaxq.analytic.load_balancing.optimal import optimal_jobs
from jaxq.analytic.load_balancing.policies import Policy
from tests.analytic.load_balancing.identities import level_two_rates, mean_jobs, mean_slowest_idle
from tests.analytic.load_balancing.ranks import (
    JIQ,
    JSQ,
    LEAST_DELAY,
    RANDOM,
    SA_JIQ,
    SA_JSQ,
    indifferent,
    least_delay,
    shortest,
    shortest_fastest,
)

SPEEDS = 2.5, 0.625
TWO = (1, 1)
FIVE = (1, 4)


@pytest.mark.parametrize(("policy", "expected"), [(SA_JSQ, 3.364218), (JSQ, 3.797258)])
def test_reference_values_two_servers(policy: Policy, expected: float) -> None:
    result = small_system(0.7 * 3.125, SPEEDS, TWO, 40, policy)
    assert result["number_in_system"] == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [(SA_JSQ, 5.027458), (JSQ, 6.101690), (Policy(shortest, 2, distinct=True), 11.337516), (JIQ, 7.354454)],
)
def test_reference_values_five_servers(policy: Policy, expected: float) -> None:
    # notebooks/mathematics/load_balancing.md, section 6. Capacity 2.5 + 4 x .625 = 5; power-of-2 draws distinct servers.
    result = small_system(3.5, SPEEDS, FIVE, 6, policy)
    assert result["number_in_system"] == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(("load", "expected"), [(0.5, 1.426321), (0.7, 2.951476), (0.9, 9.854843)])
def test_join_the_shortest_of_two_equal_servers(load: float, expected: float) -> None:
    result = small_system(2 * load, (1.0,), (2,), 100, JSQ)
    assert result["number_in_system"] == pytest.approx(expected, abs=6e-7)
    # At .9 a buffer of 70 shows in the fifth digit: 9.854789.
    if load == 0.9:
        assert small_system(1.8, (1.0,), (2,), 70, JSQ)["number_in_system"] == pytest.approx(9.854789, abs=6e-7)


Choice = Callable[[tuple[int, ...]], list[float]]
Speeds = tuple[float, ...]


def by_server(arrival_rate: float, speeds: Speeds, buffer: int, choice: Choice) -> float:
    """Mean jobs from the dense generator over all vectors of queue lengths."""
    shape = (buffer + 1,) * len(speeds)
    size = math.prod(shape)
    balance = np.zeros((size, size))
    for state in np.ndindex(shape):
        i = np.ravel_multi_index(state, shape)
        chances = choice(state)
        for server, speed in enumerate(speeds):
            for step, rate in ((1, arrival_rate * chances[server]), (-1, speed)):
                target = list(state)
                target[server] += step
                if 0 <= target[server] <= buffer:
                    balance[np.ravel_multi_index(target, shape), i] += rate
                    balance[i, i] -= rate
    balance[0, :] = 1.0
    law = np.linalg.solve(balance, np.eye(size)[0])
    return float(law @ np.indices(shape).sum(axis=0).ravel())


def spread(winners: list[int], weights: list[float]) -> list[float]:
    total = sum(weights[i] for i in winners)
    return [weights[i] / total if i in winners else 0.0 for i in range(len(weights))]


def average(parts: list[tuple[float, list[float]]]) -> list[float]:
    total = sum(chance for chance, _ in parts)
    return [sum(chance * part[i] for chance, part in parts) / total for i in range(len(parts[0][1]))]


def words(name: str, speeds: Speeds) -> Choice:
    """The policies in words, for servers with names."""
    n = len(speeds)
    equal = [1.0] * n

    def least(key: Callable[[int], object], among: list[int], weights: list[float]) -> list[float]:
        best = min(key(i) for i in among)  # type: ignore[type-var]
        return spread([i for i in set(among) if key(i) == best], weights)

    everyone = list(range(n))
    pairs = [(i, j) for i in everyone for j in everyone]

    def choose(q: tuple[int, ...]) -> list[float]:
        idle = [i for i in everyone if q[i] == 0]
        if name == "jsq":
            return least(lambda i: q[i], everyone, equal)
        if name == "sa_jsq":
            return least(lambda i: (q[i], -speeds[i]), everyone, equal)
        if name == "least_delay":
            return least(lambda i: ((q[i] + 1) / speeds[i], -speeds[i]), everyone, equal)
        if name == "jiq":
            return spread(idle or everyone, equal)
        if name == "sa_jiq":
            return least(lambda i: -speeds[i], idle, equal) if idle else spread(everyone, equal)
        if name == "random":
            return spread(everyone, equal)
        if name == "speed_random":
            return spread(everyone, list(speeds))
        if name == "two_distinct":
            return average([(1.0, least(lambda i: q[i], [i, j], equal)) for i, j in pairs if i != j])
        if name == "two_replaced_fastest":
            return average([(1.0, least(lambda i: (q[i], -speeds[i]), [i, j], equal)) for i, j in pairs])
        # Two draws with weights: a tie goes to either draw.
        return average(
            [
                (speeds[i] * speeds[j], average([(1.0, spread([k], equal)) for k in (i, j) if q[k] == min(q[i], q[j])]))
                for i, j in pairs
            ]
        )

    return choose


NAMED = {
    "jsq": JSQ,
    "sa_jsq": SA_JSQ,
    "least_delay": LEAST_DELAY,
    "jiq": JIQ,
    "sa_jiq": SA_JIQ,
    "random": RANDOM,
    "speed_random": Policy(indifferent, 1, weights=(1.7, 0.6)),
    "two_distinct": Policy(shortest, 2, distinct=True),
    "two_replaced_fastest": Policy(shortest_fastest, 2),
    "two_weighted": Policy(shortest, 2, weights=(1.7, 0.6)),
}


@pytest.mark.parametrize("name", NAMED)
def test_against_the_chain_of_servers_with_names(name: str) -> None:
    speeds = (1.7, 0.6, 0.6)
    result = small_system(2.1, (1.7, 0.6), (1, 2), 3, NAMED[name])
    assert result["number_in_system"] == pytest.approx(by_server(2.1, speeds, 3, words(name, speeds)), rel=1e-10)


POLICIES = st.sampled_from(
    [
        SA_JSQ,
        JSQ,
        LEAST_DELAY,
        JIQ,
        SA_JIQ,
        RANDOM,
        Policy(shortest, 2),
        Policy(shortest, 2, distinct=True),
        Policy(shortest_fastest, 3, distinct=True),
        Policy(least_delay, 2, weights=(3.0, 1.0)),
    ]
)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 1.3), st.floats(1.1, 6.0), st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), POLICIES)
def test_work_in_is_work_out(load: float, ratio: float, fast: int, slow: int, buffer: int, policy: Policy) -> None:
    if policy.distinct and policy.draws is not None:
        slow = max(slow, policy.draws - fast)
    rates, servers = (ratio, 1.0), (fast, slow)
    arrival_rate = load * (ratio * fast + slow)
    result = small_system(arrival_rate, rates, servers, buffer, policy)
    admitted = arrival_rate * (1 - result["loss_probability"])
    busy = result["levels"][:, 0]
    # Lemma 6.1(1), and the jobs that follow from it.
    assert np.array(rates) @ busy == pytest.approx(admitted, rel=1e-10)
    idle = np.array(servers) - busy
    assert mean_slowest_idle(admitted, rates, servers, idle[:-1]) == pytest.approx(idle[-1], abs=1e-9)
    jobs = mean_jobs(admitted, rates, servers, idle[:-1], result["waiting"])
    assert jobs == pytest.approx(result["number_in_system"], abs=1e-9)
    assert result["response_time"] == pytest.approx(jobs / admitted, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 1.2), st.lists(st.integers(1, 2), min_size=1, max_size=3), st.integers(3, 4))
def test_lemma_6_1_second_part(load: float, servers: list[int], buffer: int) -> None:
    rates = [3.0, 1.4, 0.5][: len(servers)]
    arrival_rate = load * float(np.dot(rates, servers))
    result = small_system(arrival_rate, rates, servers, buffer, SA_JSQ)
    left, right = level_two_rates(
        arrival_rate,
        rates,
        result["levels"],
        result["probability_level_two_full"],
        result["loss_probability"],
    )
    assert left > 0
    assert left == pytest.approx(right, rel=1e-8)


def test_lemma_6_1_second_part_is_about_speed_aware_ties() -> None:
    result = small_system(3.5, SPEEDS, FIVE, 4, JSQ)
    left, right = level_two_rates(3.5, SPEEDS, result["levels"], result["probability_level_two_full"])
    assert left > 1.5 * right


def test_one_server_is_a_queue_with_a_finite_room() -> None:
    law = 0.8 ** np.arange(8)
    law /= law.sum()
    result = small_system(0.8, (1.0,), (1,), 7, RANDOM)
    assert result["number_in_system"] == pytest.approx(law @ np.arange(8), rel=1e-12)
    assert result["loss_probability"] == pytest.approx(law[-1], rel=1e-10)
    assert result["probability_all_busy"] == pytest.approx(1 - law[0], rel=1e-12)


def test_random_routing_is_independent_queues() -> None:
    weights = 2.0, 1.0
    # Half the jobs to the fast server, a quarter to each slow one.
    result = small_system(1.0, (2.0, 0.9), (1, 2), 20, Policy(indifferent, 1, weights=weights))
    loads = np.array([0.5 / 2.0, 0.25 / 0.9])
    assert result["levels"][:, :9].T == pytest.approx(np.array([[1, 2]]) * loads ** np.arange(1, 10)[:, None], rel=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 0.85), st.floats(1.2, 8.0), POLICIES)
def test_lower_bounds(load: float, ratio: float, policy: Policy) -> None:
    # A lost job would lower the jobs, so only policies and loads that lose next to nothing say something.
    rates, servers = (ratio, 1.0), (1, 2)
    arrival_rate = load * (ratio + 2)
    result = small_system(arrival_rate, rates, servers, 12, policy)
    if result["loss_probability"] < 1e-6:
        jobs = result["number_in_system"] + 1e-3
        modified = modified_system(arrival_rate, rates, servers)
        assert pooled_jobs(arrival_rate, rates, servers) <= jobs
        assert modified["number_in_system"] <= jobs
        assert modified["waiting"] <= result["waiting"] + 1e-3
        assert optimal_jobs(arrival_rate, rates, servers, 12) <= jobs


def test_join_the_shortest_is_optimal_for_equal_servers() -> None:
    best = optimal_jobs(2.1, (1.0,), (3,), 14)
    assert best == pytest.approx(small_system(2.1, (1.0,), (3,), 14, JSQ)["number_in_system"], abs=1e-6)


def test_two_unequal_servers_have_a_better_policy() -> None:
    for load, gap in ((0.1, 0.1528), (0.5, 0.1836), (0.7, 0.1851)):
        best = optimal_jobs(load * 3.125, SPEEDS, TWO, 40)
        aware = small_system(load * 3.125, SPEEDS, TWO, 40, SA_JSQ)["number_in_system"]
        assert aware / best - 1 == pytest.approx(gap, abs=6e-5)


def test_optimal_policy_of_a_tiny_system_by_trying_all() -> None:
    # n = 2, B = 1: the only choices are in the empty system.
    def jobs(fast: float) -> float:
        return by_server(1.0, (2.0, 0.5), 1, lambda q: [fast, 1 - fast] if q == (0, 0) else [1.0 - q[0], 1.0 - q[1]])

    assert optimal_jobs(1.0, (2.0, 0.5), TWO, 1) == pytest.approx(min(jobs(0.0), jobs(1.0)), rel=1e-10)


def test_overloaded_system_is_full() -> None:
    result = small_system(200.0, SPEEDS, TWO, 60, SA_JSQ)
    assert result["loss_probability"] == pytest.approx(1 - 3.125 / 200, rel=1e-9)
    assert result["number_in_system"] == pytest.approx(120, abs=0.1)


def test_states() -> None:
    states = small_states((2, 1), 2)
    assert states[0] == ((0, 0), (0,))
    assert states[-1] == ((2, 2), (2,))
    assert len(set(states)) == len(states) == 18


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"need \d+ states: at most 60000"):
        small_system(1.0, (1.0,), (10,), 10, JSQ)
    with pytest.raises(ValueError, match=r"arrival_rate = 0"):
        small_system(0, SPEEDS, TWO, 4, JSQ)
    with pytest.raises(ValueError, match=r"buffer = 0"):
        small_system(1.0, SPEEDS, TWO, 0, JSQ)
    with pytest.raises(ValueError, match=r"draws = 3: must be at most the 2 servers"):
        small_system(1.0, SPEEDS, TWO, 4, Policy(shortest, 3, distinct=True))
