"""From the device to the host nothing is lost: whole numbers exactly, floats without stalling at 2**24."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.ensemble import Ensemble
from jaxq.stats.windows import WindowedSums


class Walk(jaxq.System):
    """A walk that goes up by 1 an event and falls back by ``period`` every ``period`` events; constant weight."""

    first: int = jaxq.whole("where it starts", low=-(2**31))
    period: int = jaxq.whole("events between two falls", default=7)
    step: int = jaxq.whole("height of a step", low=-100, default=1)

    def init(self, words):
        return (self.first, 0)

    def step_time(self):
        return 1.0

    def next_event(self, state, words):
        return state[1] == self.period - 1, None

    def update(self, state, falls):
        level, phase = state
        moved = level + jnp.where(falls, -self.step * (self.period - 1), self.step)
        return moved, jnp.where(falls, 0, phase + 1)

    def observe(self, state):
        return {"level": state[0]}

    def counters(self, state):
        return {"moves": state[0]}


class Drop(jaxq.System):
    """A float observable under a weight that is constant but given event by event."""

    value: float = jaxq.real("what is observed")
    weight: float = jaxq.positive("time of an event")

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        return None, jnp.float32(self.weight)

    def update(self, state, event):
        return state

    def observe(self, state):
        return {"value": self.value + state}

    def tally(self, state, event):
        return {"tallied": self.value + state}


def launched(system, events, replicas=3, **layout):
    ensemble = Ensemble([system], replicas, 0, tuple(jax.devices()[:1]), **layout)
    while ensemble.events < events:
        ensemble.launch()
    return ensemble


def witness(system, events):
    """The sum of the walk's levels in Python integers."""
    first, period, step = int(system.first), int(system.period), int(system.step)
    rounds, rest = divmod(events, period)
    total = events * first + step * (rounds * (period * (period - 1) // 2) + rest * (rest - 1) // 2)
    brute = sum(first + step * (i % period) for i in range(min(events, 1000)))
    if events <= 1000:
        assert total == brute
    return total


@pytest.mark.parametrize("first", [0, 10**6, -(10**6), 2 * 10**9 // 1024, 10**9, -(2**31) + 10])
@pytest.mark.parametrize("step", [1, -1])
def test_whole_numbers_are_summed_exactly(first, step):
    """The sum over a block of 1024 goes far past 2**31; only the deviation from the block's start is kept in int32."""
    system = Walk(first, 7, max(step, 0) if first < -(2**30) else step)
    ensemble = launched(system, 50_000, observations=1024, blocks=8)
    total = ensemble.windows.total(0)[0]
    assert [int(x) for x in total] == [witness(system, ensemble.events)] * 3


@pytest.mark.parametrize("period", [10**6, 1500])
def test_a_drifting_walk_is_summed_exactly(period):
    system = Walk(10**6, period)
    ensemble = launched(system, 40_000, observations=1024, blocks=4)
    assert int(ensemble.windows.total(0)[0][0]) == witness(system, ensemble.events)


def test_the_host_reads_once_a_window_and_no_later_than_whole_numbers_fill_two_words(monkeypatch):
    read = []
    extend = WindowedSums.extend
    monkeypatch.setattr(WindowedSums, "extend", lambda self, sums, n: read.append(n) or extend(self, sums, n))
    ensemble = Ensemble([Walk(2**31 - 10, 2, 1)], 32, 0, tuple(jax.devices()[:1]), observations=1024, blocks=16)
    while ensemble.blocks < 2**14:
        ensemble.launch()
    ensemble.settle()
    # 64 windows of one block, 32 each of 2, 4, ... 32 blocks up to block 2048, then 64 blocks at a time
    assert ensemble.layout.stretch == 64
    assert len(read) == 64 + 5 * 32 + (2**14 - 2048) // 64
    assert int(ensemble.windows.total(0)[0][0]) == witness(Walk(2**31 - 10, 2, 1), ensemble.events)


def test_how_a_window_is_cut_into_launches_changes_no_bit_of_a_float_sum():
    one, other = (Ensemble([Drop(0.1, 0.3)], 2, 0, tuple(jax.devices()[:1]), observations=16, blocks=64) for _ in "ab")
    one.launch(1000)
    for count in (1, 30, 33, 200, 7, 400, 329):
        other.launch(count)
        assert other.windows.blocks == other.blocks  # a look on the way changes nothing
    assert one.blocks == other.blocks == 1000
    assert np.array_equal(one.windows.data, other.windows.data)


def test_looks_at_a_window_that_goes_on_read_the_devices_once(monkeypatch):
    ensemble = Ensemble([Drop(0.1, 0.3)], 32, 0, tuple(jax.devices()[:1]), observations=16, blocks=64)
    ensemble.launch(129)  # windows of 4 blocks from block 128 on
    shown = []
    show = WindowedSums.show
    monkeypatch.setattr(WindowedSums, "show", lambda self, sums, n: shown.append(n) or show(self, sums, n))
    assert ensemble.windows.blocks == ensemble.windows.blocks == 129 and ensemble.sums(0).events.value == 129 * 16
    ensemble.launch(1)
    assert ensemble.windows.blocks == 130 and shown == [1, 2]


def test_counters_survive_the_wrap_of_int32():
    ensemble = launched(Walk(2**31 - 1000, 10**6), 4096, observations=1024, blocks=4)
    assert int(ensemble.windows.total(0)[1][0]) == ensemble.events


def test_simulate_gives_the_exact_mean():
    system = Walk(2 * 10**9 // 1024, 8)
    result = jaxq.simulate(system, events=80_000, replicas=32, warmup=0)
    events = result.run["events_per_replica"]
    assert result["level"].mean == witness(system, events) / events


@pytest.mark.parametrize(("value", "weight"), [(1.0, 1.0), (1.0, 0.1), (0.1, 1.0), (3.7, 0.3)])
def test_float_sums_do_not_stall(value, weight):
    """More than 2**24 increments of one replica: a float32 sum would stop growing."""
    ensemble = launched(Drop(value, weight), 2**24 + 2**22, replicas=2)
    assert ensemble.events > 2**24
    sums = ensemble.sums(0)
    value, weight = float(np.float32(value)), float(np.float32(weight))
    assert sums.time.value == pytest.approx(weight * ensemble.events, rel=1e-6)
    assert sums["value"].value == pytest.approx(value * weight * ensemble.events, rel=1e-6)
    assert sums["tallied"].value == pytest.approx(value * ensemble.events, rel=1e-6)
    assert sums.events.value == ensemble.events


def test_one_long_block_keeps_its_digits():
    """Sixteen times the usual block, still summed 64 observations at a time."""
    ensemble = launched(Drop(0.1, 0.3), 2**14, replicas=2, observations=2**14, blocks=1)
    assert ensemble.sums(0)["tallied"].value == pytest.approx(float(np.float32(0.1)) * 2**14, rel=3e-6)


class Strided(Drop):
    """Observed every third event."""

    scan = jaxq.Scan(stride=3)


def test_what_is_seen_every_third_event_stands_for_three():
    ensemble = launched(Strided(2.0, 0.5), 3000, replicas=2, observations=64, blocks=1)
    sums, events = ensemble.sums(0), ensemble.events
    assert sums.events.value == events >= 3000
    assert (sums.time.value, sums["value"].value, sums["tallied"].value) == (0.5 * events, events, 2 * events)
