"""The compiled part of a run: one launch is a number of blocks of events over all replicas, chosen when it is run.

Everything a launch returns is a small array per replica and block; everything it carries (state, chosen event, random
words) stays on the device and is donated. Sums are made over 64 observations at a time: floats in float32, whole-number
observables with a constant weight in int32 modulo 2**32, of which the deviation from ``64 x value at their start`` is exact
while the mean deviation stays under 2**31 / 64; those of a block are added up in two words. The host adds blocks up in
float64 (`jaxq.stats.windows`).
"""

import dataclasses
import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxq import random
from jaxq.engine.system import Sums, System

AXIS = "replica"
SMALLEST, LARGEST = 1e-28, 1e37
"""Least and largest absolute value of a number in the compiled loop, 0 apart: float32 with room for sums and products."""
INNER = 64
"""Observations summed in one word before they are added to the block's sum."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a launch is cut: replicas (padded, over all devices) into tiles, events into at most ``blocks`` blocks."""

    replicas: int
    tile: int
    blocks: int
    observations: int
    stride: int
    unroll: int
    devices: tuple
    histograms: tuple[str, ...] = ()

    @property
    def events_per_block(self) -> int:
        return self.observations * self.stride

    @property
    def events_per_launch(self) -> int:
        return self.blocks * self.events_per_block


class Carry(NamedTuple):
    """What one replica carries from event to event."""

    state: Any
    event: Any
    weight: Any
    stream: random.Stream


class BlockSums(NamedTuple):
    """What one replica returns of one block; a whole-number observable is ``2**16 high + observed``.

    ``overflow``: whether `System.overflow` is true at the end, or a whole number moved so far within 64 observations that
    their sum may have wrapped. ``invalid``: whether `System.invalid_rates` is true at the end.
    """

    time: Any
    observed: dict
    high: dict
    tallied: dict
    counted: dict
    overflow: Any
    invalid: Any


def compute_leaf(leaf):
    """A host number as the compiled loop sees it: float32, int32, or unsigned and boolean as they are."""
    array = np.asarray(leaf)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind == "i":
        return array.astype(np.int32)
    return array


def check_range(system: System) -> None:
    """ValueError that names the field unless the numbers of a system, and those it derives, fit the compiled loop.

    That is 0, infinity, or from 1e-28 to 1e37 in absolute value for a float; under 2**31 for an integer.
    """
    for part in (system, system.prepare()):
        for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0]:
            array = np.ravel(np.asarray(leaf))
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            if array.dtype.kind == "f":
                size = np.abs(array)
                wrong = array[(size > 0) & (size < SMALLEST) | np.isfinite(array) & (size > LARGEST)]
                rule = f"0, or from {SMALLEST:g} to {LARGEST:g} in absolute value, in 32 bits (change the unit)"
            else:
                wrong = array[(array >= 2**31) | (array < -(2**31))] if array.dtype.kind == "i" else array[:0]
                rule = "under 2**31, in 32 bits"
            if wrong.size:
                raise ValueError(f"{name} = {wrong[0]:g}: must be {rule}")
        step_time = part.step_time()
        if step_time is not None and 0 < step_time < 1 / LARGEST:
            raise ValueError(
                f"total rate = {1 / step_time:g}: must be at most {LARGEST:g}, in 32 bits (change the unit)"
            )


def typed(tree):
    """Python numbers of a state as int32 / float32 / bool arrays, so that the carry's types are fixed."""

    def leaf(x):
        x = jnp.asarray(x)
        return x.astype(jnp.int32) if x.dtype == jnp.int64 else x.astype(jnp.float32) if x.dtype == jnp.float64 else x

    return jax.tree.map(leaf, tree)


def start(system: System, seed, replica) -> Carry:
    """The carry of one replica before its first event."""
    state = typed(system.init(tuple(random.words_for(seed, random.START, replica, system.init_words))))
    words, stream = random.next_words(random.stream(seed, random.PATH, replica), system.words)
    event, weight = system.choose(state, words)
    return Carry(state, event, weight, stream)


def step(system: System, carry: Carry) -> Carry:
    """Apply the carried event, draw the words of the next one and choose it."""
    state = system.apply(carry.state, carry.event)
    state = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), state, carry.state)
    words, stream = random.next_words(carry.stream, system.words)
    event, weight = system.choose(state, words)
    return Carry(state, event, weight, stream)


def _is_whole(x) -> bool:
    return jnp.issubdtype(jnp.asarray(x).dtype, jnp.integer) or jnp.asarray(x).dtype == bool


def _observe(system: System, carry: Carry):
    """(exact, rounded) contributions of one observation: int32 by name, float32 by (kind, name)."""
    exact, rounded = {}, {}
    for name, value in system.observe(carry.state).items():
        if carry.weight is None and _is_whole(value):
            exact[name] = jnp.asarray(value).astype(jnp.int32)
        else:
            value = jnp.asarray(value).astype(jnp.float32)
            rounded["observed", name] = value if carry.weight is None else carry.weight * value
    for name, value in system.tally(carry.state, carry.event).items():
        rounded["tallied", name] = jnp.asarray(value, jnp.float32)
    if carry.weight is not None:
        rounded["time", ""] = jnp.asarray(carry.weight, jnp.float32)
    return exact, rounded


def _sampled(system: System, carry: Carry, names: tuple[str, ...]):
    """(value, weight) of the quantities that histograms are kept of, by name; `jaxq.stats.histogram.Histogram.add`."""
    observed, tallied = system.observe(carry.state), system.tally(carry.state, carry.event)
    weight = None if carry.weight is None else jnp.asarray(carry.weight, jnp.float32)

    def sampled(name: str):
        value = jnp.asarray(tallied[name] if name in tallied else observed[name])
        value = value.astype(jnp.int32 if _is_whole(value) else jnp.float32)
        if name not in tallied:
            return value, weight
        if name not in system.measured_at:
            return value, None
        happened = [jnp.asarray(tallied[indicator], bool) for indicator in system.measured_at[name]]
        return value, functools.reduce(jnp.logical_or, happened)

    return {name: sampled(name) for name in names}


def _block(each, layout: Layout, carry):
    """One block of events over one tile; ``each`` maps a function of (system, carry) over the tile."""
    observe = each(_observe)
    begin = observe(carry)
    before = each(lambda s, c: s.counters(c.state))(carry)
    exact0, rounded0 = jax.tree.map(jnp.zeros_like, begin)

    def observation(c, _):
        carry, exact, rounded = c
        new_exact, new_rounded = observe(carry)
        exact = jax.tree.map(jnp.add, exact, new_exact)
        rounded = jax.tree.map(jnp.add, rounded, new_rounded)
        sampled = each(functools.partial(_sampled, names=layout.histograms))(carry) if layout.histograms else {}
        carry, _ = lax.scan(
            lambda carry, _: (each(step)(carry), None), carry, None, length=layout.stride, unroll=layout.unroll
        )
        return (carry, exact, rounded), sampled

    def group(c, _):
        carry, first, high, low, rounded, wrapped = c
        (carry, exact, part), sampled = lax.scan(observation, (carry, exact0, rounded0), None, length=inner)
        last = observe(carry)[0]
        moved = jax.tree.map(lambda total, value: total - inner * value, exact, first)
        high = jax.tree.map(lambda h, v, m: h + inner * (v >> 16) + (m >> 16), high, first, moved)
        low = jax.tree.map(lambda h, v, m: h + inner * (v & 0xFFFF) + (m & 0xFFFF), low, first, moved)
        far = [abs(1.0 * last[name] - first[name]) >= 2.0**31 / inner for name in first]
        wrapped = functools.reduce(jnp.logical_or, far, wrapped)
        return (carry, last, high, low, jax.tree.map(jnp.add, rounded, part), wrapped), sampled

    def flagged(method, carry):
        return each(lambda s, c: jnp.asarray(getattr(s, method)(c.state), bool))(carry)

    inner = min(INNER, layout.observations)
    never = jnp.zeros(jax.tree.leaves(carry)[0].shape[:1], bool)
    initial = (carry, begin[0], exact0, exact0, rounded0, never)
    groups = layout.observations // inner
    (carry, _, high, low, rounded, wrapped), sampled = lax.scan(group, initial, None, length=groups)
    after = each(lambda s, c: s.counters(c.state))(carry)
    sums = BlockSums(
        time=rounded.get(("time", "")),
        observed=low | {name: value for (kind, name), value in rounded.items() if kind == "observed"},
        high=high,
        tallied={name: value for (kind, name), value in rounded.items() if kind == "tallied"},
        counted=jax.tree.map(jnp.subtract, after, before),
        overflow=wrapped | flagged("overflow", carry),
        invalid=flagged("invalid_rates", carry),
    )
    return carry, (sums, sampled)


class Program:
    """The two compiled functions of a run: ``start(parameters, seed, replica numbers)`` and ``launch(parameters, carry,
    blocks)``, whose output has room for ``layout.blocks`` blocks.

    Built once for a system's structure, the shapes of its leaves, which leaves differ between replicas, and a layout;
    `program` keeps them, so that a second run with other numbers compiles nothing.
    """

    def __init__(self, structure, shapes: tuple, own: tuple[bool, ...], layout: Layout):
        began = time.perf_counter()
        self.layout = layout
        self._mesh = jax.make_mesh((len(layout.devices),), (AXIS,), devices=layout.devices)
        axes = [0 if mine else None for mine in own]
        specs = [PartitionSpec(AXIS) if mine else PartitionSpec() for mine in own]
        own_places = [i for i, mine in enumerate(own) if mine]

        def mapped(leaves):
            """``each``: maps a function of (system, ...) over a batch of replicas with these parameter leaves."""

            def each(function):
                def one(leaves, *rest):
                    return function(jax.tree.unflatten(structure, leaves), *rest)

                return lambda *args: jax.vmap(one, in_axes=(axes, *(0,) * len(args)))(leaves, *args)

            return each

        def start_all(leaves, seed, replicas):
            return mapped(leaves)(lambda system, replica: start(system, seed, replica))(replicas)

        def launch_tile(leaves, carry, blocks):
            def block(carry):
                return _block(mapped(leaves), layout, carry)

            def one(i, done):
                carry, kept = done
                carry, sums = block(carry)
                return carry, jax.tree.map(lambda all, new: lax.dynamic_update_index_in_dim(all, new, i, 0), kept, sums)

            _, shapes = jax.eval_shape(block, carry)
            empty = jax.tree.map(lambda x: jnp.zeros((layout.blocks, *x.shape), x.dtype), shapes)
            return lax.fori_loop(0, blocks, one, (carry, empty))

        def launch_shard(leaves, carry, blocks):
            tiles = layout.replicas // len(layout.devices) // layout.tile

            def cut(x):
                return x.reshape(tiles, layout.tile, *x.shape[1:])

            def one_tile(x):
                mine, carry = x
                filled = list(leaves)
                for place, leaf in zip(own_places, mine, strict=True):
                    filled[place] = leaf
                return launch_tile(filled, carry, blocks)

            batch = jax.tree.map(cut, ([leaves[i] for i in own_places], carry))
            if tiles == 1:
                carry, sums = jax.tree.map(lambda x: x[None], one_tile(jax.tree.map(lambda x: x[0], batch)))
            else:
                carry, sums = lax.map(one_tile, batch)
            return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), carry), sums

        def sharded(function, in_specs):
            return jax.shard_map(
                function, mesh=self._mesh, in_specs=in_specs, out_specs=PartitionSpec(AXIS), check_vma=False
            )

        def aval(shape, dtype, spec):
            return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(self._mesh, spec))

        count, rows = layout.replicas, PartitionSpec(AXIS)
        leaves = [
            aval((count, *shape) if mine else shape, dtype, spec)
            for (shape, dtype), mine, spec in zip(shapes, own, specs, strict=True)
        ]
        seeds = aval((2,), np.uint32, PartitionSpec())
        numbers = aval((count,), np.int32, rows)
        begin = jax.jit(sharded(start_all, (specs, PartitionSpec(), rows)))
        carry = jax.tree.map(lambda x: aval(x.shape, x.dtype, rows), jax.eval_shape(begin, leaves, seeds, numbers))
        launch = jax.jit(sharded(launch_shard, (specs, rows, PartitionSpec())), donate_argnums=1)
        self.start = begin.lower(leaves, seeds, numbers).compile()
        self.launch = launch.lower(leaves, carry, aval((), np.int32, PartitionSpec())).compile()
        self.carry_bytes = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(carry))
        self.compile_seconds = time.perf_counter() - began

    def place(self, array, own: bool):
        """A host array on the devices: sharded over replicas, or replicated."""
        return jax.device_put(array, NamedSharding(self._mesh, PartitionSpec(AXIS) if own else PartitionSpec()))


@functools.lru_cache(maxsize=64)
def program(structure, shapes: tuple, own: tuple[bool, ...], layout: Layout) -> Program:
    """The compiled program of a structure and layout, built on first use."""
    return Program(structure, shapes, own, layout)


def _shapes(system: System, function):
    """The shapes that ``function(system, carry)`` returns for one replica at the start, found without running it."""
    leaves, structure = jax.tree.flatten(system)

    def one(leaves, seed, replica):
        traced = jax.tree.unflatten(structure, leaves)
        return function(traced, start(traced, seed, replica))

    args = jax.tree.map(compute_leaf, leaves), np.zeros(2, np.uint32), np.int32(0)
    return jax.eval_shape(one, *args)


def lanes_bytes(system: System) -> int:
    """Bytes one replica of a prepared system keeps in flight: its carry and sums."""
    shapes = _shapes(system, lambda s, carry: (carry, _observe(s, carry), s.counters(carry.state)))
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))


MOST_COMPILE_SECONDS = 300.0
"""Estimated time to compile a system on CPU from which it is refused."""


def compile_seconds(system: System) -> float:
    """About how long a system takes to compile on one quiet CPU core: .5 s + (n / 72)^2 s.

    n is the number of arrays in its state and observations: XLA compiles a loop for each, all into one kernel, and LLVM
    takes time as the square of its loops. Measured: 2 x 2 networks .8 s, 8 x 8 ones 5.2 s (n = 152), 16 s under shadow
    routing; beside other work several times as long. Rates and jumps are not traced.

    Raises:
        ValueError: the estimate is above 300 s.
    """
    leaves, structure = jax.tree.flatten(system.prepare())

    def one(leaves, words):
        prepared = jax.tree.unflatten(structure, leaves)
        state = typed(prepared.init(tuple(words)))
        return state, jax.tree.map(jnp.asarray, prepared.observe(state))

    words = np.zeros(jax.tree.unflatten(structure, leaves).init_words, np.uint32)
    count = len(jax.tree.leaves(jax.eval_shape(one, [compute_leaf(leaf) for leaf in leaves], words)))
    seconds = 0.5 + (count / 72) ** 2
    if seconds > MOST_COMPILE_SECONDS:
        raise ValueError(
            f"{system.title()}: has {count} numbers in its state and observations, so that compiling would take about "
            f"{seconds:.0f} s (it grows with the square): must be at most {MOST_COMPILE_SECONDS:.0f} s; fewer of them "
            "help, such as alike pools or classes taken as one, or arrays in place of many numbers"
        )
    return seconds


def initial_rate(system: System) -> float:
    """Events per unit of time at the start: what a block's length is chosen by when only a horizon is given."""
    prepared = system.prepare()
    step_time = prepared.step_time()
    if step_time is not None:
        return 1.0 / step_time
    leaves, structure = jax.tree.flatten(prepared)

    def weights(leaves):
        traced = jax.tree.unflatten(structure, leaves)
        return jax.vmap(lambda r: start(traced, jnp.asarray(random.key_data(0)), r).weight)(jnp.arange(64))

    return 1.0 / float(jax.jit(weights)([compute_leaf(leaf) for leaf in leaves]).mean())


def whole_quantities(system: System) -> frozenset[str]:
    """The observed quantities of a prepared system that are whole numbers."""
    shapes = _shapes(system, lambda s, carry: jax.tree.map(jnp.asarray, s.observe(carry.state)))
    return frozenset(name for name, x in shapes.items() if x.dtype.kind in "iub")


def names(system: System) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(metrics, quantities that histograms can be kept of) of a system, found without running it."""

    def parts(s, carry):
        found = s.observe(carry.state), s.tally(carry.state, carry.event), s.counters(carry.state)
        return [dict.fromkeys(part, 0.0) for part in found]

    prepared = system.prepare()
    kinds = _shapes(prepared, parts)
    measured = [name for name in (*kinds[0], *kinds[1]) if prepared.measured_at.get(name, True)]
    halves = [dict.fromkeys(part, np.float64(0.5)) for part in kinds]
    return tuple(system.metrics(Sums(np.float64(1.0), np.float64(1.0), *halves))), tuple(measured)
