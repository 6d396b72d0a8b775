"""The wait and the time in M/PH/1 against Pollaczek and Khinchine, and the two poles of M/H2/1."""

import math

import numpy as np
import pytest

from jaxq.analytic.stations.gg1 import mg1
from jaxq.analytic.stations.mph1 import mph1_sojourn_tail, mph1_wait_tail


def test_two_poles():
    """(1 - rho)(s + a)(s + b) / (s^2 + s (a + b - lambda) + a b (1 - rho)) has two real poles, each an exponential."""
    rate, scv = 0.8, 20.0
    p = (1 + math.sqrt((scv - 1) / (scv + 1))) / 2
    a, b, idle = 2 * p, 2 * (1 - p), 1 - rate
    poles = np.roots([1.0, a + b - rate, a * b * idle])
    parts = [(idle * (a + s) * (b + s) / (2 * s + a + b - rate) / -s, s) for s in poles]
    found = mph1_wait_tail(2 * rate, 2.0, ("hyperexponential", scv))
    for t in (0.0, 0.5, 3.0, 100.0):
        assert found(t / 2) == pytest.approx(sum(w * math.exp(s * t) for w, s in parts), rel=1e-10)


@pytest.mark.parametrize(
    "law", [("exponential", None), ("erlang", 3), ("phase-type", ((0.5, 0.5), ((-1.0, 0.5), (0.0, -2.0))))]
)
def test_two_moments(law):
    from scipy.integrate import quad

    found, known = mph1_wait_tail(1.4, 2.0, law), mg1(1.4, 2.0, law)
    assert found(0.0) == pytest.approx(0.7, rel=1e-14)
    mean, square = (quad(lambda t, w=w: w(t) * found(t), 0, 60, limit=400)[0] for w in (lambda t: 1, lambda t: 2 * t))
    assert mean == pytest.approx(known["waiting_time"], rel=1e-8)
    assert square - mean**2 == pytest.approx(known["waiting_time_variance"], rel=1e-7)


@pytest.mark.parametrize("law", [("exponential", None), ("erlang", 3), ("hyperexponential", 4.0)])
def test_the_time_is_wait_and_service(law):
    """Their convolution, by the densities of SciPy; of M/M/1 exponential of rate mu - lambda."""
    from scipy.integrate import quad
    from scipy.stats import expon, gamma

    p = (1 + math.sqrt(3 / 5)) / 2
    services = {
        "exponential": [(1.0, expon(scale=0.5))],
        "erlang": [(1.0, gamma(3, scale=1 / 6))],
        "hyperexponential": [(p, expon(scale=0.25 / p)), (1 - p, expon(scale=0.25 / (1 - p)))],
    }[law[0]]
    time, wait = mph1_sojourn_tail(1.4, 2.0, law), mph1_wait_tail(1.4, 2.0, law)
    for t in (0.0, 0.4, 3.0):
        waits = quad(lambda s, t=t: sum(w * x.pdf(s) for w, x in services) * wait(t - s), 0, t, epsabs=1e-13)[0]
        assert time(t) == pytest.approx(waits + sum(w * x.sf(t) for w, x in services), rel=1e-8)
    if law[0] == "exponential":
        assert time(5.0) == pytest.approx(math.exp(-0.6 * 5), rel=1e-12)


def test_no_phases():
    assert mph1_wait_tail(0.5, 1.0, ("lognormal", 2.0)) is mph1_sojourn_tail(0.5, 1.0, ("lognormal", 2.0)) is None
    with pytest.raises(ValueError, match="load"):
        mph1_wait_tail(1.0, 1.0, ("exponential", None))
