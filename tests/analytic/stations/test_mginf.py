import math

import numpy as np
import pytest

from jaxq.analytic.stations.erlang import erlang_b
from jaxq.analytic.stations.mginf import mgcc, mginf


@pytest.mark.parametrize("servers", [1, 3, 10, 100])
def test_loss_is_erlang_b_and_the_rest_follows(servers: int) -> None:
    arrival_rate, service_rate = 0.8 * servers * 3, 3.0
    result, load = mgcc(arrival_rate, service_rate, servers), 0.8 * servers
    blocked = erlang_b(servers, load)
    assert result["probability_block"] == pytest.approx(blocked, rel=1e-12)
    assert result["number_in_system"] == pytest.approx(load * (1 - blocked), rel=1e-12)
    assert result["utilisation"] == pytest.approx(load * (1 - blocked) / servers, rel=1e-12)
    # E[N^2] = a (1 - B) + a E[N; N < c] for a truncated Poisson law
    second = load * (1 - blocked) + load * (result["number_in_system"] - servers * blocked)
    assert result["number_variance"] == pytest.approx(second - result["number_in_system"] ** 2, rel=1e-10)


def test_losses_by_the_recursion() -> None:
    """Erlang B: 1/B(c) = 1 + (c/a)/B(c - 1), B(0) = 1; 4/19 for a = 2, c = 3."""
    for load, servers, value in ((2, 3, 0.210526), (8, 10, 0.121661), (100, 100, 0.0757005)):
        inverse = 1.0
        for c in range(1, servers + 1):
            inverse = 1 + c / load * inverse
        assert mgcc(load, 1.0, servers)["probability_block"] == pytest.approx(1 / inverse, rel=1e-12)
        assert 1 / inverse == pytest.approx(value, rel=3e-6)


def test_without_limit_the_number_is_poisson() -> None:
    result, wide = mginf(6.0, 1.5), mgcc(6.0, 1.5, 200)
    assert result == {"number_in_system": 4.0, "number_variance": 4.0, "probability_empty": math.exp(-4)}
    for name, value in result.items():
        assert wide[name] == pytest.approx(value, rel=1e-12)


def test_infinite_servers_by_their_phases() -> None:
    # M/E2/infinity: customers in the two phases are independent and Poisson, so their sum is.
    arrival_rate, phase_rate, last = 1.2, 2.0, 24
    states = [(i, j) for i in range(last) for j in range(last)]
    index = {s: k for k, s in enumerate(states)}
    generator = np.zeros((len(states), len(states)))
    for i, j in states:
        moves = (((i + 1, j), arrival_rate), ((i - 1, j + 1), i * phase_rate), ((i, j - 1), j * phase_rate))
        for to, rate in moves:
            if to in index:
                generator[index[i, j], index[to]] += rate
    generator -= np.diag(generator.sum(axis=1))
    system = generator.T.copy()
    system[0] = 1.0
    law = np.linalg.solve(system, np.eye(len(states))[0])
    number = np.array([i + j for i, j in states])
    result = mginf(arrival_rate, phase_rate / 2)
    assert float(law @ number) == pytest.approx(result["number_in_system"], rel=1e-9)
    assert float(law @ number**2) - float(law @ number) ** 2 == pytest.approx(result["number_variance"], rel=1e-9)
    assert float(law[0]) == pytest.approx(result["probability_empty"], rel=1e-9)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"arrival_rate = 0"):
        mginf(0, 1.0)
    with pytest.raises(ValueError, match=r"servers = 0"):
        mgcc(1.0, 1.0, 0)
