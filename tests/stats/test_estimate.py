"""Arithmetic of estimates against the brute-force jackknife and the delta method written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.stats.estimate import Estimate, grain

REPLICAS = 400
_random = np.random.default_rng(1)
QUEUE = _random.gamma(4.0, 2.0, REPLICAS)
TIME = 50.0 + QUEUE + _random.normal(0.0, 2.0, REPLICAS)
COUNT = 3.0 * TIME + _random.normal(0.0, 5.0, REPLICAS)
SAMPLES = (QUEUE, TIME, COUNT)

FUNCTIONS = {
    "ratio": lambda q, t, n: q / t,
    "little": lambda q, t, n: (q / t) / (n / t),
    "product": lambda q, t, n: q * t,
    "difference": lambda q, t, n: q - n,
    "sum": lambda q, t, n: q + 2.0 * t + n,
    "reflected": lambda q, t, n: 1.0 - q / t,
    "reciprocal": lambda q, t, n: 3.0 / t,
    "mixed": lambda q, t, n: (q - 0.5 * t) / (1.0 + n) * t - (-q),
}


def jackknife(function, samples):
    """(estimate, standard error) by leaving out one replica at a time."""
    n = len(samples[0])
    left = [(x.sum() - x) / (n - 1) for x in samples]
    values = function(*left)
    return function(*[x.mean() for x in samples]), np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_error_are_those_of_the_jackknife(name):
    value, error = jackknife(FUNCTIONS[name], SAMPLES)
    estimate = FUNCTIONS[name](*map(Estimate.of, SAMPLES))
    assert estimate.value == pytest.approx(value, rel=1e-12)
    # they differ by O(1/replicas)
    assert estimate.standard_error == pytest.approx(error, rel=0.02)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_residuals_are_the_numerical_gradient_times_deviations(name):
    means = np.array([x.mean() for x in SAMPLES])
    deviations = np.array(SAMPLES) - means[:, None]
    gradient = []
    for i, mean in enumerate(means):
        step = np.zeros(3)
        step[i] = 1e-5 * mean
        gradient.append((FUNCTIONS[name](*(means + step)) - FUNCTIONS[name](*(means - step))) / (2 * step[i]))
    residuals = FUNCTIONS[name](*map(Estimate.of, SAMPLES)).residuals
    np.testing.assert_allclose(residuals, np.array(gradient) @ deviations, rtol=1e-6, atol=1e-8 * residuals.std())


def test_ratio_has_the_textbook_error():
    ratio = Estimate.of(QUEUE) / Estimate.of(TIME)
    d = QUEUE - ratio.value * TIME
    assert ratio.standard_error == pytest.approx(np.std(d, ddof=1) / TIME.mean() / np.sqrt(REPLICAS), rel=1e-10)


def test_half_width_is_the_student_interval():
    # t(0.975, 4) = 2.776445; deviations -2 .. 2 have variance 2.5
    estimate = Estimate.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert estimate.value == 3.0
    assert estimate.standard_error == pytest.approx(np.sqrt(2.5 / 5))
    assert estimate.half_width() == pytest.approx(2.776445105 * np.sqrt(0.5), rel=1e-8)
    # t(0.995, 4) = 4.604095
    assert estimate.half_width(0.99) == pytest.approx(4.604094871 * np.sqrt(0.5), rel=1e-8)


def test_one_replica_has_no_interval():
    estimate = Estimate.of(np.array([3.0]))
    assert estimate.value == 3.0
    assert np.isnan(estimate.standard_error)
    assert np.isnan(estimate.half_width())


def test_what_cancels_has_no_error():
    q, t = Estimate.of(QUEUE), Estimate.of(TIME)
    assert (q - q).standard_error == 0
    assert ((q * t) / t - q).standard_error == pytest.approx(0, abs=1e-12)


def test_paired_difference_uses_the_correlation():
    noise = _random.normal(0, 1, REPLICAS)
    one, other = Estimate.of(10 + noise), Estimate.of(11 + noise + _random.normal(0, 0.01, REPLICAS))
    assert (other - one).half_width() < 0.02 * np.hypot(one.half_width(), other.half_width())


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.1, 1e3))
def test_numbers_shift_and_scale(shift, scale):
    q = Estimate.of(QUEUE)
    for estimate in ((q + shift) * scale, scale * (shift + q)):
        assert estimate.value == pytest.approx((q.value + shift) * scale, rel=1e-12, abs=1e-9)
        assert estimate.standard_error == pytest.approx(scale * q.standard_error, rel=1e-9)
    assert (q / scale).standard_error == pytest.approx(q.standard_error / scale, rel=1e-9)


def test_division_by_zero_is_not_a_number_and_no_warning():
    nothing = Estimate.of(np.zeros(REPLICAS))
    assert not np.isfinite((nothing / nothing).value)


def test_intervals_cover():
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        x = random.exponential(1.0, 60)
        y = 2.0 + random.exponential(1.0, 60)
        ratio = Estimate.of(x) / Estimate.of(y)
        covered += abs(ratio.value - 1 / 3) < ratio.half_width()
    assert 0.93 < covered / 2000 < 0.965


def test_what_few_replicas_saw_has_a_grain():
    """k replicas that saw the same count as k, the largest of unequal ones for nearly all."""
    nothing = np.zeros(64)
    assert grain(nothing, 0.5) == 0.5 / 64 and grain(nothing + 7.0, 0.5) == 0.0
    for seen, expected in ((1, 2.0 / 64), (9, 2.0 / 64), (10, 0.0), (40, 0.0)):
        samples = nothing.copy()
        samples[:seen] = 2.0
        assert grain(samples, 0.5) == expected and grain(55.0 - samples, 0.5) == expected
    uneven = nothing.copy()
    uneven[:12] = 1e-3
    uneven[20] = 4.0
    assert grain(uneven, 0.5) == 4.0 / 64
    assert grain(_random.normal(size=4), 0.5) == 0.0


def test_an_interval_of_what_was_hardly_seen_has_room_for_three_more():
    once = np.zeros(64)
    once[5] = 2.0
    found = Estimate.of(once, grain=2.0 / 64, episode=10.0 / 64)
    ratio = -found / Estimate.of(TIME[:64])
    assert ratio.half_width() == pytest.approx(3 * 2.0 / TIME[:64].sum())
    assert ratio.episode == pytest.approx(10.0 / TIME[:64].sum())
    more = found + Estimate.of(QUEUE[:64])  # beside what was seen, it counts as it was seen
    assert more.grain == more.episode == 0.0 and more.half_width() < 1.01 * Estimate.of(QUEUE[:64]).half_width()
    assert (1.0 - found).grain == found.grain and (found + found).grain == 2 * found.grain


def test_what_cancels_has_no_spread():
    """The crumbs of two residuals would hide that the rest was hardly seen."""
    x, unseen = Estimate.of(QUEUE[:64]), Estimate.of(np.zeros(64), grain=0.1)
    same = x + (7.0 - 3.0 * x) / 3.0
    assert not same.residuals.any() and (same + unseen).grain == 0.1 and (same + unseen).half_width() >= 0.3
