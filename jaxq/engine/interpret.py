"""A traced function evaluated by NumPy, operation by operation: for a few hundred states nothing is worth compiling.

What the table below does not know is evaluated by JAX itself, one operation at a time.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun


def _broadcast(x, *, shape, broadcast_dimensions, **_):
    kept = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, np.shape(x), strict=True):
        kept[axis] = size
    return np.broadcast_to(np.reshape(x, kept), shape)


def _slice(x, *, start_indices, limit_indices, strides, **_):
    strides = strides or (1,) * len(start_indices)
    return x[tuple(slice(*cut) for cut in zip(start_indices, limit_indices, strides, strict=True))]


OPERATIONS: dict[str, Callable] = {
    "add": lambda x, y, **_: np.add(x, y),
    "sub": lambda x, y, **_: np.subtract(x, y),
    "mul": lambda x, y, **_: np.multiply(x, y),
    "max": lambda x, y, **_: np.maximum(x, y),
    "min": lambda x, y, **_: np.minimum(x, y),
    "neg": lambda x, **_: np.negative(x),
    "eq": lambda x, y, **_: np.equal(x, y),
    "ne": lambda x, y, **_: np.not_equal(x, y),
    "lt": lambda x, y, **_: np.less(x, y),
    "le": lambda x, y, **_: np.less_equal(x, y),
    "gt": lambda x, y, **_: np.greater(x, y),
    "ge": lambda x, y, **_: np.greater_equal(x, y),
    "and": lambda x, y, **_: np.bitwise_and(x, y),
    "or": lambda x, y, **_: np.bitwise_or(x, y),
    "xor": lambda x, y, **_: np.bitwise_xor(x, y),
    "not": lambda x, **_: np.invert(x),
    "convert_element_type": lambda x, *, new_dtype, **_: np.asarray(x).astype(new_dtype),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *, new_sizes, **_: np.reshape(x, new_sizes),
    "squeeze": lambda x, *, dimensions, **_: np.squeeze(x, dimensions),
    "transpose": lambda x, *, permutation, **_: np.transpose(x, permutation),
    "slice": _slice,
    "concatenate": lambda *x, dimension, **_: np.concatenate(x, dimension),
    "stack": lambda *x, axis, **_: np.stack(x, axis),
    "reduce_sum": lambda x, *, axes, **_: np.sum(x, axes, dtype=x.dtype),
}


class Interpreted:
    """``function``, traced once for arguments of the shapes of ``example``; called with NumPy arrays."""

    def __init__(self, function: Callable, *example):
        self._closed, shape = jax.make_jaxpr(function, return_shape=True)(*example)
        self._structure = jax.tree.structure(shape)
        self.operations = len(self._closed.jaxpr.eqns)

    def __call__(self, *args) -> Any:
        # as in the compiled loop, whole numbers wrap and a division by 0 is no event
        with np.errstate(all="ignore"):
            found = _evaluate(self._closed, [np.asarray(x) for x in jax.tree.leaves(args)])
        return jax.tree.unflatten(self._structure, found)


def _evaluate(closed: ClosedJaxpr, args: list) -> list:
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, closed.consts), strict=True))
    values |= dict(zip(jaxpr.invars, args, strict=True))

    def read(x: Any):
        if not isinstance(x, Literal):
            return values[x]
        kind: Any = x.aval
        return np.asarray(x.val, kind.dtype)

    for equation in jaxpr.eqns:
        given, name = [read(x) for x in equation.invars], equation.primitive.name
        if name in ("jit", "pjit"):
            found = _evaluate(equation.params["jaxpr"], given)
        elif name == "select_n" and len(given) == 3 and given[0].dtype == bool:
            found = [np.where(given[0], given[2], given[1])]
        elif name in OPERATIONS:
            found = [OPERATIONS[name](*given, **equation.params)]
        elif name == "div" and given[0].dtype.kind == "f":
            found = [np.divide(*given)]
        else:
            found = _by_jax(jaxpr, equation, given)
        values.update(zip(equation.outvars, found, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _by_jax(jaxpr, equation, given: list) -> list:
    variables = [(x, value) for x, value in zip(equation.invars, given, strict=True) if not isinstance(x, Literal)]
    named = dict(variables)
    alone = jaxpr.replace(constvars=[], invars=list(named), outvars=list(equation.outvars), eqns=[equation])
    return [np.asarray(x) for x in jaxpr_as_fun(ClosedJaxpr(alone, []))(*named.values())]
