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
from jaxq.engine.process import Process

AXIS = "replica"
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""How what runs once is compiled."""
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

    ``overflow``: whether `Process.overflow` is true at the end, or a whole number moved so far within 64 observations that
    their sum may have wrapped. ``invalid``: whether `Process.invalid_rates` is true at the end.
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


def typed(tree):
    """Python numbers of a state as int32 / float32 / bool arrays, so that the carry's types are fixed."""

    def leaf(x):
        x = jnp.asarray(x)
        return x.astype(jnp.int32) if x.dtype == jnp.int64 else x.astype(jnp.float32) if x.dtype == jnp.float64 else x

    return jax.tree.map(leaf, tree)


def start(system: Process, seed, replica) -> Carry:
    """The carry of one replica before its first event."""
    state = typed(system.init(tuple(random.words_for(seed, random.START, replica, system.init_words))))
    words, stream = random.next_words(random.stream(seed, random.PATH, replica), system.words)
    event, weight = system.choose(state, words)
    return Carry(state, event, weight, stream)


def step(system: Process, carry: Carry) -> Carry:
    """Apply the carried event, draw the words of the next one and choose it."""
    state = system.apply(carry.state, carry.event)
    state = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), state, carry.state)
    words, stream = random.next_words(carry.stream, system.words)
    event, weight = system.choose(state, words)
    return Carry(state, event, weight, stream)


def _is_whole(x) -> bool:
    return jnp.issubdtype(jnp.asarray(x).dtype, jnp.integer) or jnp.asarray(x).dtype == bool


def contributions(system: Process, carry: Carry):
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


def _sampled(system: Process, carry: Carry, names: tuple[str, ...]):
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
    observe = each(contributions)
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
            @functools.partial(jax.jit, inline=True)  # so that it is traced once
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
        self.start = begin.lower(leaves, seeds, numbers).compile(compiler_options=QUICK)
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
