"""Log-linear histograms: bins meet their edges, quantiles are right to 1.6 %, and their intervals cover."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.stats import histogram
from jaxq.stats.estimate import Estimate

EDGES = histogram.edges()


def counts(values, groups=1):
    bins = np.asarray(histogram.bin_of(jnp.asarray(values, jnp.float32))).reshape(groups, -1)
    return np.stack([np.bincount(row, minlength=histogram.BINS) for row in bins]).astype(float)


def test_edges_increase_from_zero_to_infinity():
    assert EDGES.shape == (histogram.BINS + 1,)
    assert EDGES[0] == 0 and EDGES[1] == 2.0**-30 and EDGES[-2] == 2.0**30 and EDGES[-1] == np.inf
    assert np.all(np.diff(EDGES[:-1]) > 0)
    assert np.max(EDGES[2:-1] / EDGES[1:-2]) <= 1 + 1 / 64


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 2.0**40, width=32, allow_subnormal=False))
def test_a_value_lies_between_the_edges_of_its_bin(x):
    k = int(histogram.bin_of(np.float32(x)))
    assert EDGES[k] <= x < EDGES[k + 1]


def test_every_left_edge_falls_into_its_own_bin():
    bins = np.asarray(histogram.bin_of(jnp.asarray(EDGES[:-1], jnp.float32)))
    assert np.array_equal(bins, np.arange(histogram.BINS))


def test_whole_numbers_up_to_128_have_a_bin_each():
    bins = np.asarray(histogram.bin_of(jnp.arange(129)))
    assert np.array_equal(EDGES[bins], np.arange(129.0))
    assert len(set(bins.tolist())) == 129


@pytest.mark.parametrize("n", range(129))
def test_a_whole_quantile_is_exact(n):
    pooled = counts(np.array([n] * 7, float))
    assert histogram.quantile(pooled, 0.5, whole=True)[0] == n


def test_whole_quantiles_of_a_mixture():
    values = np.repeat([0.0, 3.0, 50.0, 128.0], [50, 30, 15, 5])
    for p, expected in ((0.25, 0), (0.49, 0), (0.51, 3), (0.79, 3), (0.9, 50), (0.96, 128)):
        assert histogram.quantile(counts(values), p, whole=True)[0] == expected


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize(
    "inverse",
    [lambda u: -np.log1p(-u), lambda u: 1e4 * u, lambda u: 1e-5 * np.tan(np.pi / 2 * u)],
    ids=["exponential", "uniform", "cauchy"],
)
def test_quantiles_are_right_to_a_bin(inverse, p):
    u = (np.arange(400_000) + 0.5) / 400_000
    value, _ = histogram.quantile(counts(inverse(u)), p)
    assert value == pytest.approx(inverse(p), rel=0.016)


def test_an_atom_at_zero_is_zero():
    values = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)])
    assert histogram.quantile(counts(values), 0.5)[0] == 0
    assert histogram.quantile(counts(values), 0.8)[0] == pytest.approx(1.5, rel=0.016)


def test_beyond_the_last_edge_is_the_last_edge():
    value, _ = histogram.quantile(counts(np.full(10, 1e12)), 0.5)
    assert value == 2.0**30


def test_weights_count():
    weighted = counts(np.array([1.0, 5.0]))
    weighted[0, int(histogram.bin_of(5.0))] = 9.0
    assert histogram.quantile(weighted, 0.5)[0] == pytest.approx(5, rel=0.016)


@pytest.mark.parametrize("p", [0.5, 0.95])
def test_intervals_cover(p):
    random = np.random.default_rng(int(100 * p))
    true, covered, repeats = -np.log1p(-p), 0, 300
    for _ in range(repeats):
        value, residuals = histogram.quantile(counts(random.exponential(1.0, 64 * 1000), groups=64), p)
        width = Estimate(value, residuals).half_width()
        assert width < 0.03 * true
        covered += abs(value - true) < width
    assert 0.91 < covered / repeats < 0.98
