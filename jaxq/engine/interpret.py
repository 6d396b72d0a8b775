"""A traced function evaluated by NumPy, operation by operation: for a few hundred states nothing is worth compiling.

What the tables below do not know is evaluated by JAX itself, one operation at a time.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from jaxq.engine.kernel.evaluate import fixed_and_carried
from jaxq.engine.numpy_indexing import WRITES, gather, scatter


def _broadcast(x, *, shape, broadcast_dimensions, **_):
    kept = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, np.shape(x), strict=True):
        kept[axis] = size
    return np.broadcast_to(np.reshape(x, kept), shape)


def _slice(x, *, start_indices, limit_indices, strides, **_):
    strides = strides or (1,) * len(start_indices)
    return x[tuple(slice(*cut) for cut in zip(start_indices, limit_indices, strides, strict=True))]


def _start(x, starts, sizes) -> tuple[slice, ...]:
    at = [int(np.clip(start, 0, n - size)) for start, n, size in zip(starts, np.shape(x), sizes, strict=True)]
    return tuple(slice(first, first + size) for first, size in zip(at, sizes, strict=True))


def _dynamic_update_slice(x, update, *starts):
    x = np.array(x)
    x[_start(x, starts, update.shape)] = update
    return x


def _iota(*, dtype, shape, dimension, **_):
    along = [size if axis == dimension else 1 for axis, size in enumerate(shape)]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(along), shape)


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
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "is_finite": np.isfinite,
}
SHIFTS: dict[str, Callable] = {
    "shift_left": np.left_shift,
    "shift_right_arithmetic": np.right_shift,
    "shift_right_logical": lambda x, y: np.right_shift(*(z.view(f"u{z.itemsize}") for z in (x, y))).view(x.dtype),
    "bitcast_convert_type": lambda x, *, new_dtype: x.view(new_dtype),
}
"""Operations on the bits of a number, as many as it has."""
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
    "iota": _iota,
    "reduce_max": lambda x, *, axes, **_: np.max(x, axes),
    "reduce_min": lambda x, *, axes, **_: np.min(x, axes),
    "reduce_and": lambda x, *, axes, **_: np.all(x, axes),
    "reduce_or": lambda x, *, axes, **_: np.any(x, axes),
    "argmax": lambda x, *, axes, index_dtype, **_: np.argmax(x, axes[0]).astype(index_dtype),
    "argmin": lambda x, *, axes, index_dtype, **_: np.argmin(x, axes[0]).astype(index_dtype),
    "rev": lambda x, *, dimensions: np.flip(x, dimensions),
    "clamp": lambda low, x, high: np.clip(x, low, high),
    "copy": lambda x: x,
    "gather": gather,
    "dynamic_slice": lambda x, *starts, slice_sizes, **_: x[_start(x, starts, slice_sizes)],
    "dynamic_update_slice": _dynamic_update_slice,
    "integer_pow": lambda x, *, y: x**y,
    "platform_index": lambda *, platforms: np.int32(
        next(i for i, x in enumerate(platforms) if x is None or "cpu" in x)
    ),
}
LONGEST = 64
"""Turns of a loop; a longer one is worth compiling."""
PRODUCTS = "mul", "square", "integer_pow"
"""Operations by which whole numbers soon pass 32 bits."""


class Interpreted:
    """``function``, traced once for arguments of the shapes of ``example``; called with NumPy arrays.

    ``shape``: of what it gives; ``multiplies``: whether it makes a product of whole numbers; ``operations``: how many it
    has, and ``work`` with those inside functions and loops."""

    def __init__(self, function: Callable, *example):
        self._closed, shape = jax.make_jaxpr(function, return_shape=True)(*example)
        self.shape = shape
        self._structure = jax.tree.structure(shape)
        self.operations = len(self._closed.jaxpr.eqns)
        self.multiplies = _multiplies(self._closed.jaxpr)
        self.work = _work(self._closed.jaxpr)

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


def _work(jaxpr) -> int:
    loops = [(e.params.get("length", 1), e.params["jaxpr"].jaxpr) for e in jaxpr.eqns if "jaxpr" in e.params]
    choices = [e.params["branches"] for e in jaxpr.eqns if "branches" in e.params]
    work = len(jaxpr.eqns) + sum(turns * _work(body) for turns, body in loops)
    return work + sum(max(_work(branch.jaxpr) for branch in branches) for branches in choices)


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
        elif name == "cond" and not np.ndim(given[0]):
            branches = equation.params["branches"]
            found = _evaluate(branches[np.clip(given[0], 0, len(branches) - 1)], given[1:], width)
        elif name == "scan" and 0 < equation.params["length"] <= LONGEST:
            found = _scanned(equation, given, width)
        elif name == "convert_element_type" and equation.params["new_dtype"] == np.int32 and given[0].dtype == np.int64:
            found = given
        else:
            known = by_numpy(equation, given)
            found = [np.asarray(x) for x in by_jax(jaxpr, equation, given)] if known is None else known
        values.update(zip(equation.outvars, map(width, found), strict=True))
    return [read(x) for x in jaxpr.outvars]


def _scanned(equation, given: list, width: Callable) -> list:
    """What a scan gives, turn by turn."""
    params = equation.params
    constants, carried = fixed_and_carried(params, given)
    fixed, carry, columns = given[:constants], given[constants : constants + carried], given[constants + carried :]
    rows: list[list] = []
    for i in range(params["length"])[:: -1 if params["reverse"] else 1]:
        found = _evaluate(params["jaxpr"], [*fixed, *carry, *(x[i] for x in columns)], width)
        carry = found[:carried]
        rows.append(found[carried:])
    return [*carry, *map(np.stack, zip(*rows[:: -1 if params["reverse"] else 1], strict=True))]


def by_numpy(equation, given: list) -> list | None:
    """What an operation gives of NumPy arrays; None where the tables do not know it."""
    name = equation.primitive.name
    if name == "select_n" and len(given) == 3 and given[0].dtype == bool:
        return [np.where(given[0], given[2], given[1])]
    if name in UFUNCS:
        return [UFUNCS[name](*given)]
    if name in SHIFTS:
        bits = [np.asarray(x, v.aval.dtype) for x, v in zip(given, equation.invars, strict=True)]
        return [SHIFTS[name](*bits, **equation.params)]
    if name == "scatter" or name in WRITES:
        return [scatter(name, *given, **equation.params)]
    if name in OPERATIONS:
        return [OPERATIONS[name](*given, **equation.params)]
    if name == "div" and given[0].dtype.kind == "f":
        return [np.divide(*given)]
    if name in ("div", "rem") and np.all(given[1]):
        left = np.fmod(*given)
        return [left if name == "rem" else (given[0] - left) // given[1]]
    return None


def by_jax(jaxpr, equation, given: list) -> list:
    """What one operation of a jaxpr gives, by JAX; of tracers too."""
    variables = [(x, value) for x, value in zip(equation.invars, given, strict=True) if not isinstance(x, Literal)]
    named = {x: value if value.dtype == x.aval.dtype else value.astype(x.aval.dtype) for x, value in variables}
    alone = jaxpr.replace(constvars=[], invars=list(named), outvars=list(equation.outvars), eqns=[equation])
    return jaxpr_as_fun(ClosedJaxpr(alone, []))(*named.values())
