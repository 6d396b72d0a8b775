"""Tails of the reflected limit on a lattice, against the spectral moments of `limit`, which share no code with them."""

import numpy as np
import pytest
from numpy.polynomial import legendre

from jaxq.analytic.load_balancing.limit import halfin_whitt_limit, reflected_law
from jaxq.analytic.load_balancing.limit_tails import limit_quantiles, limit_tails

CASES = [(2.0, 2.5, 0.625), (1.0, 2.5, 0.625), (1.0, 1.0, 1.0)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tails_have_the_means_and_the_idle_servers_their_law(case):
    tails, moments = limit_tails(*case), halfin_whitt_limit(*case)
    for name in ("idle", "total"):
        values, tail = tails[name]
        assert values[0] + np.trapezoid(tail, values) == pytest.approx(moments[name], abs=0.003)
    values, tail = tails["two_jobs"]
    # the mass at 0, where the tail drops within half a step, is not of the mean
    assert np.trapezoid(tail[1:], values[1:]) == pytest.approx(moments["two_jobs"], abs=0.03)

    # density of Y_{M,1}, smooth up to its wall, from its Legendre moments
    x, _, weights = reflected_law(*case, (66, 40))
    depth = case[0] / case[2] + 6 / np.sqrt(case[2])
    moment = [weights @ legendre.legval(2 * x / depth + 1, [0] * k + [1]) for k in range(30)]
    density = np.array([(2 * k + 1) / depth * m for k, m in enumerate(moment)])
    primitive = legendre.legint(density) * depth / 2
    for y in (-4.0, -2.0, -1.0, -0.3):
        expected = legendre.legval(1, primitive) - legendre.legval(2 * y / depth + 1, primitive)
        assert np.interp(y, *tails["idle"]) == pytest.approx(expected, abs=5e-4)


def test_the_waiting_jobs_are_exponential_above_the_wall():
    """Far out Z falls by drift while X = 0, at rate beta: P(Z > y) decays as exp(-beta y)."""
    values, tail = limit_tails(2.0, 2.5, 0.625)["two_jobs"]
    slope = np.log(np.interp(2.5, values, tail) / np.interp(1.5, values, tail))
    assert slope == pytest.approx(-2.0, abs=0.15)


def test_quantiles():
    found = limit_quantiles(1.0, 1.0, 1.0, (0.5, 0.9))
    tails = limit_tails(1.0, 1.0, 1.0)
    for name in ("idle", "two_jobs", "total"):
        assert np.interp(found[name], *tails[name]) == pytest.approx([0.5, 0.1], abs=1e-6)
    assert limit_quantiles(2.0, 2.5, 0.625, (0.5,))["two_jobs"] == [0.0]


def test_errors():
    with pytest.raises(ValueError, match=r"slowest_rate = 3.0: must be at most"):
        limit_tails(1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="levels"):
        limit_quantiles(1.0, 2.0, 1.0, (1.5,))
