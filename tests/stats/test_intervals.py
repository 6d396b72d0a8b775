"""Student quantiles and the family-wise bound."""

import numpy as np
import pytest

from jaxq.stats.intervals import as_unlikely, family_bound, t_quantile, two_sided_quantile


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


def test_skewness_widens_an_interval():
    """By hand: four residuals of 4 and sixteen of -1 have skewness 1.5 and excess kurtosis .25; Student's 2.093024 with 19
    degrees becomes 2.093024 (1 + (2.25 * 24.9518/18 - .25 * 1.3807/12)/20)."""
    skewed = np.array([4.0] * 4 + [-1.0] * 16)
    assert two_sided_quantile(skewed, 0.95, 19) == pytest.approx(2.41643, rel=1e-5)
    both = two_sided_quantile(np.column_stack([skewed, -skewed, np.zeros(20)]), 0.95, 19)
    assert both == pytest.approx([2.41643, 2.41643, 2.093024], rel=1e-5)


def test_an_interval_is_never_narrower_than_students():
    two_valued = np.resize([1.0, -1.0], 20)  # excess kurtosis -2 widens, +10 beside no skewness would narrow
    assert two_sided_quantile(two_valued, 0.95, 19) > t_quantile(0.975, 19)
    peaked = np.array([5.0, -5.0] + [0.5, -0.5] * 19)
    assert two_sided_quantile(peaked, 0.95, 39) == t_quantile(0.975, 39)
    few = np.array([4.0, -1.0, -1.0, -1.0, -1.0])
    assert two_sided_quantile(few, 0.95, 4) == t_quantile(0.975, 4)


def test_means_of_skewed_samples_are_covered():
    """Gamma samples of shape 1.5, skewness 1.63, by thirty: Student's interval covers 93.6 %."""
    samples = np.random.default_rng(0).gamma(1.5, size=(30, 40_000))
    mean = samples.mean(axis=0)
    residuals, error = samples - mean, samples.std(axis=0, ddof=1) / np.sqrt(30)
    student = np.mean(np.abs(mean - 1.5) <= t_quantile(0.975, 29) * error)
    covered = np.mean(np.abs(mean - 1.5) <= two_sided_quantile(residuals, 0.95, 29) * error)
    assert student < 0.94 < 0.943 < covered < 0.952
