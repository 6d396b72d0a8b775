"""Windowed sums: nothing is lost, however blocks come in, up to 1e12 events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.stats.windows import WindowedSums


def test_windows_merge_when_full():
    store = WindowedSums(1, 1, limit=4)
    for i in range(5):
        store.add(np.full((1, 1, 1), float(i)))
    assert (store.span, store.filled, store.partial, store.blocks) == (2, 2, 1, 5)
    assert store.data[:3, 0, 0].tolist() == [0 + 1, 2 + 3, 4]
    store.add(np.array([5.0, 6.0, 7.0, 8.0]).reshape(4, 1, 1))
    assert (store.span, store.filled, store.partial, store.blocks) == (4, 2, 1, 9)
    assert store.data[:3, 0, 0].tolist() == [6, 22, 8]


def test_total_over_ranges():
    store = WindowedSums(1, 2, limit=8)
    store.add(np.arange(10.0).reshape(5, 1, 2))
    assert store.total(0).tolist() == [[20, 25]]
    assert store.total(1, 3).tolist() == [[2 + 4, 3 + 5]]
    assert store.total(3).tolist() == [[6 + 8, 7 + 9]]
    assert store.total(2, 2).tolist() == [[0, 0]]


def test_the_incomplete_window_counts_only_at_the_open_end():
    store = WindowedSums(1, 1, limit=2)
    store.add(np.array([1.0, 2.0, 4.0]).reshape(3, 1, 1))
    assert (store.span, store.filled, store.partial) == (2, 1, 1)
    assert store.total(0).item() == 7
    assert store.total(0, 1).item() == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=300),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.sampled_from([2, 4, 16, 64]),
)
def test_any_cut_into_additions_gives_the_same_windows(values, sizes, limit):
    whole = WindowedSums(1, 1, limit)
    cut = WindowedSums(1, 1, limit)
    blocks = np.array(values, np.float64).reshape(-1, 1, 1)
    whole.add(blocks)
    done, turn = 0, 0
    while done < len(values):
        size = sizes[turn % len(sizes)]
        cut.add(blocks[done : done + size])
        done, turn = done + size, turn + 1
    assert int(whole.total(0).item()) == sum(values)
    assert (whole.span, whole.filled, whole.partial) == (cut.span, cut.filled, cut.partial)
    assert np.array_equal(whole.data, cut.data)
    assert whole.blocks == len(values)
    assert whole.span & (whole.span - 1) == 0
    assert len(values) < limit or whole.filled >= limit // 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([2, 4, 16, 64]))
def test_stretches_that_end_where_windows_end_give_the_same_windows(sizes, limit):
    blocks = WindowedSums(1, 1, limit)
    stretches = WindowedSums(1, 1, limit)
    for size in sizes:
        while size:
            done, span = blocks.blocks, blocks.span_at(blocks.blocks)[0]
            count = min(size, span - done % span)
            values = np.arange(done, done + count, dtype=np.float64)
            blocks.add(values.reshape(count, 1, 1))
            stretches.extend(values.sum(keepdims=True).reshape(1, 1), count)
            size -= count
    assert (blocks.span, blocks.filled, blocks.partial) == (stretches.span, stretches.filled, stretches.partial)
    assert np.array_equal(blocks.data, stretches.data)


def test_what_is_shown_is_taken_back_to_the_bit():
    store = WindowedSums(1, 1, limit=2)
    store.add(np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1))
    before = store.data.copy()
    store.show(np.array([[1e9]]), 0)
    store.show(np.array([[0.7]]), 0)
    assert store.total(0).item() == pytest.approx(1.3)
    store.hide()
    assert np.array_equal(store.data, before) and store.blocks == 3
    store.extend(np.array([[0.4]]), 1)
    assert (store.filled, store.partial) == (2, 0) and store.total(0).item() == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400))
def test_a_window_holds_consecutive_blocks(count):
    store = WindowedSums(1, 1, limit=16)
    store.add(np.arange(float(count)).reshape(count, 1, 1))
    for w in range(store.filled):
        assert store.data[w, 0, 0] == sum(range(w * store.span, (w + 1) * store.span))


def test_a_million_million_events_lose_nothing():
    """1e12 events as 20,000 blocks of 5e7; one unit an event, and some 4,000 units an event in a second column."""
    random = np.random.default_rng(3)
    store = WindowedSums(2, 3)
    events = units = 0
    for _ in range(200):
        heavy = random.integers(2 * 10**11 - 1000, 2 * 10**11 + 1000, size=(100, 3))
        block = np.stack([np.full((100, 3), 5 * 10**7), heavy], axis=1)
        store.add(block)
        events += 100 * 5 * 10**7
        units += [sum(map(int, heavy[:, r])) for r in range(3)][0]
    assert events == 10**12 and units > 10**15
    assert [int(x) for x in store.total(0)[0]] == [events] * 3
    assert int(store.total(0)[1, 0]) == units
    assert store.blocks == 20_000


def test_int32_blocks_do_not_wrap_on_the_host():
    store = WindowedSums(1, 1)
    store.add(np.full((5000, 1, 1), 2**31 - 1, np.int32))
    assert int(store.total(0).item()) == 5000 * (2**31 - 1)


@pytest.mark.parametrize("limit", [16, 32, 64])
def test_resolution_stays_between_half_the_limit_and_the_limit(limit):
    store = WindowedSums(1, 1, limit)
    for i in range(1, 3000):
        store.add(np.ones((1, 1, 1)))
        if i >= limit:
            assert limit // 2 <= store.filled <= limit
