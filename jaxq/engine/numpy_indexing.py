"""Reads and writes at indices, by NumPy: JAX's gather and scatter of whole batches (`jaxq.engine.interpret`)."""

from collections.abc import Sequence

import numpy as np
from jax.lax import GatherScatterMode

from jaxq.engine.kernel.indexing import default_fill

WRITES = {
    "scatter-add": np.add,
    "scatter_add": np.add,
    "scatter-mul": np.multiply,
    "scatter_mul": np.multiply,
    "scatter-min": np.minimum,
    "scatter_min": np.minimum,
    "scatter-max": np.maximum,
    "scatter_max": np.maximum,
}
"""What is made of an entry and an update; a plain scatter takes the update."""


def gather(array, indices, *, dimension_numbers, slice_sizes, mode, fill_value, **_):
    """``lax.gather``."""
    numbers = dimension_numbers
    fixed = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window = [d for d in range(array.ndim) if d not in fixed]
    covered = dict(zip(window, numbers.offset_dims, strict=True))
    batches = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    rank = indices.ndim - 1 + len(covered)
    place, inside = _places(array, indices, numbers.start_index_map, slice_sizes, covered, batches, rank)
    found = array[tuple(place)]
    if mode != GatherScatterMode.FILL_OR_DROP:
        return found
    return np.where(inside, found, default_fill(array.dtype) if fill_value is None else fill_value).astype(array.dtype)


def scatter(name: str, array, indices, updates, *, dimension_numbers, mode, **_):
    """``lax.scatter`` and those of `WRITES`."""
    numbers = dimension_numbers
    fixed = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window = [d for d in range(array.ndim) if d not in fixed]
    covered = dict(zip(window, numbers.update_window_dims, strict=True))
    batches = dict(zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True))
    sizes = [updates.shape[covered[d]] if d in covered else 1 for d in range(array.ndim)]
    axes = numbers.scatter_dims_to_operand_dims
    place, inside = _places(array, indices, axes, sizes, covered, batches, updates.ndim)
    written = np.ones(updates.shape, bool) & (inside if mode == GatherScatterMode.FILL_OR_DROP else True)
    place = [np.broadcast_to(x, updates.shape)[written] for x in place]
    array = np.array(array)
    if name == "scatter":
        array[tuple(place)] = updates[written]
    else:
        WRITES[name].at(array, tuple(place), updates[written])
    return array


def _places(array, indices, axes: Sequence[int], sizes: Sequence[int], covered: dict, batches: dict, rank: int):
    """By axis of the array, the index of each entry that is accessed, moved into it; and whether it was inside.

    ``axes``: those that ``indices`` say the starts of; ``sizes``: entries of an access by axis; ``covered``: the axis of the
    result, of ``rank`` axes, along which an access goes on; ``batches``: the axis of ``indices`` beside which one runs.
    """
    others = [d for d in range(rank) if d not in covered.values()]

    def along(values, places: Sequence[int]):
        shape = [1] * rank
        for place, size in zip(places, np.shape(values), strict=True):
            shape[place] = size
        return np.reshape(values, shape)

    place: list = [np.zeros((1,) * rank, np.int64) for _ in range(array.ndim)]
    inside = np.ones((1,) * rank, bool)
    for number, axis in enumerate(axes):
        start, last = along(indices[..., number].astype(np.int64), others), array.shape[axis] - sizes[axis]
        place[axis], inside = np.clip(start, 0, last), inside & (start >= 0) & (start <= last)
    for axis, along_axis in batches.items():
        place[axis] = along(np.arange(array.shape[axis]), [others[along_axis]])
    for axis, result_axis in covered.items():
        place[axis] = place[axis] + along(np.arange(sizes[axis]), [result_axis])
    return place, inside
