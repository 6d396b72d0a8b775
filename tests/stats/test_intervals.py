"""Student quantiles and the family-wise bound."""

import numpy as np
import pytest

from jaxq.stats.intervals import as_unlikely, family_bound, t_quantile


def test_family_bounds_of_the_design():
    assert family_bound(10) == pytest.approx(2.81, abs=0.005)
    assert family_bound(20) == pytest.approx(3.02, abs=0.005)
    assert family_bound(1) == pytest.approx(1.959964, abs=1e-6)
    assert family_bound(0) == family_bound(1)


def test_family_bound_with_few_degrees_is_wider():
    assert family_bound(10, degrees=10**7) == pytest.approx(family_bound(10), rel=1e-5)
    assert family_bound(10, degrees=5) > 4.5
    assert family_bound(10, level=0.99) > family_bound(10)


def test_family_bound_is_rarely_passed():
    z = np.abs(np.random.default_rng(0).normal(size=(20_000, 10))).max(axis=1)
    assert 0.045 < np.mean(z > family_bound(10)) < 0.055


def test_t_quantiles_of_the_tables():
    assert t_quantile(0.975, 1) == pytest.approx(12.7062, rel=1e-5)
    assert t_quantile(0.975, 10) == pytest.approx(2.228139, rel=1e-6)
    assert t_quantile(0.5, 3) == pytest.approx(0, abs=1e-12)
    assert np.isnan(t_quantile(0.975, 0))


@pytest.mark.parametrize(
    "z, degrees, expected", [(5, 1, 1_110_441.8), (5, 63, 5.5654), (8, 10**9, 8.0), (1.959964, 10, 2.228139)]
)
def test_as_unlikely(z, degrees, expected):
    """By the tail of the Cauchy law, 1/(pi t), with one degree; by tables of Student's law with ten."""
    assert as_unlikely(z, degrees) == pytest.approx(expected, rel=1e-4)
