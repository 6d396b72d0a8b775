"""Batches that depend on their neighbours: the interval against the variance of an autoregression, which is known."""

import numpy as np
import pytest

from jaxq.stats.batch_means import widened
from jaxq.stats.estimate import Estimate


def autoregression(r: float, replicas: int, batches: int, repeats: int, seed: int) -> np.ndarray:
    """Stationary series of unit variance, shape (repeats, replicas, batches)."""
    noise = np.random.default_rng(seed).standard_normal((repeats, replicas, batches))
    series = noise.copy()
    for t in range(1, batches):
        series[..., t] = r * series[..., t - 1] + np.sqrt(1 - r * r) * noise[..., t]
    return series


def squares(r, replicas, batches, repeats=4000):
    """Mean squared standard error, plain and widened, over the variance of the mean."""
    lags = np.arange(1, batches)
    variance = (1 + 2 * np.sum((1 - lags / batches) * r**lags)) / (replicas * batches)
    found = [Estimate.of(x.ravel()) for x in autoregression(r, replicas, batches, repeats, 1)]
    errors = np.array([(e.standard_error, widened(e, batches).standard_error) for e in found])
    return np.mean(errors**2, axis=0) / variance


@pytest.mark.parametrize("replicas, batches", [(1, 400), (4, 100)])
def test_the_standard_error_is_that_of_an_autoregression(replicas, batches):
    plain, wide = squares(0.3, replicas, batches, 500)
    assert plain == pytest.approx(7 / 13, rel=0.02)  # (1 - r)/(1 + r)
    assert wide == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("replicas, batches", [(1, 40), (2, 20), (4, 10), (20, 2)])
def test_forty_batches(replicas, batches):
    """What 40 batches can tell of r is little: never narrower than without it, and not a sixth wider where there is none."""
    plain, wide = squares(0.1, replicas, batches)
    assert plain < 0.96 and 0.97 < wide < 1.35
    plain, wide = squares(0.0, replicas, batches)
    assert plain == pytest.approx(1, rel=0.03) and 1 < wide < 1.35


def test_a_correlation_that_is_negative_or_nothing_narrows_no_interval():
    there = Estimate.of(np.array([1.0, -1.0] * 20))
    assert widened(there, 40).standard_error == there.standard_error
    none = Estimate.of(np.full(40, 3.0))
    assert widened(none, 40) is none


def test_neighbours_are_those_of_the_same_replica():
    """Two replicas that differ are no correlation: the mean of each replica is its own sample."""
    series = np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
    assert widened(Estimate.of(series.ravel()), 4).standard_error == Estimate.of(series.ravel()).standard_error
