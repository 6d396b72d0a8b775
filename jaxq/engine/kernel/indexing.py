"""Reads and writes at indices that differ from lane to lane: JAX's gather, scatter and dynamic slices, a point at a time."""

import functools
import operator

import jax.numpy as jnp
import numpy as np
from jax.lax import GatherScatterMode

from jaxq.engine.kernel.cells import NotLifted, cells, pick
from jaxq.engine.kernel.memory import Image, Memory

WRITES = {
    "scatter": lambda old, new: new,
    "scatter-add": operator.add,
    "scatter_add": operator.add,
    "scatter-mul": operator.mul,
    "scatter_mul": operator.mul,
    "scatter-min": jnp.minimum,
    "scatter_min": jnp.minimum,
    "scatter-max": jnp.maximum,
    "scatter_max": jnp.maximum,
}


def clamped(start, last: int):
    """A start as JAX moves it into an array; ``last``: the largest that is in it."""
    return 0 if last == 0 else jnp.clip(jnp.asarray(start).astype(jnp.int32), 0, last)


def point(array, index: list):
    """One entry of a small or a large array."""
    if isinstance(array, Image):
        return array.at(index[0])
    return pick(array, index)


def _sum(start, offset: int):
    return offset if isinstance(start, int) and start == 0 else start + offset if offset else start


def dynamic_slice(array, starts, sizes, shape):
    """``lax.dynamic_slice`` of an array of this shape."""
    starts = [clamped(start, n - size) for start, n, size in zip(starts, shape, sizes, strict=True)]
    return cells(sizes, lambda *place: point(array, [_sum(s, k) for s, k in zip(starts, place, strict=True)]))


def dynamic_update_slice(array, update: np.ndarray, starts, shape):
    """``lax.dynamic_update_slice`` of an array of this shape."""
    starts = [clamped(start, n - size) for start, n, size in zip(starts, shape, update.shape, strict=True)]
    for place in np.ndindex(*update.shape):
        index = [_sum(s, k) for s, k in zip(starts, place, strict=True)]
        array = written(array, index, update[place], WRITES["scatter"])
    return array


def written(array, index: list, value, combine, inside: bool = False):
    """An array with one entry combined with a value, if the index is in the array; ``inside``: whether that is known."""
    if isinstance(array, Memory):
        (at,) = index
        mask = None
        if not inside:
            mask = jnp.logical_and(at >= 0, at < array.size)
            at = jnp.clip(at, 0, array.size - 1)
        return array.write(at, combine(array.at(at), value), mask)
    if isinstance(array, Image):
        raise NotLifted("an array that is computed is written")

    def cell(*place):
        old = array[place]
        here = [i == k for i, k in zip(index, place, strict=True)]
        if all(isinstance(x, bool) for x in here):
            return combine(old, value) if all(here) else old
        return jnp.where(functools.reduce(jnp.logical_and, here), combine(old, value), old)

    return cells(array.shape, cell)


def _index_vector(indices: np.ndarray, batch: tuple) -> list:
    return list(np.ravel(indices[batch]))


def gather(array, indices: np.ndarray, aval, out, params):
    """``lax.gather``: entries, or slices of small arrays."""
    numbers, sizes, mode = params["dimension_numbers"], params["slice_sizes"], params["mode"]
    if numbers.operand_batching_dims:
        raise NotLifted("gather with batches")
    kept = [d for d in range(len(aval.shape)) if d not in numbers.collapsed_slice_dims]
    rank = len(out.shape)
    batch_axes = [d for d in range(rank) if d not in numbers.offset_dims]

    def entry(*place):
        vector = _index_vector(indices, tuple(place[d] for d in batch_axes))
        starts = dict(zip(numbers.start_index_map, vector, strict=True))
        offsets = dict(zip(kept, (place[d] for d in numbers.offset_dims), strict=True))
        last = {d: aval.shape[d] - sizes[d] for d in starts}
        moved = {
            d: start if mode == GatherScatterMode.PROMISE_IN_BOUNDS else clamped(start, last[d])
            for d, start in starts.items()
        }
        found = point(array, [_sum(moved.get(d, 0), offsets.get(d, 0)) for d in range(len(aval.shape))])
        if mode != GatherScatterMode.FILL_OR_DROP:
            return found
        inside = [jnp.logical_and(start >= 0, start <= last[d]) for d, start in starts.items()]
        fill = default_fill(aval.dtype) if params["fill_value"] is None else params["fill_value"]
        return jnp.where(functools.reduce(jnp.logical_and, inside), found, jnp.asarray(fill, aval.dtype))

    return cells(out.shape, entry) if rank else entry()


def default_fill(dtype):
    """What JAX reads beyond an array, told ``mode="fill"`` and no more."""
    if jnp.issubdtype(dtype, jnp.floating):
        return np.nan
    if dtype == jnp.bool_:
        return True
    limits = jnp.iinfo(dtype)
    return limits.min if jnp.issubdtype(dtype, jnp.signedinteger) else limits.max


def scatter(name: str, array, indices: np.ndarray, updates: np.ndarray, aval, params):
    """``lax.scatter`` and its kin, one update after the other."""
    numbers, mode = params["dimension_numbers"], params["mode"]
    if numbers.operand_batching_dims:
        raise NotLifted("scatter with batches")
    kept = [d for d in range(len(aval.shape)) if d not in numbers.inserted_window_dims]
    batch_axes = [d for d in range(updates.ndim) if d not in numbers.update_window_dims]
    window = {d: updates.shape[axis] for d, axis in zip(kept, numbers.update_window_dims, strict=True)}
    for place in np.ndindex(*updates.shape):
        vector = _index_vector(indices, tuple(place[d] for d in batch_axes))
        starts = dict(zip(numbers.scatter_dims_to_operand_dims, vector, strict=True))
        offsets = dict(zip(kept, (place[d] for d in numbers.update_window_dims), strict=True))
        last = {d: aval.shape[d] - window.get(d, 1) for d in starts}
        inside = mode != GatherScatterMode.FILL_OR_DROP
        if mode == GatherScatterMode.CLIP:
            starts = {d: clamped(start, last[d]) for d, start in starts.items()}
        elif not inside and any(window.get(d, 1) > 1 for d in starts):
            raise NotLifted(f"{name} of a window that may leave the array")
        starts = {d: s if isinstance(s, int) else jnp.asarray(s).astype(jnp.int32) for d, s in starts.items()}
        index = [_sum(starts.get(d, 0), offsets.get(d, 0)) for d in range(len(aval.shape))]
        array = written(array, index, updates[place], WRITES[name], inside)
    return array
