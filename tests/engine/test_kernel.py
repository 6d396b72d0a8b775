"""A launch as one kernel, interpreted: every bit is that of the scan, and what cannot be one says why."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.kernel import choice
from jaxq.engine.kernel.cells import NotLifted, cells
from jaxq.engine.kernel.choice import VARIABLE
from jaxq.engine.kernel.evaluate import evaluate_closed
from jaxq.engine.kernel.memory import Buffer, Memory
from jaxq.engine.kernel.spilling import Scratch, Tile
from tests.systems_under_test import UNDER_TEST

NOT_LIFTED = {"M/empirical/infinity": ("large arrays are joined", "a constant of shape (32,) inside a loop")}
"""Systems that the scan runs, and why: what stands first in the program of JAX 0.10, and of 0.12."""


class PeriodTwo(jaxq.JumpProcess):
    """M/M/1 by its embedded chain: every event moves the number by one."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")

    def init(self, words):
        return 0

    def rates(self, state):
        return self.arrival_rate, 1.0 * (state > 0)

    def jump(self, state, k):
        return state + 1 - 2 * k

    def observe(self, state):
        return {"number": state}


def refuse(*_):
    raise NotLifted("for the test")


def ran(monkeypatch, kind: str, systems, **layout) -> Ensemble:
    """Eight replicas of each system, on two devices, after five blocks in two launches."""
    monkeypatch.setenv(VARIABLE, kind)
    layout = {"tile": 4, "blocks": 3, "observations": 16, **layout}
    ensemble = Ensemble(systems, 8, 7, tuple(jax.devices()[:2]), **layout)
    ensemble.launch(3)
    ensemble.launch(2)
    return ensemble


def same(one: Ensemble, other: Ensemble) -> bool:
    """Whether all that the devices keep, and what the host was given, are equal bit by bit."""
    kept = [jax.tree.leaves(([part[1] for part in ensemble._parts], ensemble._totals)) for ensemble in (one, other)]
    assert len(one.windows.data) and one.windows.data.any()
    windows = np.array_equal(one.windows.data, other.windows.data)
    return windows and all(np.array_equal(x, y) for x, y in zip(*kept, strict=True))


@pytest.fixture
def spilled(monkeypatch) -> list:
    """What is kept in memory."""
    found, put = [], Scratch.put
    monkeypatch.setattr(Scratch, "put", lambda *args: found.append(args) or put(*args))
    return found


def test_sums_of_a_network_are_kept_in_memory_where_registers_are_too_few(monkeypatch, spilled):
    rates = [[1 + (3 * i + j) % 7 / 7 for j in range(6)] for i in range(3)]
    system = jaxq.ParallelServers(network=jaxq.Network([10.0] * 3, rates, [8] * 6, [1.0] * 3))
    scan, kernel = (ran(monkeypatch, kind, [system]) for kind in ("scan", "kernel"))
    assert kernel.fallback is None and len(spilled) >= len(scan.quantities) == 28
    assert same(scan, kernel)


def test_sums_in_memory_are_those_in_registers(monkeypatch, spilled):
    monkeypatch.setattr("jaxq.engine.kernel.program.REGISTERS", 0)
    scan, kernel = (ran(monkeypatch, kind, [jaxq.MMc(0.8)], observations=128) for kind in ("scan", "kernel"))
    assert kernel.fallback is None and len(spilled) >= 2 * len(scan.quantities)
    assert same(scan, kernel)


def test_a_sweep_in_parts_and_of_long_windows(monkeypatch):
    systems = [jaxq.TokenPool(20, load, 0.8, 4) for load in (0.5, 0.7, 0.9)]
    scan, kernel = (ran(monkeypatch, kind, systems, batch=16) for kind in ("scan", "kernel"))
    assert kernel.program.kind == "kernel" and len(kernel._parts) == 2 and same(scan, kernel)
    for ensemble in (scan, kernel):  # windows of several blocks, some of them open
        ensemble._windows = type(ensemble._windows)(len(ensemble.quantities), 24, 4)
        ensemble.blocks = 0
        for blocks in (4, 3, 2):
            ensemble.launch(blocks)
    assert kernel.windows.span == 4 and kernel._open and same(scan, kernel)


def test_a_scan_is_resumed_as_a_kernel(monkeypatch, tmp_path):
    queue, options = jaxq.MMc(0.8), {"replicas": 32, "warmup": 0, "seed": 3, "events": 2000}
    path = str(tmp_path / "run.npz")
    monkeypatch.setenv(VARIABLE, "scan")
    first = jaxq.simulate(queue, **options, checkpoint=path)
    whole = jaxq.simulate(queue, **{**options, "events": 4000}, checkpoint=str(tmp_path / "other.npz"))
    monkeypatch.setenv(VARIABLE, "kernel")
    resumed = jaxq.simulate(queue, **{**options, "events": 4000}, checkpoint=path)
    alone = jaxq.simulate(queue, **options)
    assert (first.run["program"], resumed.run["program"]) == ("scan", "kernel")
    assert "no_kernel" not in resumed.run
    assert alone["queue_length"].mean == first["queue_length"].mean
    for name, values in alone.replica_values().items():
        assert np.array_equal(values, first.replica_values()[name], equal_nan=True)
    assert resumed.run["events"] == whole.run["events"] > first.run["events"]
    for name, values in resumed.replica_values().items():  # observations of a block keep the length they had
        assert np.isfinite(values).all() and abs(resumed[name].mean - whole[name].mean) < 1


SAMPLED = {
    "events of unequal length": (PeriodTwo(0.5), ("number",)),
    "customer by customer": (jaxq.MG1(0.7), ("waiting_time",)),
    "some join": (jaxq.TolledQueues(0.8, 5, 1, 1, 1), ("sojourn_1",)),
    "entries in memory": (jaxq.TokenPool(20, 0.8, 0.8, 4), ("own", "tokens")),
}


@pytest.mark.parametrize("kind", SAMPLED)
def test_quantiles_of_a_kernel_are_counts_of_the_scan(monkeypatch, kind):
    system, names = SAMPLED[kind]
    kernel = ran(monkeypatch, "kernel", [system], histograms=names)
    assert kernel.fallback is None and kernel.layout.sampling == 16
    scan = ran(monkeypatch, "scan", [system], histograms=names, sampling=16)
    assert scan.program.kind == "scan" and same(scan, kernel)
    for name in names:
        one, other = (ensemble._histograms[name].saved() for ensemble in (scan, kernel))
        assert one["data"].sum() > 0 and all(np.array_equal(one[part], other[part]) for part in one)


def test_quantiles_sampled_once_a_block_are_those_of_all_events(monkeypatch):
    """M/M/1 at .5 is empty half of the time; at every second event of its embedded chain, three quarters of it."""
    options = {"replicas": 1024, "events": 4000, "warmup": 400, "quantiles": "number"}
    every = jaxq.simulate(PeriodTwo(0.5), **options)
    monkeypatch.setattr("jaxq.engine.layout.kernel_wanted", lambda devices: True)
    monkeypatch.setattr(choice, "KernelProgram", refuse)
    once = jaxq.simulate(PeriodTwo(0.5), **options)
    assert once.run["no_kernel"] == "for the test" and "no_kernel" not in every.run
    for result in (every, once):
        share, width = result.probability_below("number", 0)
        assert width < 0.02, "no power"
        assert abs(share - 0.5) < 2 * width


def test_a_result_says_why_it_is_no_kernel(monkeypatch):
    monkeypatch.setenv(VARIABLE, "kernel")
    found = jaxq.simulate(UNDER_TEST["M/empirical/infinity"], replicas=32, events=500, warmup=0)
    assert found.run["program"] == "scan" and found.run["no_kernel"] in NOT_LIFTED["M/empirical/infinity"]


def test_another_program_is_refused_before_compiling(monkeypatch, jaxq):
    monkeypatch.setenv(VARIABLE, "fast")
    outcome = jaxq("run", "mmc", "--arrival-rate", "0.8", "--events", "100")
    assert outcome.code == 2 and "JAXQ_PROGRAM = fast: must be one of scan, kernel" in outcome.err


class Kept:
    """A device memory of NumPy, written at once, to try `Memory` without a kernel."""

    @staticmethod
    def load(reference, *place):
        return jnp.asarray(reference[tuple(map(np.asarray, place))])

    @staticmethod
    def store(reference, value, *place, mask=None):
        place = tuple(map(np.asarray, place))
        reference[place] = np.where(True if mask is None else mask, value, reference[place])


def lifted(function, *shared):
    """``function(array, index)`` over two lanes, with arrays of 20 entries in memory: (results, what memory then holds)."""
    held = np.arange(40, dtype=np.int32).reshape(2, 20)
    array = Memory(Buffer(held, np.arange(2), 20, Kept))
    index = jnp.array([3, 5], jnp.int32)
    closed = jax.make_jaxpr(function)(jnp.zeros(20, jnp.int32), jnp.int32(0))
    return evaluate_closed(closed, [array, index], Tile(2)), held


def test_one_entry_a_lane_is_written_in_place():
    (_, read), held = lifted(lambda x, i: ((y := x.at[i].add(100)), y[i + 1]))
    assert held[0, 3] == 103 and held[1, 5] == 125 and list(read) == [4, 26]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: (x.at[i].add(1), x[i + 1]),
        lambda x, i: (x.at[i].add(1), x.at[i + 1].add(1)),
        lambda x, i: jax.lax.fori_loop(0, 3, lambda _, y: y.at[i].add(x[i]), x),
    ],
    ids=["read", "write", "loop"],
)
def test_what_was_there_before_a_write_is_gone(function):
    def late(x, i):  # the read comes after the write, whatever XLA would do
        return function(x, i)

    with pytest.raises(NotLifted, match=r"after it was written|beside a loop"):
        lifted(late)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x, i: jnp.sort(x[:8]), "no rule for sort"),
        (lambda x, i: jax.lax.fori_loop(0, 3, lambda _, y: y + 1, x), "changed as a whole"),
        (lambda x, i: jax.lax.while_loop(lambda k: k < 3, lambda k: k + 1, i), "no rule for while"),
    ],
)
def test_what_has_no_rule_is_named(function, reason):
    with pytest.raises(NotLifted, match=reason):
        lifted(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: x[i],
        lambda x, i: x.at[i].get(mode="fill", fill_value=-1),
        lambda x, i: x.at[i].get(mode="clip"),
        lambda x, i: x.at[i].set(7),
        lambda x, i: x.at[i].max(7, mode="clip"),
        lambda x, i: jax.lax.dynamic_slice(x, (i,), (2,)),
        lambda x, i: jax.lax.dynamic_update_slice(x, x[:2] + 10, (i,)),
        lambda x, i: x.reshape(2, 3)[:, i % 3] + x.reshape(2, 3).sum(1),
        lambda x, i: x.reshape(2, 3).at[i].set(x[:3]),
        lambda x, i: jnp.stack([x.argmax(), x.argmin()]) + i,
        lambda x, i: jnp.cumsum(x)[::-1] * jnp.arange(6),
        lambda x, i: jax.lax.scan(lambda c, y: (c + y, c * y), i, x)[1],
    ],
)
def test_small_arrays_are_indexed_as_jax_does(function):
    values = np.array([3, 9, -2, 9, 0, 5], np.int32)
    indices = np.array([-9, -1, 0, 1, 4, 5, 6, 40], np.int32)
    closed = jax.make_jaxpr(function)(jnp.asarray(values), jnp.int32(0))
    small = cells(values.shape, lambda i: values[i])
    (found,) = evaluate_closed(closed, [small, jnp.asarray(indices)], Tile(len(indices)))
    wanted = jax.jit(jax.vmap(function, (None, 0)))(jnp.asarray(values), jnp.asarray(indices))
    shape = wanted.shape[1:]
    here = np.stack([np.broadcast_to(found[p] if shape else found, indices.shape) for p in np.ndindex(*shape)], -1)
    assert np.array_equal(here.reshape(wanted.shape), wanted)


class InPlaces(PeriodTwo):
    """M/M/1 that keeps its customers in an array of registers, or of memory, which some replicas outgrow."""

    places: int = jaxq.whole("places", static=True)

    def init(self, words):
        return 0, jnp.zeros(self.places, jnp.int32)

    def rates(self, state):
        return super().rates(state[0])

    def transition(self, state, k):
        n, kept = state
        return n + (k == 0) - (k == 1), kept.at[jnp.where(k == 0, n, n - 1)].add(1 * (k == 0) - (k == 1))

    def observe(self, state):
        return {"number": state[0], "first": state[1][state[0] - (state[0] > 0)]}


@pytest.mark.parametrize("places", [5, 17])
def test_indices_are_watched_in_a_kernel(monkeypatch, places):
    systems = [InPlaces(arrival_rate=rate, places=places) for rate in (0.5, 1.2)]
    scan, kernel = (ran(monkeypatch, kind, systems, observations=64) for kind in ("scan", "kernel"))
    assert kernel.fallback is None and same(scan, kernel)
    assert 0 < scan.beyond.sum() < 16 and np.array_equal(scan.beyond, kernel.beyond)
