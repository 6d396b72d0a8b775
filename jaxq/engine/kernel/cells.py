"""Values of a kernel: a scalar is a register a lane, a small array a NumPy array of scalars.

What is done to the places of a small array (slices, transposes) is done while the kernel is traced and costs nothing when it
runs. A scalar has shape (), the same in all lanes, or (width,).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

SMALL = 16
"""Entries of an array that is kept in registers, at most; larger ones stay in memory (`jaxq.engine.kernel.memory`)."""


class NotLifted(Exception):
    """The program of a process has something that the kernel cannot do; the message says what."""


def cells(shape: Sequence[int], at: Callable[..., Any]) -> np.ndarray:
    """The small array with the scalar ``at(*place)`` at each place."""
    out = np.empty(tuple(shape), object)
    for place in np.ndindex(*out.shape):
        out[place] = at(*place)
    return out


def as_scalar(x, aval):
    """A scalar with the dtype of its aval."""
    return x if getattr(x, "dtype", None) == aval.dtype else jnp.asarray(x, aval.dtype)


def bind(primitive, params: dict, values: Sequence, avals: Sequence):
    """An elementwise primitive on scalars."""
    values = [as_scalar(x, aval) for x, aval in zip(values, avals, strict=True)]
    if primitive.name == "convert_element_type" and params["new_dtype"] == jnp.bool_:
        return values[0] != jnp.zeros((), avals[0].dtype)  # Triton converts nothing to bool
    shape = np.broadcast_shapes(*map(jnp.shape, values))
    values = [x if jnp.shape(x) == shape else jnp.broadcast_to(x, shape) for x in values]
    return primitive.bind(*values, **params)


def pick(array: np.ndarray, index: Sequence):
    """The entry of a small array at an index that differs from lane to lane; beyond an edge the entry at the edge."""
    if not index:
        return array[()]
    rows = [pick(row, index[1:]) if array.ndim > 1 else row for row in array]
    if isinstance(index[0], int):
        return rows[min(max(index[0], 0), len(rows) - 1)]
    return functools.reduce(lambda chosen, i: jnp.where(index[0] >= i, rows[i], chosen), range(1, len(rows)), rows[0])
