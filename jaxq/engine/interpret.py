"""A traced function evaluated by NumPy, operation by operation: for a few hundred states nothing is worth compiling.

What the tables below do not know is evaluated by JAX itself, one operation at a time.
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


UFUNCS: dict[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "square": np.square,
}
OPERATIONS: dict[str, Callable] = {
    "convert_element_type": lambda x, *, new_dtype, **_: np.asarray(x).astype(new_dtype),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *, new_sizes, **_: np.reshape(x, new_sizes),
    "squeeze": lambda x, *, dimensions, **_: np.squeeze(x, dimensions),
    "transpose": lambda x, *, permutation, **_: np.transpose(x, permutation),
    "slice": _slice,
    "concatenate": lambda *x, dimension, **_: np.concatenate(x, dimension),
    "stack": lambda *x, axis, **_: np.stack(x, axis),
    "reduce_sum": lambda x, *, axes, **_: np.sum(x, axes, dtype=x.dtype),
    "integer_pow": lambda x, *, y: x**y,
}
PRODUCTS = "mul", "square", "integer_pow"
"""Operations by which whole numbers soon pass 32 bits."""


class Interpreted:
    """``function``, traced once for arguments of the shapes of ``example``; called with NumPy arrays.

    ``multiplies``: whether it makes a product of whole numbers."""

    def __init__(self, function: Callable, *example):
        self._closed, shape = jax.make_jaxpr(function, return_shape=True)(*example)
        self._structure = jax.tree.structure(shape)
        self.operations = len(self._closed.jaxpr.eqns)
        self.multiplies = _multiplies(self._closed.jaxpr)

    def __call__(self, *args) -> Any:
        return self._evaluated(args, _as_it_is)

    def wide(self, *args) -> Any:
        """The same with whole numbers of 64 bits in place of 32, so that none wraps."""
        return self._evaluated(args, _wide)

    def _evaluated(self, args, width: Callable) -> Any:
        # as in the compiled loop, whole numbers wrap and a division by 0 is no event
        with np.errstate(all="ignore"):
            found = _evaluate(self._closed, [np.asarray(x) for x in jax.tree.leaves(args)], width)
        return jax.tree.unflatten(self._structure, found)


def _as_it_is(x):
    return x


def _wide(x):
    return x.astype(np.int64) if x.dtype == np.int32 else x


def _multiplies(jaxpr) -> bool:
    return any(
        _multiplies(equation.params["jaxpr"].jaxpr)
        if equation.primitive.name in ("jit", "pjit")
        else equation.primitive.name in PRODUCTS and equation.outvars[0].aval.dtype == np.int32
        for equation in jaxpr.eqns
    )


def _evaluate(closed: ClosedJaxpr, args: list, width: Callable) -> list:
    """``width``: what becomes of every argument, constant and result."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(width, map(np.asarray, closed.consts)), strict=True))
    values |= dict(zip(jaxpr.invars, map(width, args), strict=True))

    def read(x: Any):
        if not isinstance(x, Literal):
            return values[x]
        kind: Any = x.aval
        return width(np.asarray(x.val, kind.dtype))

    for equation in jaxpr.eqns:
        given, name = [read(x) for x in equation.invars], equation.primitive.name
        if name in ("jit", "pjit"):
            found = _evaluate(equation.params["jaxpr"], given, width)
        elif name == "convert_element_type" and equation.params["new_dtype"] == np.int32 and given[0].dtype == np.int64:
            found = given
        elif name == "select_n" and len(given) == 3 and given[0].dtype == bool:
            found = [np.where(given[0], given[2], given[1])]
        elif name in UFUNCS:
            found = [UFUNCS[name](*given)]
        elif name in OPERATIONS:
            found = [OPERATIONS[name](*given, **equation.params)]
        elif name == "div" and given[0].dtype.kind == "f":
            found = [np.divide(*given)]
        else:
            found = _by_jax(jaxpr, equation, given)
        values.update(zip(equation.outvars, map(width, found), strict=True))
    return [read(x) for x in jaxpr.outvars]


def _by_jax(jaxpr, equation, given: list) -> list:
    variables = [(x, value) for x, value in zip(equation.invars, given, strict=True) if not isinstance(x, Literal)]
    named = {x: value.astype(x.aval.dtype, copy=False) for x, value in variables}
    alone = jaxpr.replace(constvars=[], invars=list(named), outvars=list(equation.outvars), eqns=[equation])
    return [np.asarray(x) for x in jaxpr_as_fun(ClosedJaxpr(alone, []))(*named.values())]
