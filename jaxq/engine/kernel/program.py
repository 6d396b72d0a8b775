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

from jaxq.engine.kernel.cells import SMALL, NotLifted, cells
from jaxq.engine.kernel.evaluate import evaluate, loop
from jaxq.engine.kernel.memory import Buffer, Memory
from jaxq.engine.program import Program, block

LANES = 128
"""Replicas of a tile on an accelerator, one a thread."""


class KernelProgram(Program):
    """A `Program` whose launches are one kernel each. NotLifted where the process has what a kernel has not."""

    kind = "kernel"
    donated = (1, 2)

    def launch_device(self, leaves, carry, totals, length):
        """A launch over the replicas of one device."""
        from jaxq.engine.kernel import pallas  # its import takes a second, and a CPU has no need of it

        layout = self.layout
        rows = layout.replicas // len(layout.devices)
        width = LANES if rows % LANES == 0 else layout.tile
        moving, form = jax.tree.flatten((carry, totals))
        traced, sampled = self._traced(leaves, moving, form)
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
        outputs = [*moving, *room, *samples]
        given = [i for i, x in enumerate(inputs) if x.size]  # a kernel has no empty arrays
        made = [i for i, x in enumerate(outputs) if x.size]
        first = len(leaves) + len(tables)
        carried = len(jax.tree.leaves(carry))
        _, places = jax.tree.unflatten(form, range(len(moving)))
        summed = jax.tree.leaves((places.whole, places.real))
        avals = traced.in_avals[len(leaves) :]

        def body(length, *references):
            lanes = pallas.lanes(width)
            taken = dict(zip(given, references, strict=False))
            put = dict(zip(made, references[len(given) :], strict=True))

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
                for i, aval in enumerate(avals[:carried])
            ]

            def turn(i, state: list) -> list:
                sums = [of_replica(put.get(carried + k), aval.shape) for k, aval in enumerate(avals[carried:])]
                state = evaluate(traced.jaxpr, constants, [*parameters, *state, *sums], width)
                for k, values in enumerate(state[len(moving) :]):
                    write(put[len(moving) + len(room) + k], values, i)
                stretch = lax.div(length[1] + i, length[2])
                complete = lax.rem(length[1] + i + 1, length[2]) == 0
                for k, place in enumerate(summed):
                    if place in put:
                        write(put[len(moving) + k], state[place], stretch)
                        state[place] = _zero_where(complete, state[place])
                for place in range(carried, len(moving)):
                    if place in put:
                        write(put[place], state[place])
                return state[:carried]

            after = loop(length[0], turn, before, avals[:carried], width)
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
        last = len(moving) + len(room)
        found = {i: found[i] if i in found else jnp.zeros(x.shape, x.dtype) for i, x in enumerate(outputs)}
        carry, totals = jax.tree.unflatten(form, [found[i] for i in range(len(moving))])
        stretches, samples = (
            [found[k][None] for k in part] for part in (range(len(moving), last), range(last, len(outputs)))
        )
        return carry, totals, jax.tree.unflatten(filed_form, stretches), jax.tree.unflatten(kept_form, samples)

    def _with_own(self, leaves):
        return zip(leaves, self.own, strict=True)

    def _traced(self, leaves, moving, form):
        """One block of one replica, the totals after it and what it samples; and the shapes of the last."""

        def advance(leaves, *moving):
            process = jax.tree.unflatten(self.structure, leaves)
            carry, totals = jax.tree.unflatten(form, moving)
            carry, (sums, sampled) = block(lambda function: functools.partial(function, process), self.layout, carry)
            return carry, totals.plus(sums), sampled

        def one(x, mine=True):
            return jax.ShapeDtypeStruct(x.shape[1:] if mine else x.shape, x.dtype)

        arguments = [one(*pair) for pair in self._with_own(leaves)], *map(one, moving)
        traced, shapes = jax.make_jaxpr(advance, return_shape=True)(*arguments)
        return traced, shapes[2]


def _in_memory(reference, lanes, shape: tuple, interface) -> Memory:
    if len(shape) != 1:
        raise NotLifted(f"an array of shape {shape} of one replica")
    (size,) = shape
    return Memory(Buffer(reference, lanes, size, interface))


def _zero_where(done, x: np.ndarray) -> np.ndarray:
    return cells(x.shape, lambda *place: jnp.where(done, jnp.zeros_like(x[place]), x[place]))
