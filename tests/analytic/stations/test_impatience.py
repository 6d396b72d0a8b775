"""M/M/c+G against the birth-death chain, closed forms worked out here, and limits."""

import math
from itertools import pairwise

import numpy as np
import pytest

from jaxq.analytic.stations.erlang import erlang_c
from jaxq.analytic.stations.impatience import mmcg, mmcg_wait_tail
from jaxq.analytic.stations.mmc import mmc

EXPONENTIAL = "exponential", None
SAME = ("waiting_time", "queue_length", "probability_wait", "probability_abandon", "utilisation")


@pytest.mark.parametrize(
    ("arrival_rate", "servers", "abandonment_rate"),
    [(0.8, 1, 2.0), (1.2, 1, 0.01), (8, 10, 0.1), (12, 10, 1.0), (120, 100, 0.5), (400, 300, 0.01), (5000, 5000, 1e-3)],
)
def test_exponential_patience_is_erlang_a(arrival_rate, servers, abandonment_rate):
    """The birth-death chain and an integral over the virtual wait: no formula in common."""
    found = mmcg(arrival_rate, 1.5, servers, abandonment_rate, EXPONENTIAL)
    chain = mmc(arrival_rate, 1.5, servers, abandonment_rate, None)
    for name in SAME:
        assert found[name] == pytest.approx(chain[name], rel=1e-10), name


@pytest.mark.parametrize(("arrival_rate", "patience"), [(0.7, 2.0), (1.3, 2.0), (1.3, 0.4)])
def test_one_server_and_constant_patience(arrival_rate, patience):
    """With c = 1, mu = 1 and r = lambda - 1, J = (e^(r D) - 1)/r + e^(r D), by hand (Barrer 1957)."""
    r = arrival_rate - 1
    growth = math.exp(r * patience)
    integral = (growth - 1) / r + growth
    first = growth * patience / r - (growth - 1) / r**2  # of x e^(r x) up to D
    total = 1 + arrival_rate * integral
    found = mmcg(arrival_rate, 1.0, 1, 1 / patience, ("deterministic", None))
    assert found["probability_wait"] == pytest.approx(arrival_rate * integral / total, rel=1e-12)
    assert found["probability_abandon"] == pytest.approx((1 + r * integral) / total, rel=1e-12)
    assert found["waiting_time"] == pytest.approx(arrival_rate * (first + patience * growth) / total, rel=1e-12)


LAWS = [
    ("gamma", 2.0),
    ("erlang", 3),
    ("hyperexponential", 4.0),
    ("lognormal", 2.0),
    ("weibull", 0.5),
    ("pareto", 1.5),
    ("phase-type", ((0.5, 0.5), ((-1.0, 0.5), (0.0, -2.0)))),
    ("empirical", (0.0, 1.0, 2.0, 5.0)),
    ("deterministic", None),
]


@pytest.mark.parametrize("law", LAWS)
def test_who_abandons_was_more_patient_than_nobody(law):
    """The density of the virtual wait is P(V = 0) lambda B e^g: its mass over (0, inf) is the probability to wait, and the
    mean of P(patience <= V) under it the probability to abandon, with probabilities from differences of E min(X, x)."""
    from jaxq.analytic.distributions.transforms import stopped_mean

    arrival_rate, servers, theta = 7.0, 6, 0.8
    found = mmcg(arrival_rate, 1.0, servers, theta, law)
    stopped, _ = stopped_mean(*law)
    x = np.linspace(0, 25, 400_001)
    middle, step = (x[:-1] + x[1:]) / 2, x[1]
    mean = stopped(theta * x) / theta
    above = np.diff(mean) / step
    weights = np.exp(arrival_rate * (mean[:-1] + mean[1:]) / 2 - servers * middle) * step
    waits = weights * found["probability_wait"] / weights.sum()
    assert waits @ (1 - above) == pytest.approx(found["probability_abandon"], rel=2e-4)
    shorter = (mean[:-1] + mean[1:]) / 2
    assert waits @ shorter == pytest.approx(found["waiting_time"], rel=2e-4)


def test_laws_that_are_one_law():
    same = [EXPONENTIAL, ("gamma", 1.0), ("weibull", 1.0), ("erlang", 1), ("phase-type", ((1.0,), ((-3.0,),)))]
    values = [mmcg(7.0, 1.0, 6, 0.8, law) for law in same]
    for other in values[1:]:
        assert other == pytest.approx(values[0], rel=1e-9)
    pair = ("erlang", 2), ("phase-type", ((1.0, 0.0), ((-2.0, 2.0), (0.0, -2.0))))
    assert mmcg(7.0, 1.0, 6, 0.8, pair[0]) == pytest.approx(mmcg(7.0, 1.0, 6, 0.8, pair[1]), rel=1e-9)


def test_endless_patience_is_erlang_c():
    found = mmcg(8.0, 1.0, 10, 1e-9, ("lognormal", 2.0))
    assert found["probability_wait"] == pytest.approx(erlang_c(10, 8.0), rel=1e-6)
    assert found["probability_abandon"] < 1e-8 and found["utilisation"] == pytest.approx(0.8, rel=1e-7)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((0.0, 1.0, 1, 1.0, EXPONENTIAL), "arrival_rate = 0.0: must be a number > 0"),
        ((1.0, 1.0, 0, 1.0, EXPONENTIAL), "servers = 0: must be a whole number >= 1"),
        ((1.0, 1.0, 1, -1.0, EXPONENTIAL), "abandonment_rate = -1.0: must be a number > 0"),
        ((1.0, 1.0, 1, 1.0, ("gama", 2)), "law name = gama: must be one of"),
    ],
)
def test_bad_arguments(given, words):
    with pytest.raises(ValueError) as error:
        mmcg(*given)
    assert words in str(error.value)


@pytest.mark.parametrize(("arrival_rate", "servers", "abandonment_rate"), [(1.2, 1, 0.5), (8, 10, 0.1), (25, 20, 2.0)])
def test_the_tail_of_the_wait_with_exponential_patience(arrival_rate, servers, abandonment_rate):
    """Who finds n >= c is still there at t while neither its own patience nor those before it are over."""
    from scipy.linalg import expm

    found = mmcg_wait_tail(arrival_rate, 1.5, servers, abandonment_rate, EXPONENTIAL)
    size = 400
    up = np.full(size, float(arrival_rate))
    n = np.arange(1, size + 1)
    down = 1.5 * np.minimum(n, servers) + abandonment_rate * np.maximum(n - servers, 0)
    law = np.cumprod(np.append(1.0, up / down))
    law /= law.sum()
    before = np.arange(size + 1 - servers)
    forward = 1.5 * servers + abandonment_rate * before
    generator = np.diag(-forward - abandonment_rate) + np.diag(forward[1:], -1)
    for t in (0.0, 0.2, 1.0):
        assert found(t) == pytest.approx(law[servers:] @ expm(generator * t).sum(axis=1), rel=1e-9)


@pytest.mark.parametrize("law", [*LAWS, EXPONENTIAL])
def test_the_tail_of_the_wait_has_its_mean(law):
    from scipy.integrate import quad

    given = (12.0, 1.0, 10, 0.7, law)
    found, known = mmcg_wait_tail(*given), mmcg(*given)
    kinks = sorted({0.0, 1 / 0.7, *(k / 0.7 for k in (0.5, 1.0, 2.5)), 0.5, 2.0, 4.0, 8.0, 40.0})
    mean = sum(quad(found, a, b, epsabs=1e-12, limit=200)[0] for a, b in pairwise(kinks))
    assert mean == pytest.approx(known["waiting_time"], rel=1e-6)
    idle = law[1].count(0.0) / len(law[1]) if law[0] == "empirical" else 0.0  # have no patience at all
    assert found(0.0) == pytest.approx(known["probability_wait"] * (1 - idle), rel=1e-12)
    assert found(1e9) == 0.0


def test_nobody_waits_longer_than_a_constant_patience():
    """Just before it the tail is the probability to abandon, from it on 0."""
    given = (12.0, 1.0, 10, 0.7, ("deterministic", None))
    found = mmcg_wait_tail(*given)
    assert found(1 / 0.7) == 0.0
    assert found(1 / 0.7 - 1e-12) == pytest.approx(mmcg(*given)["probability_abandon"], rel=1e-9)
