import math

import numpy as np
import pytest

from jaxq.analytic.distributions.transforms import Law, laplace, scv
from jaxq.analytic.stations.gg1 import gg1_bounds, gm1, mg1
from jaxq.analytic.stations.mmc import mmc

EXPONENTIAL: Law = ("exponential", None)
DETERMINISTIC: Law = ("deterministic", None)
LAWS: list[Law] = [EXPONENTIAL, DETERMINISTIC, ("erlang", 3), ("hyperexponential", 4.0), ("lognormal", 2.0)]


@pytest.mark.parametrize(("rho", "deterministic", "exponential"), [(0.5, 0.5, 1), (0.8, 2, 4), (0.9, 4.5, 9)])
def test_md1_and_mm1_waits(rho: float, deterministic: float, exponential: float) -> None:
    assert mg1(rho, 1.0, DETERMINISTIC)["waiting_time"] == pytest.approx(deterministic, rel=1e-12)
    assert mg1(rho, 1.0, EXPONENTIAL)["waiting_time"] == pytest.approx(exponential, rel=1e-12)


def test_dm1_reference() -> None:
    # notebooks/mathematics/stations.md, section 4
    result = gm1(1 / 40, 1 / 38, DETERMINISTIC)
    assert result["probability_wait"] == pytest.approx(0.901695, abs=6e-7)
    assert result["waiting_time"] == pytest.approx(348.55, abs=5e-3)


@pytest.mark.parametrize("arrival_rate", [0.02, 0.6, 1.9])
def test_both_sides_meet_in_mm1(arrival_rate: float) -> None:
    service, arrival = mg1(arrival_rate, 2.0, EXPONENTIAL), gm1(arrival_rate, 2.0, EXPONENTIAL)
    markov = mmc(arrival_rate, 2.0, 1)
    for key in ("waiting_time", "queue_length", "probability_wait", "utilisation"):
        assert service[key] == pytest.approx(markov[key], rel=1e-11)
        assert arrival[key] == pytest.approx(markov[key], rel=1e-11)
    assert service["sojourn_time"] == pytest.approx(1 / (2.0 - arrival_rate), rel=1e-11)
    assert arrival["sojourn_time"] == pytest.approx(1 / (2.0 - arrival_rate), rel=1e-11)


def test_mm1_waiting_variance() -> None:
    # W is 0 with probability 1 - rho, else exponential with rate mu - lambda: E[W^2] = 2 rho / (mu - lambda)^2.
    arrival_rate, service_rate = 1.2, 2.0
    rho, gap = 0.6, 0.8
    expected = 2 * rho / gap**2 - (rho / gap) ** 2
    assert mg1(arrival_rate, service_rate, EXPONENTIAL)["waiting_time_variance"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_mg1_moments_by_its_transform(law: Law) -> None:
    # W*(s) = (1 - rho) s / (s - lambda + lambda S*(s)); its first two derivatives at 0 by extrapolated differences.
    arrival_rate, service_rate = 0.7, 1.0
    transform = laplace(*law)

    def log_waiting(s: float) -> float:
        return math.log((1 - arrival_rate) * s / (s - arrival_rate + arrival_rate * transform(s / service_rate)))

    # The logarithm is -E[W] s + Var[W] s^2 / 2 - ..., fitted by a polynomial.
    points = np.linspace(0.002, 0.02, 8)
    fit = np.polynomial.Polynomial.fit(points, [log_waiting(s) / s for s in points], 5).convert().coef
    result = mg1(arrival_rate, service_rate, law)
    assert -fit[0] == pytest.approx(result["waiting_time"], rel=1e-5)
    assert 2 * fit[1] == pytest.approx(result["waiting_time_variance"], rel=5e-3)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rho", [0.05, 0.5, 0.97, 0.9999])
def test_gm1_root(law: Law, rho: float) -> None:
    service_rate = 3.0
    result = gm1(rho * service_rate, service_rate, law)
    sigma = result["probability_wait"]
    assert 0 < sigma < 1
    # The time between arrivals is X / lambda, so A*(mu (1 - sigma)) = X*((1 - sigma) / rho).
    assert laplace(*law)((1 - sigma) / rho) == pytest.approx(sigma, rel=1e-12)
    assert result["waiting_time"] == pytest.approx(sigma / (service_rate * (1 - sigma)), rel=1e-8)
    assert result["queue_length"] == pytest.approx(rho * service_rate * result["waiting_time"], rel=1e-12)
    assert result["sojourn_time"] == pytest.approx(result["waiting_time"] + 1 / service_rate, rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_gm1_in_heavy_traffic(law: Law) -> None:
    # E[W] (1 - rho) -> (scv + 1) / 2 in service times, by O(1 - rho).
    rho = 1 - 1e-7
    waiting_time = gm1(rho, 1.0, law)["waiting_time"]
    assert waiting_time * (1 - rho) == pytest.approx((scv(*law) + 1) / 2, rel=1e-5)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rho", [0.2, 0.8, 0.99])
def test_bounds_hold(law: Law, rho: float) -> None:
    for wait, laws in (
        (mg1(rho * 5, 5.0, law)["waiting_time"], (EXPONENTIAL, law)),
        (gm1(rho * 5, 5.0, law)["waiting_time"], (law, EXPONENTIAL)),
    ):
        lower, upper = gg1_bounds(rho * 5, 5.0, *laws)
        assert 0 <= lower <= wait <= upper


def test_bounds_close_in_heavy_traffic_and_lower_is_positive() -> None:
    laws: tuple[Law, Law] = (EXPONENTIAL, ("hyperexponential", 10.0))
    wait = mg1(0.9999, 1.0, laws[1])["waiting_time"]
    lower, upper = gg1_bounds(0.9999, 1.0, *laws)
    assert upper / wait == pytest.approx(1.0, abs=1e-4)
    assert lower / wait > 0.8
    # With constant gaps and services nobody waits: Kingman's bound is then exact.
    assert gg1_bounds(0.5, 1.0, DETERMINISTIC, DETERMINISTIC) == (0.0, 0.0)


def test_errors() -> None:
    for overloaded in (
        lambda: mg1(2.0, 2.0, EXPONENTIAL),
        lambda: gm1(2.0, 2.0, EXPONENTIAL),
        lambda: gg1_bounds(2.0, 2.0, EXPONENTIAL, EXPONENTIAL),
    ):
        with pytest.raises(ValueError, match=r"load .* = 1.0 must be below servers = 1"):
            overloaded()
    with pytest.raises(ValueError, match=r"law name = normal"):
        mg1(1.0, 2.0, ("normal", None))
    with pytest.raises(ValueError, match=r"too close to 1"):
        gm1(1.0 - 1e-16, 1.0, ("erlang", 3))
