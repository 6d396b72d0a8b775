"""A launch as one kernel: blocks, groups, observations and events are loops inside it, state and sums are registers.

It is `jaxq.engine.program.block` of one replica, traced once and evaluated over tiles (`jaxq.engine.kernel.evaluate`), so
there is no second text of what a block is. What it takes and gives is laid out as that of the scan.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxq.engine.group_sums import plus
from jaxq.engine.kernel.cells import SMALL, NotLifted, cells
from jaxq.engine.kernel.evaluate import evaluate, loop, words_aside
from jaxq.engine.kernel.indexing import point
from jaxq.engine.kernel.memory import Buffer, Memory
from jaxq.engine.kernel.spilling import LEVELS, REGISTERS, SPILLED, Scratch, Tile
from jaxq.engine.program import Program, block
from jaxq.engine.totals import whole_plus

LANES = 128
"""Replicas of a tile on an accelerator, one a thread."""


class KernelProgram(Program):
    """A `Program` whose launches are one kernel each. NotLifted where the process has what a kernel has not."""

    kind = "kernel"

    def launch_device(self, leaves, carry, totals, length):
        """A launch over the replicas of one device."""
        from jaxq.engine.kernel import pallas  # its import takes a second, and a CPU has no need of it

        layout = self.layout
        rows = layout.replicas // len(layout.devices)
        width = LANES if rows % LANES == 0 else layout.tile
        moving, form = jax.tree.flatten((carry, totals))
        traced, sampled = self._traced(leaves, carry)
        tables = [jnp.asarray(x) for x in traced.consts]
        filed, filed_form = jax.tree.flatten((totals.whole, totals.real))
        room = [jax.ShapeDtypeStruct((layout.blocks, *x.shape[1:], rows), x.dtype) for x in filed]
        inputs = [
            *(x if mine else jnp.ravel(x) for x, mine in self._with_own(leaves)),
            *map(jnp.ravel, tables),
            *moving,
        ]
        kept, kept_form = jax.tree.flatten(sampled)
        samples = [jax.ShapeDtypeStruct((layout.blocks, *x.shape, rows), x.dtype) for x in kept]
        avals, aside = traced.in_avals[len(leaves) :], words_aside(traced.jaxpr)
        spills = aside <= SPILLED and aside + sum(aval.size for aval in avals if aval.size <= SMALL) > REGISTERS
        outputs = [*moving, *room, *samples, jax.ShapeDtypeStruct((rows // width, spills * aside, width), jnp.int32)]
        given = [i for i, x in enumerate(inputs) if x.size]  # a kernel has no empty arrays
        made = [i for i, x in enumerate(outputs) if x.size]
        first = len(leaves) + len(tables)
        carried, last = len(jax.tree.leaves(carry)), len(moving) + len(room)
        places = jax.tree.unflatten(form, range(len(moving)))[1]
        filed_at = dict(zip(jax.tree.leaves((places.whole, places.real)), range(len(moving), last), strict=True))

        def body(length, *references):
            number, lane = pallas.tile_number(rows // width), jnp.arange(width, dtype=jnp.int32)
            lanes = number * width + lane
            taken = dict(zip(given, references, strict=False))
            put = dict(zip(made, references[len(given) :], strict=True))
            scratch = Scratch(put[len(outputs) - 1], number, lane, pallas) if spills else None
            tile = Tile(width, scratch, LEVELS)

            def of_replica(reference, shape):
                if not shape:
                    return pallas.load(reference, lanes)
                return cells(shape, lambda *place: pallas.load(reference, lanes, *place))

            def shared(reference, shape):
                if np.prod(shape) > SMALL:
                    return _in_memory(reference, None, shape, pallas)
                flat = [reference[i] for i in range(int(np.prod(shape)))]
                return cells(shape, lambda *place: flat[np.ravel_multi_index(place, shape)]) if shape else flat[0]

            def write(reference, x, stretch=None):
                for inner in np.ndindex(*np.shape(x)) if isinstance(x, np.ndarray) else [()]:
                    value = jnp.asarray(x[inner] if isinstance(x, np.ndarray) else x, reference.dtype)
                    place = (lanes, *inner) if stretch is None else (stretch, *inner, lanes)
                    pallas.store(reference, jnp.broadcast_to(value, (width,)), *place)

            parameters = [
                of_replica(taken.get(i), x.shape[1:]) if mine else shared(taken.get(i), x.shape)
                for i, (x, mine) in enumerate(self._with_own(leaves))
            ]
            constants = [shared(taken.get(len(leaves) + i), x.shape) for i, x in enumerate(tables)]
            before = [
                _in_memory(put[i], lanes, aval.shape, pallas)
                if aval.size > SMALL
                else of_replica(taken.get(first + i), aval.shape)
                for i, aval in enumerate(avals)
            ]

            def turn(i, state: list) -> list:
                found = evaluate(traced.jaxpr, constants, [*parameters, *state], tile)
                for k, values in enumerate(found[len(moving) :], last):
                    write(put[k], values, i)
                stretch = lax.div(length[1] + i, length[2])
                complete = lax.rem(length[1] + i + 1, length[2]) == 0
                for pair, together in ((places.whole, whole_plus), (places.real, plus)):
                    for column in range(outputs[pair[0]].shape[1]):
                        so_far = tuple(pallas.load(put[word], lanes, column) for word in pair)
                        after = together(so_far, tuple(point(found[word], [column]) for word in pair))
                        for word, x in zip(pair, after, strict=True):
                            pallas.store(put[filed_at[word]], x, stretch, column, lanes)
                            pallas.store(put[word], jnp.where(complete, 0, x), lanes, column)
                for flag in (places.overflow, places.invalid):
                    write(put[flag], pallas.load(put[flag], lanes) | found[flag])
                return found[:carried]

            after = loop(length[0], turn, before, avals, width)
            for i, x in enumerate(after):
                if i in put and not isinstance(x, Memory):
                    write(put[i], x)

        call = pallas.kernel_call(
            body,
            type(jax.tree.unflatten(self.structure, leaves)).__name__.lower(),
            rows // width,
            [jax.ShapeDtypeStruct(outputs[i].shape, outputs[i].dtype) for i in made],
            {1 + given.index(first + i): made.index(i) for i in range(len(moving)) if i in made},
            interpret=layout.devices[0].platform == "cpu",
        )
        found: dict[int, Any] = dict(zip(made, call(length, *[inputs[i] for i in given]), strict=True))
        found = {i: found[i] if i in found else jnp.zeros(x.shape, x.dtype) for i, x in enumerate(outputs)}
        carry, totals = jax.tree.unflatten(form, [found[i] for i in range(len(moving))])
        stretches, samples = (
            [found[k][None] for k in part] for part in (range(len(moving), last), range(last, len(outputs) - 1))
        )
        return carry, totals, jax.tree.unflatten(filed_form, stretches), jax.tree.unflatten(kept_form, samples)

    def _with_own(self, leaves):
        return zip(leaves, self.own, strict=True)

    def _traced(self, leaves, carry):
        """One block of one replica; and the shapes of what it samples."""
        moving, form = jax.tree.flatten(carry)

        def advance(leaves, *moving):
            process = jax.tree.unflatten(self.structure, leaves)
            return block(
                lambda function: functools.partial(function, process), self.layout, jax.tree.unflatten(form, moving)
            )

        def one(x, mine=True):
            return jax.ShapeDtypeStruct(x.shape[1:] if mine else x.shape, x.dtype)

        arguments = [one(*pair) for pair in self._with_own(leaves)], *map(one, moving)
        traced, (_, (_, sampled)) = jax.make_jaxpr(advance, return_shape=True)(*arguments)
        return traced, sampled


def _in_memory(reference, lanes, shape: tuple, interface) -> Memory:
    if len(shape) != 1:
        raise NotLifted(f"an array of shape {shape} of one replica")
    (size,) = shape
    return Memory(Buffer(reference, lanes, size, interface))
