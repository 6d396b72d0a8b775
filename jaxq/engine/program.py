"""The compiled part of a run: one launch is a number of blocks of events over all replicas, chosen when it is run.

Everything it carries (state, chosen event, random words) and adds up stays on the devices. Sums are made over 64
observations at a time: floats in float32, whole-number observables with a constant weight in int32 modulo 2**32, of which
the deviation from ``64 x value at their start`` is exact while the mean deviation stays under 2**31 / 64. Those of blocks
are added up in two words each (`Totals`), over a window of time or `Layout.stretch` blocks, whichever is less, and those of
very many replicas over groups of them (`jaxq.engine.group_sums`); that is all the host reads (`jaxq.stats.windows`).
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxq.engine.carry import Carry, start, step
from jaxq.engine.compiling import LOOPS, ONCE
from jaxq.engine.group_sums import packed
from jaxq.engine.launch_layout import Layout
from jaxq.engine.observation import contributions, sampled
from jaxq.engine.outline import summed_by
from jaxq.engine.totals import nothing, totals_of

AXIS = "replica"
INNER = 64
"""Observations summed in one word before they are added to the block's sum."""


def _row(found):
    """One row of such arrays."""
    return jax.tree.map(lambda x: lax.expand_dims(x, (0,)), found)


def _put(all, rows, first):
    """All arrays with these rows from number ``first`` on."""

    zero = jnp.zeros_like(first)

    def one(x, y):
        return lax.dynamic_update_slice(x, y, (first,) + (zero,) * (x.ndim - 1), allow_negative_indices=False)

    return jax.tree.map(one, all, rows)


def _at_the_end(each, carry: Carry, names: tuple[str, ...]):
    """`sampled` once, an axis in front; of a chain with events of unequal length, which may have a period, at two events in
    a row."""
    places = [carry] if carry.weight is None else [carry, each(step)(carry)]
    found = [each(functools.partial(sampled, names=names))(place) for place in places]
    return jax.tree.map(lambda *x: jnp.stack(x), *found)


def block(each, layout: Layout, carry):
    """One block of events over one tile, or of one replica; ``each`` maps a function of (system, carry) over the tile."""
    observe = jax.jit(each(contributions), inline=True)  # so that it is traced once
    begin = observe(carry)
    before = each(lambda s, c: s.counters(c.state))(carry)
    exact0, rounded0 = jax.tree.map(jnp.zeros_like, begin)

    def observation(c, _):
        carry, exact, rounded = c
        new_exact, new_rounded = observe(carry)
        exact = jax.tree.map(jnp.add, exact, new_exact)
        rounded = jax.tree.map(jnp.add, rounded, new_rounded)
        seen = each(functools.partial(sampled, names=always))(carry) if always else {}
        carry, _ = lax.scan(
            lambda carry, _: (each(step)(carry), None), carry, None, length=layout.stride, unroll=layout.unroll
        )
        return (carry, exact, rounded), seen

    def group(c, _):
        carry, first, high, low, rounded, wrapped = c
        (carry, exact, part), seen = lax.scan(observation, (carry, exact0, rounded0), None, length=inner)
        last = observe(carry)[0]
        moved = jax.tree.map(lambda total, value: total - inner * value, exact, first)
        high = jax.tree.map(lambda h, v, m: h + inner * (v >> 16) + (m >> 16), high, first, moved)
        low = jax.tree.map(lambda h, v, m: h + inner * (v & 0xFFFF) + (m & 0xFFFF), low, first, moved)
        far = [abs(1.0 * last[name] - first[name]) >= 2.0**31 / inner for name in first]
        wrapped = functools.reduce(jnp.logical_or, far, wrapped)
        return (carry, last, high, low, jax.tree.map(jnp.add, rounded, part), wrapped), seen

    def flagged(method, carry):
        return each(lambda s, c: jnp.asarray(getattr(s, method)(c.state), bool))(carry)

    inner = min(INNER, layout.observations)
    always = layout.histograms if layout.sampling == 1 else ()
    never = jnp.zeros(carry.stream.a.shape, bool)
    initial = (carry, begin[0], exact0, exact0, rounded0, never)
    groups = layout.observations // inner
    (carry, _, high, low, rounded, wrapped), seen = lax.scan(group, initial, None, length=groups)
    if layout.histograms and not always:
        seen = _at_the_end(each, carry, layout.histograms)
    after = each(lambda s, c: s.counters(c.state))(carry)
    counted = jax.tree.map(jnp.subtract, after, before)
    wrapped = functools.reduce(jnp.logical_or, [x < 0 for x in counted.values()], wrapped)  # a counter never goes down
    overflow, invalid = wrapped | flagged("overflow", carry), flagged("_invalid_rates", carry)
    sums = totals_of(high, low, rounded, counted, overflow, invalid)
    return carry, (sums, seen)


class Program:
    """The two compiled functions of a run: ``start(parameters, seeded(...))`` gives carry and totals;
    ``launch(parameters, carry, totals, (blocks, open, stretch))`` runs so many blocks and adds them to the totals, in which
    there are ``open`` blocks; at each ``stretch`` of them these are filed and start again from 0, ``layout.blocks`` times at
    most. It gives carry, totals, (whole, real) of the stretches that are complete, and what was sampled.

    With `Layout.handed` there are two more: ``hand((whole, real), number)`` and ``so_far(totals.whole, totals.real)`` give
    one of these stretches, and the one that is not complete, as one array (`jaxq.engine.group_sums.packed`).

    Built once for a system's structure, the shapes of its leaves, which leaves differ between replicas, and a layout;
    `program` keeps them, so that a second run with other numbers compiles nothing.
    """

    kind = "scan"
    """How a launch is compiled, as results say."""

    def __init__(self, structure, shapes: tuple, own: tuple[bool, ...], layout: Layout):
        began = time.perf_counter()
        self.structure, self.own, self.layout = structure, own, layout
        columns = summed_by(structure, shapes)
        self._mesh = jax.make_mesh((len(layout.devices),), (AXIS,), devices=layout.devices)
        specs = [PartitionSpec(AXIS) if mine else PartitionSpec() for mine in own]

        def start_all(leaves, seeds):
            return self._mapped(leaves)(start)(seeds), nothing(columns, seeds.shape[:1])

        def sharded(function, in_specs):
            return jax.shard_map(
                function, mesh=self._mesh, in_specs=in_specs, out_specs=PartitionSpec(AXIS), check_vma=False
            )

        def aval(shape, dtype, spec):
            return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(self._mesh, spec))

        def one_block(leaves, carry):
            return block(self._mapped(leaves), layout, carry)

        self._block = jax.jit(one_block, inline=True)  # so that they are traced once
        self._tile = jax.jit(self._launch_tile, inline=True)
        count, rows = layout.replicas, PartitionSpec(AXIS)
        leaves = [
            aval((count, *shape) if mine else shape, dtype, spec)
            for (shape, dtype), mine, spec in zip(shapes, own, specs, strict=True)
        ]
        process = jax.tree.unflatten(structure, leaves)
        seeds = aval((count, process.scan.init_words + 4), np.uint32, rows)
        begin = jax.jit(sharded(start_all, (specs, rows)))
        kept = jax.tree.map(lambda x: aval(x.shape, x.dtype, rows), jax.eval_shape(begin, leaves, seeds))

        def hand(filed, number):
            return self._packed(jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, number, 1, False), filed))

        def so_far(whole, real):
            return self._packed(jax.tree.map(lambda x: x.T[None], (whole, real)))

        launch = jax.jit(sharded(self.launch_device, (specs, rows, rows, PartitionSpec())), donate_argnums=(1, 2))
        self.start = begin.lower(leaves, seeds).compile(compiler_options=ONCE)
        lowered = launch.lower(leaves, *kept, aval((3,), np.int32, PartitionSpec()))
        self.launch = lowered.compile(compiler_options=LOOPS)
        if layout.handed:
            filed = jax.tree.map(lambda x: aval(x.shape, x.dtype, rows), lowered.out_info[2])
            one = jax.jit(sharded(hand, (rows, PartitionSpec())))
            self.hand = one.lower(filed, aval((), np.int32, PartitionSpec())).compile()
            self.so_far = jax.jit(sharded(so_far, (rows, rows))).lower(*kept[1][:2]).compile()
        self.compile_seconds = time.perf_counter() - began

    def _mapped(self, leaves):
        """``each``: maps a function of (system, ...) over a batch of replicas with these parameter leaves."""
        axes = [0 if mine else None for mine in self.own]

        def each(function):
            def one(leaves, *rest):
                return function(jax.tree.unflatten(self.structure, leaves), *rest)

            return lambda *args: jax.vmap(one, in_axes=(axes, *(0,) * len(args)))(leaves, *args)

        return each

    def _launch_tile(self, leaves, carry, totals, length):
        layout, (blocks, already, stretch) = self.layout, length

        def one(i, done):
            carry, totals, number, filed, kept = done
            carry, (sums, sampled) = self._block(leaves, carry)
            totals = totals.plus(sums)
            filed = _put(filed, _row(jax.tree.map(jnp.transpose, (totals.whole, totals.real))), number)
            complete = (already + i + 1) % stretch == 0
            whole, real = jax.tree.map(lambda x: jnp.where(complete, 0, x), (totals.whole, totals.real))
            totals = totals._replace(whole=whole, real=real)
            return carry, totals, number + complete.astype(jnp.int32), filed, _put(kept, _row(sampled), i)

        _, (_, sampled) = jax.eval_shape(self._block, leaves, carry)
        rooms = jax.tree.map(jnp.transpose, (totals.whole, totals.real)), sampled
        room = jax.tree.map(lambda x: jnp.zeros((layout.blocks, *x.shape), x.dtype), rooms)
        carry, totals, _, *found = lax.fori_loop(0, blocks, one, (carry, totals, jnp.int32(0), *room))
        return carry, totals, found

    def _packed(self, stretch):
        """Sums of one stretch on one device, (tiles, columns, tile), by group in one array; a device is one row of it."""
        whole, real = jax.tree.map(
            lambda x: jnp.moveaxis(x, 0, 1).reshape(x.shape[1], x.shape[0] * x.shape[2]), stretch
        )
        return packed(whole, real, self.layout.group)[None]

    def launch_device(self, leaves, carry, totals, length):
        """A launch over the replicas of one device."""
        layout = self.layout
        tiles = layout.replicas // len(layout.devices) // layout.tile

        def run(number, carry, totals):
            first = number * layout.tile

            def cut(x):
                return lax.dynamic_slice_in_dim(x, first, layout.tile, allow_negative_indices=False)

            own = [cut(x) if mine else x for x, mine in zip(leaves, self.own, strict=True)]
            carry, totals = jax.tree.map(cut, (carry, totals))
            return self._tile(own, carry, totals, length)

        if tiles == 1:
            carry, totals, found = run(0, carry, totals)
            return carry, totals, *_row(found)

        def one_tile(number, done):
            carry, totals, filed = done
            *moved, found = run(number, carry, totals)
            carry, totals = _put((carry, totals), tuple(moved), number * layout.tile)
            return carry, totals, _put(filed, _row(found), number)

        found = jax.eval_shape(run, 0, carry, totals)[2]
        room = jax.tree.map(lambda x: jnp.zeros((tiles, *x.shape), x.dtype), found)
        carry, totals, found = lax.fori_loop(0, tiles, one_tile, (carry, totals, room))
        return carry, totals, *found

    @functools.cached_property
    def length(self):
        """What ``launch`` is told last. Several devices are given it once, as placing it takes longer than many a launch."""

        def numbers(*length):
            return np.array(length, np.int32)

        return (
            numbers if len(self.layout.devices) == 1 else functools.lru_cache(lambda *x: self.place(numbers(*x), False))
        )

    @functools.cached_property
    def number(self):
        """Which stretch ``hand`` is asked for, placed once."""
        return functools.lru_cache(lambda k: self.place(np.int32(k), False))

    def place(self, array, own: bool):
        """A host array on the devices: sharded over replicas, or replicated."""
        return jax.device_put(array, NamedSharding(self._mesh, PartitionSpec(AXIS) if own else PartitionSpec()))


@functools.lru_cache(maxsize=64)
def program(structure, shapes: tuple, own: tuple[bool, ...], layout: Layout, kind: type = Program) -> Program:
    """The compiled program of a structure and layout, built on first use; ``kind``: the `Program` that it is."""
    return kind(structure, shapes, own, layout)
