import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from jaxq.analytic.load_balancing.splitting import (
    optimal_split,
    speed_weighted_response_time,
    split_response_time,
)

SYSTEM = (2.5, 0.625), (80, 320)


def test_reference_value() -> None:
    assert speed_weighted_response_time(360.0, *SYSTEM) == pytest.approx(10, rel=1e-14)
    value, _ = split_response_time(360.0, *SYSTEM, [0.5, 0.5])
    assert value == pytest.approx(10, rel=1e-12)
    # sqrt(mu) = 1.5811, .7906: the optimum is 80/9.
    shares, best = optimal_split(360.0, *SYSTEM)
    assert best == pytest.approx(80 / 9, rel=1e-12)
    assert shares == pytest.approx([14 / 27, 13 / 27], rel=1e-12)


SPEEDS = st.lists(st.floats(0.2, 5.0), min_size=1, max_size=4, unique=True).map(lambda v: sorted(v, reverse=True))


@settings(max_examples=40, deadline=None)
@given(SPEEDS, st.floats(0.02, 0.98), st.data())
def test_optimum(rates: list[float], load: float, data: st.DataObject) -> None:
    servers = [data.draw(st.integers(1, 6)) for _ in rates]
    arrival_rate = load * float(np.dot(rates, servers))
    shares, best = optimal_split(arrival_rate, rates, servers)
    assert shares.sum() == pytest.approx(1, rel=1e-10)
    assert (shares >= 0).all()
    value, gradient = split_response_time(arrival_rate, rates, servers, shares)
    assert value == pytest.approx(best, rel=1e-9)
    # Kuhn and Tucker: equal gradients on the types in use, none lower elsewhere; the problem is convex.
    used = shares > 0
    assert gradient[used] == pytest.approx(gradient[0], rel=1e-7)
    assert (gradient >= gradient[0] * (1 - 1e-9)).all()
    assert best <= speed_weighted_response_time(arrival_rate, rates, servers) * (1 + 1e-12)


def test_optimum_against_a_search() -> None:
    rates, servers, arrival_rate = (3.0, 1.2, 0.7, 0.1), (2, 3, 1, 4), 5.0
    shares, best = optimal_split(arrival_rate, rates, servers)
    assert shares[-1] == 0 < shares[-2]

    def objective(p: np.ndarray) -> float:
        return float((p / (np.array(rates) - arrival_rate * p / np.array(servers))).sum())

    found = minimize(
        objective,
        np.array(rates) * servers / np.dot(rates, servers),
        bounds=[(0, 0.999 * r * s / arrival_rate) for r, s in zip(rates, servers, strict=True)],
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert found.fun == pytest.approx(best, rel=1e-8)
    assert found.x == pytest.approx(shares, abs=1e-4)


def test_gradient_is_the_derivative() -> None:
    rates, servers = (3.0, 1.2, 0.7), (2, 3, 1)
    shares = np.array([0.6, 0.3, 0.1])
    _, gradient = split_response_time(4.0, rates, servers, shares)
    step = np.array([1e-6, -1e-6, 0.0])
    difference = (
        split_response_time(4.0, rates, servers, shares + step)[0]
        - split_response_time(4.0, rates, servers, shares - step)[0]
    )
    assert difference / 2e-6 == pytest.approx(gradient[0] - gradient[1], rel=1e-6)


def test_light_load_uses_the_fastest_only() -> None:
    shares, best = optimal_split(100.0, *SYSTEM)
    assert shares == pytest.approx([1.0, 0.0])
    assert best == pytest.approx(1 / (2.5 - 100 / 80))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"arrival_rate = 400.0 must be below 400"):
        optimal_split(400.0, *SYSTEM)
    with pytest.raises(ValueError, match=r"arrival_rate = 400.0 must be below 400"):
        speed_weighted_response_time(400.0, *SYSTEM)
    with pytest.raises(ValueError, match=r"probabilities = .* 2 summing to 1"):
        split_response_time(300.0, *SYSTEM, [0.5, 0.6])
    # Uniform routing gives each slow server .9 > .625.
    with pytest.raises(ValueError, match=r"server of type 2 gets arrivals at rate 0.9"):
        split_response_time(360.0, *SYSTEM, [0.2, 0.8])
