"""Regression on controls against least squares written out, and its coverage."""

import numpy as np
import pytest

from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import t_quantile, two_sided_quantile
from jaxq.stats.regression import Controls, Regression


def sample(rng, replicas=200, extra=0):
    """A metric of mean 3 and three controls of mean 0, as arrays; ``extra`` controls repeat the first."""
    c = rng.normal(size=(replicas, 3)) @ np.array([[1, 0.5, 0], [0, 2, 0.3], [0, 0, 1e3]])
    y = 3 + c @ [1.0, -0.7, 2e-3] + 0.1 * rng.normal(size=replicas)
    return y, np.concatenate([c, np.repeat(c[:, :1], extra, axis=1)], axis=1)


def regressed(y, c, **options):
    return Regression(Controls([Estimate.of(x) for x in c.T]), **options).corrected(Estimate.of(y))


def test_it_is_the_intercept_of_least_squares():
    y, c = sample(np.random.default_rng(1))
    design = np.column_stack([np.ones(len(y)), c])
    slopes, rest = np.linalg.lstsq(design, y, rcond=None)[:2]
    variance = rest[0] / (len(y) - 4) * np.linalg.inv(design.T @ design)[0, 0]
    found = regressed(y, c)
    assert found.value == pytest.approx(slopes[0], abs=1e-12)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    wide = two_sided_quantile(found.residuals, 0.95, len(y) - 4)
    assert found.half_width() == pytest.approx(np.sqrt(variance) * wide, rel=1e-9)


def test_what_is_collinear_counts_once():
    y, c = sample(np.random.default_rng(2), extra=2)
    found, plain = regressed(y, c), regressed(y, c[:, :3])
    assert found.value == pytest.approx(plain.value, abs=1e-9) and found.freedom == plain.freedom == len(y) - 4


def test_controls_that_know_nothing_leave_an_estimate_alone():
    y, c = sample(np.random.default_rng(3), replicas=15)
    assert regressed(y, c).freedom is None  # too few replicas
    assert regressed(y, 0 * c).freedom is None
    still = Estimate(2.0, np.zeros(15))
    assert Regression(Controls([Estimate.of(x) for x in c.T])).corrected(still) is still


def test_an_identity_leaves_what_rounding_may_have_done():
    _, c = sample(np.random.default_rng(4))
    found = regressed(3 + c[:, 0], c, floor=lambda slopes: 1e-6 * abs(slopes[0]))
    assert found.value == pytest.approx(3) and found.standard_error == pytest.approx(1e-6, rel=1e-6)
    assert found.rounding == pytest.approx(1e-6, rel=1e-9)


def test_a_combination_that_never_varies_and_is_not_0_was_seen_in_part():
    """Both controls have mean 0; what makes the second differ from thrice the first never happened."""
    _, c = sample(np.random.default_rng(7))
    y, whole, part = 3 + c[:, 0], c[:, :1], 3 * c[:, :1] + 2.0
    plain = Estimate.of(y)
    assert regressed(y, np.concatenate([whole, part], axis=1)).standard_error == plain.standard_error


def test_controls_far_from_their_mean_were_seen_in_part():
    y, c = sample(np.random.default_rng(7))
    assert regressed(y, c + [0, 0.5 * np.std(c[:, 1]), 0]).freedom is None


def test_what_is_explained_in_the_states_that_were_seen_alone_keeps_its_error():
    _, c = sample(np.random.default_rng(4))
    columns, y = Controls([Estimate.of(x) for x in c.T]), Estimate.of(3 + c[:, 0])
    regression = Regression(columns, lambda slopes: 1e-9)
    assert regression.corrected(y, lambda slopes: False) is y
    noisy = Estimate.of(3 + c[:, 0] + 0.1 * c[:, 1] ** 2)
    assert regression.corrected(noisy, lambda slopes: False) is not noisy


def test_what_two_replicas_have_seen_is_no_slope():
    y, c = sample(np.random.default_rng(8))
    rare = np.zeros(len(y))
    rare[:2] = 1.0, 2.0
    found = regressed(y + 5 * rare, np.column_stack([c, rare]))
    assert found.freedom == len(y) - 4 and found.standard_error > 0.9 * np.std(5 * rare) / np.sqrt(len(y))


def test_a_replica_that_has_seen_much_more_than_the_others_is_no_reason_to_drop_a_control():
    rng = np.random.default_rng(9)
    y, c = sample(rng)
    heavy = rng.standard_normal(len(y))
    heavy[0] = 1.5 * np.sqrt(len(y))
    heavy -= heavy.mean()
    found = regressed(y + 5 * heavy, np.column_stack([c, heavy]))
    assert np.max(heavy**2) > 0.6 * np.sum(heavy**2)
    assert found.freedom == len(y) - 5 and found.standard_error < 0.1 * np.std(5 * heavy) / np.sqrt(len(y))


@pytest.mark.parametrize("replicas", [30, 100])
def test_intervals_cover(replicas):
    rng, hits, widths = np.random.default_rng(5), 0, []
    for _ in range(4000):
        found = regressed(*sample(rng, replicas))
        hits += abs(found.value - 3) <= found.half_width()
        widths.append(found.half_width())
    # binomial, 4 standard errors of .0034; the controls explain all but .01 of a variance of about 7
    assert hits / 4000 == pytest.approx(0.95, abs=0.014)
    assert np.median(widths) < 0.12 * t_quantile(0.975, replicas - 4) / np.sqrt(replicas)


def test_degrees_of_freedom_go_along():
    y, c = sample(np.random.default_rng(6))
    one, other = regressed(y, c), Estimate.of(y)
    assert (one - other).freedom == (2 * one).freedom == (other / one).freedom == len(y) - 4
    assert (other + other).freedom is None
