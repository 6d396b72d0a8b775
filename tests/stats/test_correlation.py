"""Correlation times of windows whose correlation is known."""

import numpy as np
import pytest

from jaxq.stats.correlation import correlation_time
from jaxq.stats.estimate import Estimate


def autoregression(coefficient, windows, groups, seed):
    """Stationary AR(1) by window and replica: correlation ``coefficient**k`` at lag k, so its time is (1 + a)/(1 - a)."""
    random = np.random.default_rng(seed)
    values = [random.normal(0, 1, groups) / np.sqrt(1 - coefficient**2)]
    for _ in range(windows - 1):
        values.append(coefficient * values[-1] + random.normal(0, 1, groups))
    return np.array(values)


def time_of(values):
    return correlation_time([Estimate.of(w) for w in values])


@pytest.mark.parametrize("groups", [30, 256])
@pytest.mark.parametrize("coefficient", [0.2, 0.5, 0.8])
def test_of_an_autoregression(coefficient, groups):
    exact = (1 + coefficient) / (1 - coefficient)
    found = [time_of(autoregression(coefficient, 64, groups, seed)) for seed in range(40)]
    error = np.std(found) / np.sqrt(40)
    assert error < 0.1 * exact, "no power"
    assert abs(np.mean(found) - exact) < 0.12 * exact + 3 * error


def test_independent_windows_have_about_one():
    found = [time_of(autoregression(0.0, 64, 30, seed)) for seed in range(100)]
    assert np.mean(found) < 1.2
    assert max(found) < 1.9


@pytest.mark.parametrize("groups", [1, 4, 64])
def test_a_run_shorter_than_its_memory_is_seen_to_be(groups):
    """Correlation time 199 windows in runs of 64: never mistaken for one of 20 correlation times."""
    found = [time_of(autoregression(0.99, 64, groups, seed)) for seed in range(60)]
    assert np.quantile(64 / np.array(found), 0.95) < 20


def test_a_common_transient_is_no_memory_of_many_replicas_but_one_of_few():
    transient = 30 * np.exp(-np.arange(64) / 10)[:, None]
    noise = autoregression(0.0, 64, 64, 0)
    assert time_of(noise + transient) < 1.5
    assert time_of(noise[:, :1] + transient) > 5


def test_a_constant_and_what_is_not_a_number_have_no_memory():
    assert time_of(np.full((64, 30), 3.0)) == 1
    values = autoregression(0.5, 64, 64, 1)
    values[5] = np.nan
    assert 1.5 < time_of(values) < 4
