"""Rules for single operations on scalars and small arrays, which are registers a lane; by the name of the primitive."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxq.engine.kernel import indexing
from jaxq.engine.kernel.cells import SMALL, NotLifted, as_scalar, cells
from jaxq.engine.kernel.memory import Image

LONGEST = 128
"""Turns of a loop over the entries of an array, all written out, and entries of an array of registers, at most."""


def registers(x) -> np.ndarray:
    """A value as an array of registers; NotLifted for a large array."""
    if isinstance(x, Image):
        raise NotLifted("a large array as an index or an update")
    return x if isinstance(x, np.ndarray) and x.dtype == object else cells((), lambda: x)


def _reshaped(values, avals, out, params):
    (x,) = values
    if isinstance(x, Image):
        if out.shape != avals[0].shape:
            raise NotLifted("a large array is reshaped")
        return [x]
    array = registers(x).reshape(out.shape)
    return [array if out.shape else array[()]]


def _broadcast(values, avals, out, params):
    x = values[0]
    if isinstance(x, Image):
        raise NotLifted("a large array is broadcast")
    if not avals[0].shape and out.size > SMALL:
        return [Image(out.size, lambda index: x)]
    shape = [1] * len(out.shape)
    for size, axis in zip(avals[0].shape, params["broadcast_dimensions"], strict=True):
        shape[axis] = size
    array = np.broadcast_to(registers(x).reshape(shape), out.shape)
    return [array if out.shape else array[()]]


def _slice(values, avals, out, params):
    (x,) = values
    steps = params["strides"] or (1,) * len(out.shape)
    if isinstance(x, Image):
        (start,), (step,) = params["start_indices"], steps
        if out.size > SMALL:
            return [Image(out.size, lambda index: x.at(start + step * index))]
        return [cells(out.shape, lambda i: x.at(jnp.int32(start + step * i)))]
    places = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return [x[tuple(slice(*place) for place in places)]]


def _iota(values, avals, out, params):
    if out.size > SMALL and len(out.shape) == 1:
        return [Image(out.size, lambda index: jnp.asarray(index).astype(out.dtype))]
    dtype = np.dtype(out.dtype)
    return [cells(out.shape, lambda *place: dtype.type(place[params["dimension"]]))]


def _concatenate(values, avals, out, params):
    if out.size > LONGEST or any(isinstance(x, Image) for x in values):
        raise NotLifted("large arrays are joined")
    return [np.concatenate(values, axis=params["dimension"])]


def _gather(values, avals, out, params):
    array, indices = values
    if out.size > SMALL:
        raise NotLifted("many entries are gathered")
    return [indexing.gather(array, registers(indices), avals[0], out, params)]


def _dynamic_slice(values, avals, out, params):
    return [indexing.dynamic_slice(values[0], values[1:], params["slice_sizes"], avals[0].shape)]


def _dynamic_update_slice(values, avals, out, params):
    return [indexing.dynamic_update_slice(values[0], registers(values[1]), values[2:], avals[0].shape)]


def _polynomial(values, avals, out, params):
    """Horner's rule, coefficients from the lowest; a primitive from JAX 0.12 on."""
    if out.shape:
        raise NotLifted("a polynomial of an array")
    x, *coefficients = (as_scalar(value, aval) for value, aval in zip(values, avals, strict=True))
    return [functools.reduce(lambda total, a: total * x + a, coefficients[-2::-1], coefficients[-1])]


def _small(function: Callable) -> Callable:
    def rule(values, avals, out, params):
        if any(isinstance(x, Image) for x in values):
            raise NotLifted("a large array is rearranged")
        return function(values, params)

    return rule


def _arg(better: Callable) -> Callable:
    def rule(values, avals, out, params):
        (x,), axes = values, params["axes"]
        if isinstance(x, Image) or len(axes) != 1:
            raise NotLifted("the place of the extreme of a large array")
        moved = np.moveaxis(x, axes[0], 0)

        def entry(*place):
            best, where = moved[(0, *place)], jnp.asarray(0, out.dtype)
            for i in range(1, len(moved)):
                other = moved[(i, *place)]
                found = better(other, best)
                best, where = jnp.where(found, other, best), jnp.where(found, jnp.asarray(i, out.dtype), where)
            return where

        return [cells(out.shape, entry) if out.shape else entry()]

    return rule


def _cumulated(combine: Callable) -> Callable:
    def function(values, params):
        moved = np.moveaxis(values[0], params["axis"], 0)
        rows = list(moved[::-1] if params["reverse"] else moved)
        for i in range(1, len(rows)):
            before, row = rows[i - 1], rows[i]
            rows[i] = (
                cells(row.shape, lambda *p, a=before, b=row: combine(a[p], b[p]))
                if np.shape(row)
                else combine(before, row)
            )
        stacked = _array_of_rows(rows[::-1] if params["reverse"] else rows)
        return [np.moveaxis(stacked, 0, params["axis"])]

    return function


def _array_of_rows(rows: list) -> np.ndarray:
    shape = np.shape(rows[0]) if isinstance(rows[0], np.ndarray) else ()
    return cells((len(rows), *shape), lambda i, *place: rows[i][place] if shape else rows[i])


def _unstack(values, params):
    moved = np.moveaxis(values[0], params["axis"], 0)
    return list(moved)


def _stack(values, params):
    return [np.moveaxis(_array_of_rows(values), 0, params["axis"])]


def _split(values, params):
    ends = np.cumsum(params["sizes"])[:-1]
    return np.split(values[0], ends, axis=params["axis"])


RULES = {
    "reshard": lambda values, avals, out, params: values,
    "optimization_barrier": lambda values, avals, out, params: values,
    "polynomial": _polynomial,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "expand_dims": _reshaped,
    "slice": _slice,
    "iota": _iota,
    "concatenate": _concatenate,
    "gather": _gather,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "transpose": _small(lambda values, params: [np.transpose(values[0], params["permutation"])]),
    "rev": _small(lambda values, params: [np.flip(values[0], params["dimensions"])]),
    "split": _small(_split),
    "unstack": _small(_unstack),
    "stack": _small(_stack),
    "cumsum": _small(_cumulated(jnp.add)),
    "cumprod": _small(_cumulated(jnp.multiply)),
    "cummax": _small(_cumulated(jnp.maximum)),
    "cummin": _small(_cumulated(jnp.minimum)),
    "argmax": _arg(jnp.greater),
    "argmin": _arg(jnp.less),
}
