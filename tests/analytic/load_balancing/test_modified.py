import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.modified import fastest_first_rate, modified_system, pooled_jobs
from jaxq.analytic.stations.mmc import mmc


def test_reference_value() -> None:
    result = modified_system(0.7 * 3.125, (2.5, 0.625), (1, 1))
    assert result["number_in_system"] == pytest.approx(1.436617, abs=6e-7)


@pytest.mark.parametrize(("n", "expected"), [(50, -3.1928), (400, -3.1934)])
def test_scaled_lower_bound(n: int, expected: float) -> None:
    result = modified_system(n - 2 * math.sqrt(n), (2.5, 0.625), (n // 5, 4 * n // 5))
    assert (result["number_in_system"] - n) / math.sqrt(n) == pytest.approx(expected, abs=6e-5)


def test_against_queues_with_names() -> None:
    # Section 7.1 word for word: three queues of at most two jobs, the fastest servers at the longest queues.
    speeds, arrival_rate, n = [2.0, 0.7, 0.7], 2.5, 3
    balance = np.zeros((27, 27))
    for state in np.ndindex(3, 3, 3):
        i = np.ravel_multi_index(state, (3, 3, 3))
        shortest = [k for k in range(n) if state[k] == min(state)]
        moves = [(k, 1, arrival_rate / len(shortest)) for k in shortest if state[k] < 2]
        ordered = sorted(range(n), key=lambda k: -state[k])
        moves += [(k, -1, speeds[place]) for place, k in enumerate(ordered) if state[k] > 0]
        for k, step, rate in moves:
            target = list(state)
            target[k] += step
            balance[np.ravel_multi_index(target, (3, 3, 3)), i] += rate
            balance[i, i] -= rate
    balance[0, :] = 1.0
    law = np.linalg.solve(balance, np.eye(27)[0])
    queues = np.indices((3, 3, 3)).reshape(3, -1)
    result = modified_system(arrival_rate, (2.0, 0.7), (1, 2))
    assert result["number_in_system"] == pytest.approx(law @ queues.sum(axis=0), rel=1e-10)
    assert result["waiting"] == pytest.approx(law @ (queues == 2).sum(axis=0), rel=1e-10)
    assert result["loss_probability"] == pytest.approx(law[-1], rel=1e-10)
    assert result["probability_all_busy"] == pytest.approx(law @ (queues >= 1).all(axis=0), rel=1e-10)


@pytest.mark.parametrize("load", [1e-4, 0.5, 0.95, 1.0, 3.0, 50.0])
def test_one_pool_by_rates(load: float) -> None:
    # Whatever the load: rate in = rate out at the second level, mu E Q_2 = Lambda P(all busy, not all full).
    result = modified_system(load * 30, (1.0,), (30,))
    flow = load * 30 * (result["probability_all_busy"] - result["loss_probability"])
    assert result["waiting"] == pytest.approx(flow, rel=1e-8, abs=1e-14)
    busy = result["number_in_system"] - result["waiting"]
    assert busy == pytest.approx(load * 30 * (1 - result["loss_probability"]), rel=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.98), st.floats(0.1, 5.0), st.integers(1, 60))
def test_pooled_equal_servers_are_erlang_c(load: float, rate: float, servers: int) -> None:
    arrival_rate = load * rate * servers
    expected = mmc(arrival_rate, rate, servers)["number_in_system"]
    assert pooled_jobs(arrival_rate, (rate,), (servers,)) == pytest.approx(expected, rel=1e-10)


def test_pooled_two_servers() -> None:
    # Deaths at 2.5, then 3.125: p_1 = (r / 2.5) p_0, geometric from there.
    r = 0.7 * 3.125
    weights = np.concatenate(([1.0], r / 2.5 * 0.7 ** np.arange(200)))
    assert pooled_jobs(r, (2.5, 0.625), (1, 1)) == pytest.approx(weights @ np.arange(201) / weights.sum(), rel=1e-12)


def test_fastest_first_rate() -> None:
    np.testing.assert_allclose(fastest_first_rate((2.0, 0.5), (2, 3)), [0, 2, 4, 4.5, 5, 5.5])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"their sum must be at most 600"):
        modified_system(1.0, (1.0,), (601,))
    with pytest.raises(ValueError, match=r"arrival_rate = 3.0 must be below 2.5"):
        pooled_jobs(3.0, (2.0, 0.5), (1, 1))
    with pytest.raises(ValueError, match=r"service_rates\[1\] = 2.0: must be at most service_rates\[0\] = 1.0"):
        fastest_first_rate((1.0, 2.0), (1, 1))
    with pytest.raises(ValueError, match=r"lengths 1 and 2"):
        fastest_first_rate((1.0,), (1, 1))
    with pytest.raises(ValueError, match=r"servers\[1\] = 0"):
        fastest_first_rate((2.0, 1.0), (1, 0))
