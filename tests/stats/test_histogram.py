"""Histograms follow the scale of the values, are exact where they can be, and their intervals cover."""

import numpy as np
import pytest

from jaxq.stats import histogram
from jaxq.stats.distribution import Distribution
from jaxq.stats.histogram import Histogram, grouping, resolution


def distribution(values, groups=8, weights=None) -> Distribution:
    """Values shared out evenly among the groups, in one block."""
    values = np.asarray(values)
    values = values.astype(np.int32 if values.dtype.kind == "i" else np.float32)
    found = Histogram(groups, values.dtype == np.int32)
    rows = [None if x is None else np.asarray(x).reshape(-1, groups) for x in (values, weights)]
    found.add(rows[0], rows[1], np.arange(groups))
    return found.distribution(slice(None), 0)


EXPONENTIAL = -np.log1p(-(np.arange(400_000) + 0.5) / 400_000)


@pytest.mark.parametrize("scale", [1e-34, 1e-12, 1.0, 1e9, 1e12, 1e30])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.99, 0.999])
def test_the_unit_does_not_matter(scale, p):
    """Bins once ended at 2**-30 and 2**30: a wait in nanoseconds had the quantile 1.07e9."""
    values = np.random.default_rng(1).permutation(EXPONENTIAL)
    assert distribution(scale * values).quantile(p)[0] == pytest.approx(-scale * np.log1p(-p), rel=0.004)


def test_values_below_zero_have_their_place():
    values = np.random.default_rng(2).permutation(np.linspace(-3, 1, 80_000))
    for p in (0.1, 0.5, 0.75, 0.9):
        assert distribution(values).quantile(p)[0] == pytest.approx(4 * p - 3, abs=0.02)
    assert distribution(np.full(80, -0.0)).quantile(0.5) == (0, 0, 0)


@pytest.mark.parametrize("atom", [0.0, 2.0, 2.3, -1.7e-5, 3e12])
def test_an_atom_is_exact_and_has_an_interval(atom):
    """All mass at 2 was 2.0078 +- 0."""
    expected = float(np.float32(atom))
    assert distribution(np.full(800, atom)).quantile(0.9) == (expected, expected, expected)


def test_an_atom_beside_a_density_keeps_its_interval():
    values = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)])
    found = distribution(np.random.default_rng(3).permutation(values))
    assert found.quantile(0.5) == (0, 0, 0)
    value, low, high = found.quantile(0.8)
    assert value == pytest.approx(1.5, rel=0.004) and low < value < high
    # F(0) = .6 is not told from p = .6: the interval begins at the atom and ends in the density
    value, low, high = found.quantile(0.6)
    assert (value, low) == (0, 0) and 1 < high < 1.2


@pytest.mark.parametrize("shift", [0, 1_000_000, -500_000])
def test_whole_numbers_are_exact_far_from_zero(shift):
    """1.6 % bins gave 1024 for 1027, without an interval."""
    values = shift + np.random.default_rng(4).permutation(np.arange(1000, 1800))
    found = distribution(values)
    for p, expected in ((0.1, 1079), (0.5, 1399), (0.99, 1791)):
        value, low, high = found.quantile(p)
        assert value == shift + expected
        assert low == int(low) <= value <= high == int(high) and low < high


def test_whole_numbers_that_are_too_many_are_marked_by_their_interval():
    values = np.random.default_rng(5).permutation(np.arange(4 * histogram.MOST))
    value, low, high = distribution(values).quantile(0.5)
    assert value == pytest.approx(2 * histogram.MOST, abs=8) and low < 2 * histogram.MOST < high
    wide = distribution(np.full(64, 2**30 + 3))
    assert wide.quantile(0.5)[1] <= 2**30 + 3 <= wide.quantile(0.5)[2]


def test_bins_merge_without_losing_a_count():
    random, found = np.random.default_rng(6), Histogram(4, False)
    blocks = [np.exp(random.normal(0, 5, (256, 64))).astype(np.float32) for _ in range(5)]
    for block in blocks:
        found.add(block, None, np.arange(64) * 4 // 64)
    whole = found.distribution(slice(None), 0)
    assert whole.counts.sum(axis=1).tolist() == [5 * 256 * 16] * 4
    assert np.all(np.diff(whole.left) > 0) and len(whole.left) <= histogram.MOST
    values = np.sort(np.concatenate(blocks).ravel())
    for p in (0.01, 0.5, 0.999):
        assert whole.quantile(p)[0] == pytest.approx(np.quantile(values, p, method="inverted_cdf"), rel=0.01)
    # cuts are in blocks; the third block alone
    assert found.distribution(slice(1, 3), 4).counts.sum() == 2 * 256 * 16
    again = Histogram.restored(found.saved()).distribution(slice(None), 0)
    assert np.array_equal(again.counts, whole.counts) and np.array_equal(again.left, whole.left)


def test_weights_count_and_what_did_not_happen_does_not():
    values = np.tile([1.0, 5.0], 8)
    assert distribution(values, 8, np.tile([1.0, 9.0], 8).astype(np.float32)).quantile(0.5)[0] == 5
    assert distribution(values, 8, np.tile([True, False], 8)).quantile(0.99)[0] == 1


def test_counts_do_not_stop_at_2_to_the_24():
    """A float32 count stands still at 2**24: half of 2**26 zeros and ones looked like less than half of ones."""
    found = Histogram(2, True)
    block = np.zeros((2**12, 2**10), np.int32)
    for _ in range(9):
        found.add(block, None, np.arange(2**10) % 2)
    assert found.distribution(slice(None), 0).counts.sum() == 9 * 2**22


def test_nothing_counted_has_no_quantile():
    empty = distribution(np.ones(8), 8, np.zeros(8, bool))
    assert empty.empty and np.all(np.isnan(empty.quantile(0.5))) and np.isnan(empty.probability_below(1.0)[0])
    assert distribution(np.full(8, np.nan)).empty and distribution(np.full(8, -np.nan)).empty


def test_one_group_has_no_interval():
    value, low, high = distribution(np.arange(100), groups=1).quantile(0.5)
    assert value == 49 and np.isnan(low) and np.isnan(high)


def test_probability_below():
    found = distribution(np.random.default_rng(7).permutation(np.repeat([0.0, 1.5, 3.0, 10.0], [400, 200, 300, 100])))
    for value, expected in ((-1, 0), (0, 0.4), (1.4, 0.4), (1.5, 0.6), (3.0, 0.9), (99, 1)):
        share, width = found.probability_below(value)
        assert share == pytest.approx(expected, abs=1e-12) and width > 0
    # 1000 values that say nothing of what 1 in 271 is: the exact interval of none in 1000 ends at .0037
    assert found.probability_below(99)[1] == pytest.approx(1 - 0.025**0.001, rel=0.5)


@pytest.mark.parametrize(
    ("p", "draw", "true"),
    [
        (0.5, lambda r, n: r.exponential(1.0, n), np.log(2)),
        (0.95, lambda r, n: r.exponential(1.0, n), np.log(20)),
        # an atom of .3 at 0: the quantile of .35 is that of .05/.7 of the rest
        (0.35, lambda r, n: np.where(r.random(n) < 0.3, 0, r.exponential(1.0, n)), -np.log1p(-0.05 / 0.7)),
    ],
    ids=["median", "tail", "atom"],
)
def test_intervals_cover(p, draw, true):
    """100 repeats at 95 %: within 3 standard errors, 6.5 %."""
    random, covered, repeats = np.random.default_rng(int(100 * p)), 0, 100
    for _ in range(repeats):
        _, low, high = distribution(draw(random, 16_000), 32).quantile(p)
        assert 0 < high - low < 0.2 * true + 0.02, "no power"
        covered += low <= true <= high
    assert abs(covered / repeats - 0.95) < 3 * np.sqrt(0.95 * 0.05 / repeats)


def test_intervals_of_whole_numbers_cover():
    """Poisson of mean 1000: P(X <= 1000) = .5084, P(X <= 999) = .4958, so that its median is 1000."""
    random, covered, repeats = np.random.default_rng(8), 0, 50
    for _ in range(repeats):
        _, low, high = distribution(random.poisson(1000, 3200), 32).quantile(0.5)
        assert high - low < 8, "no power"
        covered += low <= 1000 <= high
    assert covered / repeats > 0.95 - 3 * np.sqrt(0.95 * 0.05 / repeats)


def test_groups_of_parts_are_parts_of_groups():
    for first, replicas in ((0, 1024), (0, 131), (40, 91), (7, 5), (3, 100_000)):
        whole = grouping(first, replicas)
        assert whole[0] == 0 and set(np.diff(whole)) <= {0, 1} and len(set(whole)) <= max(min(replicas, 65), 1)
        assert len(set(whole)) >= min(replicas, histogram.GROUPS)
        for begin, end in ((0, replicas // 3), (replicas // 3, replicas // 2), (replicas // 2, replicas)):
            if end > begin:
                part = grouping(first + begin, end - begin)
                assert all(len(set(whole[begin:end][part == group])) == 1 for group in set(part))
    assert np.array_equal(grouping(0, 1024), np.arange(1024) // 32)


def normal(random, size):
    return random.normal(0, 1, size).astype(np.float32)


def atoms(random, size):
    return np.where(random.random(size) < 0.001, np.float32(1.0001), np.float32(1)) * (random.random(size) < 0.7)


def wide(random, size):
    return np.exp(random.normal(0, 15, size)).astype(np.float32)


def whole_numbers(random, size):
    return (random.geometric(1e-5, size) * random.integers(1, 300, size)).astype(np.int32)


@pytest.mark.parametrize("draw", [normal, atoms, wide, whole_numbers])
def test_counts_of_parts_are_those_of_the_whole(draw):
    """One counts 48 replicas, three count 20, 25 and 3 of them, of which the last hears of few bins: bit for bit."""
    random, edges = np.random.default_rng(9), (0, 20, 45, 48)
    blocks = [draw(random, (700, 48)) for _ in range(7)]
    group, limit = np.arange(48) // 6, 4
    whole = Histogram(8, blocks[0].dtype == np.int32, limit)
    parts = [Histogram(8, whole.whole, limit) for _ in edges[1:]]
    for block in blocks:
        whole.add(block, None, group)
        for part, first, end in zip(parts, edges, edges[1:], strict=False):
            part.add(block[:, first:end], None, group[first:end])
    finest = min(part.bins[0] for part in parts)
    assert resolution([part.bins for part in parts]) == whole.bins[0] >= finest
    assert draw is atoms or whole.bins[0] > finest, "no power"
    found = Histogram.together(parts)
    for block in (0, 3, None):
        expected, told = whole.distribution(slice(2, 7), block), found.distribution(slice(2, 7), block)
        assert np.array_equal(told.left, expected.left) and np.array_equal(told.right, expected.right)
        assert np.array_equal(told.counts, expected.counts)
    more = draw(random, (100, 48))
    for each in (whole, found):
        each.add(more, None, group)
    assert np.array_equal(whole.distribution().counts, found.distribution().counts)


def test_groups_of_several_parts_are_put_where_they_belong():
    parts = [Histogram(2, True, 2) for _ in range(2)]
    for part, values in zip(parts, ([[1, 2, 2]], [[2, 3, 3]]), strict=True):
        part.add(np.array(values, np.int32), None, np.array([0, 1, 1]))
    found = Histogram.together(parts, [np.array([0, 1]), np.array([1, 2])], 3).distribution()
    assert found.left.tolist() == [1, 2, 3] and found.counts.tolist() == [[1, 0, 0], [0, 3, 0], [0, 0, 2]]


@pytest.mark.parametrize("due", [1, 3, 8])
def test_intervals_in_the_tail_cover(due):
    """Values above the quantile that are due: with 8 Student's interval of 95 % ended below it in 7.5 % of the repeats, with
    1 in 39 %."""
    random, size, repeats = np.random.default_rng(due), 1600, 200
    above = below = level = 0
    for _ in range(repeats):
        found = distribution(random.exponential(1.0, size), 32)
        p = 1 - due / size
        true = -np.log1p(-p)
        _, low, high = found.quantile(p)
        above, below = above + (high < true), below + (low > true)
        share, width = found.probability_below(true)
        level += abs(share - p) > width
    most = 0.025 + 3 * np.sqrt(0.025 * 0.975 / repeats)
    assert above / repeats < most and below / repeats < most and level / repeats < 2 * most


def test_a_quantile_beyond_what_was_seen_has_no_value():
    """It was the largest value, in an interval that ends there."""
    random = np.random.default_rng(11)
    found = distribution(random.exponential(1.0, 3200), 32)
    for p in (0.9999, 0.9999999):
        value, low, high = found.quantile(p)
        assert np.isnan(value) and np.isnan(high) and 4 < low < -np.log1p(-p)
    value, low, high = distribution(random.normal(0, 1, 3200), 32).quantile(1e-6)
    assert np.isnan(value) and np.isnan(low) and high < -2
    waits = np.where(random.random(3200) < 0.5, 0, random.exponential(1.0, 3200))
    assert distribution(waits, 32).quantile(1e-6) == (0, 0, 0)
