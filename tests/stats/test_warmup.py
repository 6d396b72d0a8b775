"""Warm-up detection and growth on synthetic windows whose bias is known."""

import dataclasses

import numpy as np
import pytest

from jaxq.stats import warmup
from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import as_unlikely

WINDOWS, GROUPS = 64, 128


def decay(tau, windows=WINDOWS):
    return np.exp(-(np.arange(windows) + 0.5) / tau)


def noise(random, scale=1.0, windows=WINDOWS, groups=GROUPS):
    """Values by window and replica, shape (windows, groups); windows are long enough to be independent."""
    return random.normal(0.0, scale, (windows, groups))


def cut_of(values):
    """(cut, half-width of the whole run) of values by window and replica."""
    windows = [Estimate.of(w) for w in values]
    whole = Estimate.of(values.mean(axis=0)).half_width()
    return warmup.cut_of_metric(windows, Estimate.of(values[len(values) // 2 :].mean(axis=0)), whole), whole


@pytest.mark.parametrize(("size", "tau"), [(3.0, 1.0), (2.0, 3.0), (-4.0, 2.0), (30.0, 2.5)])
def test_the_cut_removes_a_known_bias(size, tau):
    bias = size * decay(tau)
    left = []
    for seed in range(40):
        cut, half_width = cut_of(10 + bias[:, None] + noise(np.random.default_rng(seed)))
        assert abs(bias.mean()) > 1.5 * half_width, "no power"
        if cut is not None:
            left.append(abs(bias[cut:].mean()) / half_width)
    assert len(left) >= 36
    assert np.mean(left) < 0.03
    assert np.quantile(left, 0.9) < 0.05
    assert max(left) < 0.1


def test_pure_noise_is_not_a_transient():
    cuts = [cut_of(5 + noise(np.random.default_rng(seed)))[0] for seed in range(200)]
    assert sum(cut is None for cut in cuts) < 10
    assert sum(cut == warmup.least_cut(WINDOWS) for cut in cuts if cut is not None) > 180


def test_a_small_slow_component_behind_a_large_fast_one_is_found():
    fast, slow = 200.0 * decay(0.5), 1.5 * decay(3.5)
    left = []
    for seed in range(40):
        cut, half_width = cut_of(100 + (fast + slow)[:, None] + noise(np.random.default_rng(seed)))
        assert slow[warmup.least_cut(WINDOWS) :].mean() > 0.5 * half_width, "no power"
        if cut is not None:
            left.append(slow[cut:].mean() / half_width)
    assert len(left) >= 30
    assert np.mean(left) < 0.06


def test_a_relaxation_longer_than_the_run_is_undetermined():
    for seed in range(20):
        assert cut_of(100 - 5 * decay(200.0)[:, None] + noise(np.random.default_rng(seed), 0.1))[0] is None


@pytest.mark.parametrize(("rate", "alarms"), [(0.02, 24), (0.1, 10), (1.0, 10)])
def test_rare_events_give_few_false_alarms(rate, alarms):
    """Windows in which a rare event happened in few replicas: skewed; at 0.02 a window holds 2.6 events in all."""
    series = [np.random.default_rng(seed).poisson(rate, (WINDOWS, GROUPS)).astype(float) for seed in range(200)]
    assert sum(cut_of(values)[0] is None for values in series) < alarms


def test_a_constant_metric_is_cut_at_the_least():
    assert cut_of(np.full((WINDOWS, GROUPS), 3.0))[0] == warmup.least_cut(WINDOWS)


@pytest.mark.parametrize("place", [3, 20])
def test_a_window_that_is_not_a_number_does_not_hide_a_transient(place):
    values = 5 + 3 * decay(2.0)[:, None] + noise(np.random.default_rng(0))
    windows = [Estimate.of(w) for w in values]
    half = Estimate.of(values[WINDOWS // 2 :].mean(axis=0))
    assert warmup.cut_of_metric(windows, half, 0.02) > 8
    windows[place] = Estimate(float("nan"), np.full(GROUPS, np.nan))
    assert warmup.cut_of_metric(windows, half, 0.02) > 8


def test_least_cut():
    assert [warmup.least_cut(n) for n in (8, 16, 32, 64)] == [1, 1, 2, 4]


def test_mser5_cuts_where_the_bias_ends():
    curve = np.concatenate([np.linspace(10, 0, 10), np.zeros(54)])
    curve += np.random.default_rng(0).normal(0, 0.1, 64)
    assert 8 <= warmup.mser5(curve) <= 20
    assert warmup.mser5(np.arange(64.0)) is None
    assert warmup.mser5(np.zeros(16)) == 0


def test_mser5_is_the_minimum_of_whites_statistic():
    curve = np.random.default_rng(2).normal(0, 1, 40) + 4 * decay(3.0, 40)
    score = [((curve[k:] - curve[k:].mean()) ** 2).sum() / (40 - k) ** 2 for k in range(36)]
    assert warmup.mser5(curve) == int(np.argmin(score))


def test_growth_has_the_right_rate_and_interval():
    covered, ratios = 0, []
    for seed in range(100):
        values = 0.3 * 2.5 * (np.arange(WINDOWS) + 0.5)[:, None] + noise(np.random.default_rng(seed), 2.0)
        slope, ratio = warmup.growth([Estimate.of(w) for w in values], 2.5)
        assert slope.half_width() < 0.05 * 0.3
        covered += abs(slope.value - 0.3) < slope.half_width()
        ratios.append(ratio)
    assert covered >= 88
    assert 0.9 < min(ratios) and max(ratios) < 1.1


@pytest.mark.parametrize("tau", [4.0, 16.0, 48.0])
def test_a_relaxation_is_no_growth(tau):
    values = 20 * (1 - decay(tau))[:, None] + noise(np.random.default_rng(1), 0.5)
    slope, ratio = warmup.growth([Estimate.of(w) for w in values], 1.0)
    assert ratio < 0.6 or slope.value < 5 * slope.standard_error


def test_no_growth_without_growth():
    called = 0
    for seed in range(200):
        slope, ratio = warmup.growth([Estimate.of(w) for w in noise(np.random.default_rng(seed))], 1.0)
        called += slope.value > 5 * slope.standard_error and ratio >= 0.75
    assert called == 0


def test_what_rounding_does_to_a_constant_is_no_transient():
    """A difference of sums that is 0 on every path moves by 1e-17 as the sums grow; a transient beyond rounding is one."""
    random = np.random.default_rng(0)

    def cut(size):
        paths = [size * (np.exp(-w / 8) + 0.01 * random.standard_normal(256)) for w in range(32)]
        windows = [dataclasses.replace(Estimate.of(x), rounding=2e-6) for x in paths]
        last_half = dataclasses.replace(Estimate.of(np.mean(paths[16:], axis=0)), rounding=2e-6)
        return warmup.cut_of_metric(windows, last_half, size * 1e-4)

    assert cut(1e-17) == warmup.least_cut(32)
    assert cut(1e-3) is None


def walks(random, replicas, drift=0.0, windows=64, memory=1.0):
    """Windows of few replicas: increments of a random walk, drawn back to 0 by ``1 - memory``."""
    state, values = np.zeros(replicas), []
    for _ in range(windows):
        state = memory * state + drift + random.standard_normal(replicas)
        values.append(Estimate.of(state.copy()))
    return values


@pytest.mark.parametrize("replicas", [1, 2, 4, 16])
def test_the_drift_of_few_walks_is_covered(replicas):
    covered = 0
    for seed in range(300):
        slope = warmup.drift(walks(np.random.default_rng(seed), replicas, 0.5), 2.0)
        covered += abs(slope.value - 0.25) < slope.half_width()
    assert slope.degrees == 15 * replicas - 1
    assert slope.half_width() < 0.25, "no power"
    assert covered >= 0.9 * 300  # four standard errors under .95


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.99, 1.0])
def test_few_replicas_are_rarely_called_growing(memory):
    alarms = 0
    for seed in range(2000):
        slope = warmup.drift(walks(np.random.default_rng(seed), 2, memory=memory), 1.0)
        alarms += abs(slope.value) > as_unlikely(5.0, slope.degrees) * slope.standard_error
    assert alarms == 0
