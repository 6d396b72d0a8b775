"""z of quantiles where everything is known: independent values that last for unlike times, as those of a queue do."""

import functools
import math

import numpy as np
import pytest

from jaxq.engine.levels import Law
from jaxq.stats.histogram import Histogram

GROUPS, REPEATS = 32, 400


@functools.cache
def laws(values: int) -> list[Law]:
    """Exponential values, so many a group, by repeat; each weighs the square of an exponential."""
    rng, found = np.random.default_rng(3), []
    for _ in range(REPEATS):
        seen, (drawn, times) = Histogram(GROUPS, False, 1), rng.exponential(size=(2, values, GROUPS)).astype(np.float32)
        seen.add(drawn, times**2, np.arange(GROUPS))
        found.append(Law(seen.distribution(), lambda x: math.exp(-max(x, 0.0)), 0.95))
    return found


@pytest.mark.parametrize(("values", "probability", "most"), [(200, 0.9, 1.35), (400, 0.99, 1.1), (400, 0.998, 1.1)])
def test_z_spreads_as_it_should_or_less(values, probability, most):
    """The variance of Student's t with 31 degrees is 1.07, that of a variance of 400 values .08. With the standard error as
    it was seen z at .99 has mean .33 and variance 1.27: where less of a tail was seen than there is, it looks small too."""
    z = np.array([law.quantiles([probability])[f"{probability:g}"]["z"] for law in laws(values)])
    assert abs(z.mean()) < 0.27 and 0.5 < z.var() < most and np.abs(z).max() < 4.5
