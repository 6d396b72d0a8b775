"""Jumps said one by one or all at once, and rates that change by themselves."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.stats.intervals import family_bound
from tests.agreement import check_agreement


class Ring(jaxq.JumpProcess):
    """Stations in a ring, each M/M/1, with arrivals at the first and losses at the last: jumps one by one."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")
    room: int = jaxq.whole("room in the first station", default=4)

    def init(self, words):
        return 0, 0, 0

    def rates(self, state):
        enters = jnp.where(state[0] < self.room, self.arrival_rate, 0.0)
        return enters, *[1.0 * (n > 0) for n in state]

    def jump(self, state, k):
        first, second, third = state
        return [
            (first + 1, second, third),
            (first - 1, second + 1, third),
            (first, second - 1, third + 1),
            (first, second, third - 1),
        ][k]

    def observe(self, state):
        return {"first": state[0], "third": state[2]}


class RingAtOnce(Ring):
    """The same by `transition` alone."""

    jump = jaxq.JumpProcess.jump

    def transition(self, state, k):
        return tuple(n + (k == i) - (k == i + 1) for i, n in enumerate(state))


class Nothing(jaxq.JumpProcess):
    """Rates, but no jumps."""

    def init(self, words):
        return 0

    def rates(self, state):
        return (1.0,)

    def observe(self, state):
        return {"state": state}


class Tides(jaxq.JumpProcess):
    """Infinitely many servers; arrivals come in the first half of every period. State: (busy, whether on, time left)."""

    arrival_rate: float = jaxq.positive("arrival rate while on, 1/time")
    half: float = jaxq.positive("half a period, time")

    def init(self, words):
        return jnp.int32(0), jnp.bool_(True), self.half

    def rates(self, state):
        return jnp.where(state[1], self.arrival_rate, 0.0), 1.0 * state[0]

    def jump(self, state, k):
        return state[0] + 1 - 2 * k, *state[1:]

    def drift(self, state, elapsed):
        left = state[2] - elapsed
        return state[0], state[1] ^ (left <= 0), jnp.where(left <= 0, self.half, left)

    def next_switch(self, state):
        return state[2]

    def observe(self, state):
        return {"busy": state[0]}


def test_the_transition_of_jumps_is_the_jump():
    one_by_one, at_once = Ring(0.5), RingAtOnce(0.5)
    for state in ((0, 0, 0), (4, 1, 0), (2, 3, 5)):
        states = tuple(jnp.int32(n) for n in state)
        for k in range(5):
            wanted = one_by_one.jump(state, k) if k < 4 else state
            for system in (one_by_one, at_once):
                assert tuple(int(n) for n in system.transition(states, jnp.int32(k))) == wanted
            if k < 4:
                assert tuple(int(n) for n in at_once.jump(states, k)) == wanted


def test_a_process_of_transitions_runs_everywhere():
    keep = lambda state: (state[1] <= 20) & (state[2] <= 20)  # noqa: E731
    laws = [jaxq.exact(kind(0.6), keep=keep) for kind in (Ring, RingAtOnce)]
    # the first station is M/M/1/4
    p = 0.6 ** np.arange(5)
    assert laws[0]["first"] == pytest.approx(p @ np.arange(5) / p.sum(), rel=1e-4)
    assert laws[1].metrics == pytest.approx(laws[0].metrics, rel=1e-10)
    runs = [jaxq.simulate(kind(0.6), replicas=64, events=20_000, warmup=1_000) for kind in (Ring, RingAtOnce)]
    check_agreement(runs[1]["first"], laws[0]["first"], 0.02)
    for name, metric in runs[0].metrics.items():  # the same words, the same path
        assert runs[1][name].mean == metric.mean
    paths = [jaxq.paths(kind(0.6), [1.0, 5.0], replicas=256, keep_paths=256) for kind in (Ring, RingAtOnce)]
    np.testing.assert_array_equal(paths[0].paths["third"], paths[1].paths["third"])


@pytest.mark.parametrize(
    "use",
    [
        lambda system: jaxq.simulate(system, replicas=32, events=100),
        lambda system: jaxq.exact(system),
        lambda system: jaxq.paths(system, [1.0], replicas=8),
    ],
    ids=["simulate", "exact", "paths"],
)
def test_a_process_without_jumps_says_so(use):
    with pytest.raises(TypeError, match=r"Nothing must define jump\(state, k\) or transition\(state, k\)"):
        use(Nothing())


def test_a_switch_needs_a_drift():
    class Stuck(Ring):
        def next_switch(self, state):
            return 1.0

    with pytest.raises(TypeError, match=r"Stuck defines next_switch, so it must define drift"):
        jaxq.simulate(Stuck(0.5), replicas=32, events=100)


def busy(t, rate, half):
    """E busy(t) from empty: dx/dt = lambda(t) - x, lambda on in every first half period."""
    x, start = 0.0, 0.0
    while start < t:
        step = min(half, t - start)
        level = rate if round(start / half) % 2 == 0 else 0.0
        x = level + (x - level) * np.exp(-step)
        start += step
    return x


def test_rates_that_switch_by_themselves_follow_the_closed_form():
    times = np.array([0.3, 1.0, 1.7, 2.5, 4.4, 5.0, 5.6, 12.3])
    result = jaxq.paths(Tides(10.0, 1.25), times, replicas=8192, seed=3)
    wanted = np.array([busy(t, 10.0, 1.25) for t in times])
    mean, width = result.mean["busy"], result.half_width["busy"]
    assert width.max() < 0.03 * wanted.max(), "no power"
    assert np.abs((mean - wanted) / (width / 1.96)).max() < family_bound(len(times), 0.9999)


def test_the_time_average_over_switches():
    """Over whole periods half of the arrivals' rate, whatever the length of a period."""
    for half in (0.05, 3.0):
        result = jaxq.simulate(Tides(8.0, half), replicas=128, events=40_000, warmup=4_000)
        check_agreement(result["busy"], 4.0, 0.02)
