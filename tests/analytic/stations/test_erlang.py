import itertools
import math

import numpy as np
import pytest

from jaxq.analytic.stations.erlang import erlang_b, erlang_c, halfin_whitt
from jaxq.analytic.stations.mmc import mmc


def phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def tail(x: float) -> float:
    return math.erfc(x / math.sqrt(2)) / 2


def garnett(beta: float, ratio: float) -> float:
    """P(wait) of M/M/c+M, c = a + beta sqrt(a), c -> infinity: Garnett, Mandelbaum and Reiman (2002), M&SOM 4(3)."""
    root = math.sqrt(ratio)
    hazards = [phi(x) / tail(x) for x in (beta / root, -beta)]
    return 1 / (1 + root * hazards[0] / hazards[1])


@pytest.mark.parametrize(("load", "servers", "value"), [(2, 3, 0.210526), (8, 10, 0.121661), (100, 100, 0.0757005)])
def test_erlang_b_reference(load: float, servers: int, value: float) -> None:
    # notebooks/mathematics/stations.md, section 1
    assert erlang_b(servers, load) == pytest.approx(value, rel=3e-6)


def by_recursion(servers: int, load: float) -> float:
    blocking = 1.0
    for busy in range(1, servers + 1):
        carried = load * blocking
        blocking = carried / (busy + carried)
    return blocking


@pytest.mark.parametrize("share", [1e-3, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0, 1.01, 1.1, 2.0, 50.0, 1e4])
@pytest.mark.parametrize("servers", [1, 2, 5, 37, 100, 1000, 10**4, 10**5])
def test_erlang_b_is_its_recursion(servers: int, share: float) -> None:
    assert erlang_b(servers, share * servers) == pytest.approx(
        by_recursion(servers, share * servers), rel=1e-12, abs=1e-300
    )


def test_erlang_b_of_very_many_servers() -> None:
    assert erlang_b(10**7, 0.9999e7) == pytest.approx(by_recursion(10**7, 0.9999e7), rel=1e-12)
    # with as many servers as load, sqrt(2 / (pi a)) in the limit
    assert erlang_b(10**9, 1e9) == pytest.approx(math.sqrt(2 / (math.pi * 1e9)), rel=1e-4)
    assert erlang_b(10**9, 9e8) == 0.0 and erlang_c(10**9, 9e8) == 0.0


@pytest.mark.parametrize(("servers", "load"), [(1, 0.3), (3, 2.0), (10, 8.0), (40, 55.5)])
def test_erlang_b_is_truncated_poisson(servers: int, load: float) -> None:
    weights = [load**i / math.factorial(i) for i in range(servers + 1)]
    assert erlang_b(servers, load) == pytest.approx(weights[-1] / sum(weights), rel=1e-12)


def test_loss_is_insensitive_to_the_service_law() -> None:
    # M/E2/3/3, state (customers in phase 1, customers in phase 2), solved densely; only the mean service time is shared.
    arrival_rate, mean, servers = 1.7, 1.3, 3
    phase_rate = 2 / mean
    states = [s for s in itertools.product(range(servers + 1), repeat=2) if sum(s) <= servers]
    index = {s: i for i, s in enumerate(states)}
    generator = np.zeros((len(states), len(states)))

    def jump(origin: tuple[int, int], target: tuple[int, int], rate: float) -> None:
        if rate > 0 and target in index:
            generator[index[origin], index[target]] += rate
            generator[index[origin], index[origin]] -= rate

    for first, second in states:
        jump((first, second), (first + 1, second), arrival_rate)
        jump((first, second), (first - 1, second + 1), first * phase_rate)
        jump((first, second), (first, second - 1), second * phase_rate)
    system = np.vstack([generator.T, np.ones(len(states))])
    law = np.linalg.lstsq(system, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    blocked = sum(law[index[s]] for s in states if sum(s) == servers)
    assert erlang_b(servers, arrival_rate * mean) == pytest.approx(blocked, rel=1e-10)


@pytest.mark.parametrize(
    ("servers", "load", "probability", "wait"),
    [(3, 2.0, 0.444444, 0.444444), (10, 9.0, 0.668732, 0.668732), (100, 95.0, 0.506457, 0.101291)],
)
def test_erlang_c_reference(servers: int, load: float, probability: float, wait: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(probability, abs=6e-7)
    assert erlang_c(servers, load) / (servers - load) == pytest.approx(wait, abs=6e-7)


def test_erlang_c_of_one_server_is_the_load() -> None:
    assert erlang_c(1, 0.37) == pytest.approx(0.37, rel=1e-14)


@pytest.mark.parametrize(("beta", "value"), [(0.25, 0.720932), (0.5, 0.504539), (1, 0.223361), (2, 0.026881)])
def test_halfin_whitt_reference(beta: float, value: float) -> None:
    assert halfin_whitt(beta) == pytest.approx(value, abs=6e-7)
    assert halfin_whitt(beta) == pytest.approx(1 / (1 + beta * tail(-beta) / phi(beta)), rel=1e-12)


def test_erlang_c_comes_to_halfin_whitt_at_rate_root_n() -> None:
    beta = 0.5
    errors = []
    for load in (1e2, 1e4, 1e6):
        servers = round(load + beta * math.sqrt(load))
        errors.append(abs(erlang_c(servers, load) - halfin_whitt((servers - load) / math.sqrt(load))))
    assert errors[-1] < 1e-3
    slopes = np.diff(np.log10(errors)) / 2
    np.testing.assert_allclose(slopes, -0.5, atol=0.1)


@pytest.mark.parametrize(("beta", "value"), [(-0.5, 0.797925), (0, 0.585786), (0.5, 0.357177), (1, 0.178958)])
def test_garnett_reference(beta: float, value: float) -> None:
    assert garnett(beta, 0.5) == pytest.approx(value, abs=6e-7)


def test_garnett_with_patience_as_service_is_a_normal_tail() -> None:
    # theta = mu makes M/M/c+M an infinite-server queue: P(N >= c) of a Poisson variable.
    for beta in (-2.0, 0.0, 1.5):
        assert garnett(beta, 1.0) == pytest.approx(tail(beta), rel=1e-12)


def test_garnett_with_endless_patience_is_halfin_whitt() -> None:
    assert garnett(0.7, 1e-3) == pytest.approx(halfin_whitt(0.7), rel=2e-3)


def test_erlang_a_comes_to_garnett() -> None:
    load, beta = 40_000.0, 0.5
    servers = round(load + beta * math.sqrt(load))
    exact = mmc(load, 1.0, servers, abandonment_rate=0.5)["probability_wait"]
    assert exact == pytest.approx(garnett(beta, 0.5), abs=2e-3)


def test_limits_far_out_neither_overflow_nor_lie() -> None:
    assert halfin_whitt(60.0) == pytest.approx(0.0, abs=1e-300)
    assert halfin_whitt(1e-9) == pytest.approx(1.0, abs=1e-8)


def test_errors_name_the_field_and_the_value() -> None:
    with pytest.raises(ValueError, match=r"servers = 2.5: must be a whole number >= 1"):
        erlang_b(2.5, 1.0)
    with pytest.raises(ValueError, match=r"load = -1.0: must be a number > 0"):
        erlang_b(2, -1.0)
    with pytest.raises(ValueError, match=r"load .* = 2.0 must be below servers = 2"):
        erlang_c(2, 2.0)
    with pytest.raises(ValueError, match=r"beta = 0.0"):
        halfin_whitt(0.0)
