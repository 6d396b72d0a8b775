"""Evaluate the program of one replica over a tile of replicas, a lane each.

What is traced once with scalars (a jaxpr) is run with every scalar a register a lane, so the kernel does the same operations
in the same order as the scan over a batch does. What there is no rule for is refused by name (`NotLifted`), and the scan
runs.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxq.engine.kernel import indexing
from jaxq.engine.kernel.cells import SMALL, NotLifted, as_scalar, bind, cells
from jaxq.engine.kernel.memory import Image, Memory
from jaxq.engine.kernel.rules import LONGEST, RULES, registers
from jaxq.engine.kernel.spilling import LEVELS, Spilled, Tile, last_use, spillable

CALLS = ("jit", "pjit", "closed_call", "core_call", "remat", "checkpoint") + (
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vmap_call",
)
_NAMES = (
    "abs add add_any and bitcast_convert_type ceil clamp clz convert_element_type copy cos div eq erf erf_inv erfc exp exp2 "
    "expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or "
    "population_count pow rem round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sqrt "
    "square stop_gradient sub tan tanh xor"
)
ELEMENTWISE = frozenset(_NAMES.split())
REDUCTIONS = {
    "reduce_sum": jnp.add,
    "reduce_prod": jnp.multiply,
    "reduce_max": jnp.maximum,
    "reduce_min": jnp.minimum,
    "reduce_or": jnp.logical_or,
    "reduce_and": jnp.logical_and,
}


def evaluate(jaxpr: Jaxpr, consts: Sequence, args: Sequence, tile: Tile, in_place: Sequence = ()) -> list:
    """The results of a jaxpr: scalars, small arrays and `Memory`, as its arguments are. ``in_place``: pairs of an argument
    that is `Spilled` and the result that is written over it."""
    known: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    equations = needed(jaxpr)
    due = [(last_use(equations, old, new), old, new) for old, new in in_place]

    def read(atom):
        return atom.val if isinstance(atom, Literal) else known[atom]

    for k, eqn in enumerate(equations):
        values = [read(atom) for atom in eqn.invars]
        known.update(zip(eqn.outvars, _apply(eqn, values, tile), strict=True))
        for _, old, new in (x for x in due if x[0] == k):
            known[new] = known[old].write(known[new])
    return [read(atom) for atom in jaxpr.outvars]


def evaluate_closed(closed: ClosedJaxpr, args: Sequence, tile: Tile, in_place: Sequence = ()) -> list:
    """The results of a jaxpr with the constants that it holds."""
    return evaluate(closed.jaxpr, [_constant(x) for x in closed.consts], args, tile, in_place)


def _constant(x):
    x = np.asarray(x)
    if x.size > SMALL:
        raise NotLifted(f"a constant of shape {x.shape} inside a loop")
    return cells(x.shape, lambda *place: x[place]) if x.shape else x[()]


def needed(jaxpr: Jaxpr) -> list:
    """The equations that the results depend on, and those that do something else."""
    used, found = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}, []
    for eqn in reversed(jaxpr.eqns):
        if used & set(eqn.outvars) or eqn.effects:
            found.append(eqn)
            used |= {atom for atom in eqn.invars if not isinstance(atom, Literal)}
    return found[::-1]


def _apply(eqn, values: list, tile: Tile) -> Sequence:
    name, params = eqn.primitive.name, eqn.params
    avals, out = [atom.aval for atom in eqn.invars], eqn.outvars[0].aval
    if name in CALLS:
        inner = called(params)
        return evaluate_closed(inner, values, tile) if hasattr(inner, "consts") else evaluate(inner, (), values, tile)
    if name == "scan":
        return _scan(params, values, avals, tile)
    if name in ELEMENTWISE:
        return [_elementwise(eqn.primitive, params, values, avals, out)]
    if name in REDUCTIONS:
        return [_reduced(REDUCTIONS[name], values[0], avals[0], params["axes"], out, tile.width)]
    if name in RULES:
        return RULES[name](values, avals, out, params)
    if name in indexing.WRITES:
        array, indices, updates = values
        return [indexing.scatter(name, array, registers(indices), registers(updates), avals[0], params)]
    raise NotLifted(f"no rule for {name}")


def called(params: dict):
    """The jaxpr of a call."""
    return next(params[key] for key in ("jaxpr", "call_jaxpr", "call") if key in params)


def _elementwise(primitive, params: dict, values: list, avals: list, out):
    scalars = [aval.update(shape=()) for aval in avals]

    def entry(at: Callable):
        parts = [at(x) if aval.shape else x for x, aval in zip(values, avals, strict=True)]
        return bind(primitive, params, parts, scalars)

    if any(isinstance(x, Image) for x in values):
        if not any(isinstance(x, np.ndarray) and x.shape for x in values):
            return Image(out.size, lambda index: entry(lambda x: x.at(index)))
        values = [_entries(x, out.shape, primitive.name) if isinstance(x, Image) else x for x in values]
    return cells(out.shape, lambda *place: entry(lambda x: x[place])) if out.shape else entry(lambda x: x)


def _entries(x: Image, shape: tuple, name: str) -> np.ndarray:
    """All entries of a large array, beside an array of registers."""
    if len(shape) != 1 or x.size > LONGEST:
        raise NotLifted(f"{name} of a large array and a small one")
    return cells(shape, lambda i: x.at(jnp.int32(i)))


def _reduced(combine: Callable, x, aval, axes: tuple, out, width: int):
    if isinstance(x, Image):
        return x.reduce(combine, lambda total: _spread(total, out, width))
    moved = np.moveaxis(x, axes, range(len(axes))).reshape(-1, *out.shape)

    def entry(*place):
        return functools.reduce(combine, [as_scalar(moved[(i, *place)], out) for i in range(len(moved))])

    return cells(out.shape, entry) if out.shape else entry()


def _spread(x, aval, width: int):
    return jnp.broadcast_to(as_scalar(x, aval), (width,))


def loop(count, turn: Callable[[Any, list], list], carry: list, avals: Sequence, width: int) -> list:
    """``carry`` after ``turn(number, carry)`` was done ``count`` times; ``avals``: what one replica carries."""
    stored = [x if isinstance(x, (Memory, Spilled)) else None for x in carry]
    if any(isinstance(x, Image) and not isinstance(x, Memory) for x in carry):
        raise NotLifted("an array that is computed is carried on")

    def packed(values: list) -> list:
        found = []
        for x, before, aval in zip(values, stored, avals, strict=True):
            if before is not None:
                if not isinstance(x, (Memory, Spilled)) or x.buffer is not before.buffer:
                    raise NotLifted("an array is changed as a whole")
                x.again()
            elif isinstance(x, Image):
                raise NotLifted("an array that is computed is carried on")
            else:
                scalar = aval.update(shape=())
                found.append([_spread(y, scalar, width) for y in (np.ravel(x) if aval.shape else [x])])
        return found

    def unpacked(found: list) -> list:
        rest = iter(found)
        values = []
        for before, aval in zip(stored, avals, strict=True):
            if before is not None:
                values.append(before.newest())
                continue
            entries = next(rest)
            values.append(_from_list(entries, aval.shape) if aval.shape else entries[0])
        return values

    done = lax.fori_loop(0, count, lambda i, found: packed(turn(i, unpacked(found))), packed(carry))
    return unpacked(done)


def _from_list(entries: list, shape: tuple) -> np.ndarray:
    return cells((len(entries),), lambda i: entries[i]).reshape(shape)


def _scan(params: dict, values: list, avals: list, tile: Tile) -> list:
    closed, length = params["jaxpr"], params["length"]
    constants, carried = fixed_and_carried(params, values)
    fixed, carry, columns = values[:constants], values[constants : constants + carried], values[constants + carried :]
    shared = [x for x in fixed if isinstance(x, Memory)]
    in_place = []

    def turn(_, carry: list, *row) -> list:
        found = evaluate_closed(closed, [*fixed, *carry, *row], tile.inside(), in_place)
        for array in shared:
            array.again()  # the next turn reads it as it was
        return found

    if columns or len(closed.jaxpr.outvars) > carried:
        return _written_out(turn, carry, columns, params, [atom.aval for atom in closed.jaxpr.outvars[carried:]])
    aside = [x.buffer for x in shared]
    if any(isinstance(x, Memory) and x.buffer in aside for x in carry):
        raise NotLifted("an array is read beside a loop that may write it")
    together = length if params["unroll"] is True else max(int(params["unroll"]), 1)
    if length % together:
        together = 1

    def turns(i, carry: list) -> list:
        for _ in range(together):
            carry = turn(i, carry)
        return carry

    if length == together:
        return turns(0, carry)
    if tile.scratch is not None and tile.levels > 0:
        for i, (before, after) in _spillable(params, values).items():
            carry[i] = tile.scratch.put(carry[i], before.aval.dtype)
            in_place.append((before, after))
    return loop(length // together, turns, carry, avals[constants : constants + carried], tile.width)


def _spillable(params: dict, values: list) -> dict:
    body = params["jaxpr"].jaxpr
    constants, _ = fixed_and_carried(params, values)
    return spillable(needed(body), body.invars[constants:], body.outvars)


def words_aside(jaxpr: Jaxpr, levels: int = LEVELS) -> int:
    """Scalars that the loops of a jaxpr, nested so deep, carry past the loops inside them."""
    found = 0
    for eqn in needed(jaxpr) if levels else ():
        if eqn.primitive.name in CALLS:
            inner = called(eqn.params)
            found += words_aside(getattr(inner, "jaxpr", inner), levels)
        if eqn.primitive.name == "scan":
            body = eqn.params["jaxpr"].jaxpr
            found += len(_spillable(eqn.params, eqn.invars)) + words_aside(body, levels - 1)
    return found


def fixed_and_carried(params: dict, values: list) -> tuple[int, int]:
    """How many arguments of a scan are the same in every turn, and how many are carried on."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    fixed, carried, _ = params["ft_in"].update(values).unpack()  # from JAX 0.12 on
    return len(list(fixed)), len(list(carried))


def _written_out(turn: Callable, carry: list, columns: list, params: dict, rows: list) -> list:
    """A loop over the entries of small arrays."""
    length = params["length"]
    if length > LONGEST or any(isinstance(x, Image) for x in columns):
        raise NotLifted("a loop over the entries of a large array")
    order = range(length)[:: -1 if params["reverse"] else 1]
    seen: dict[int, list] = {}
    for i in order:
        found = turn(i, carry, *[x[i] for x in columns])
        carry, seen[i] = found[: len(carry)], found[len(carry) :]
    stacked = [
        cells((length, *aval.shape), lambda i, *place, k=k, aval=aval: seen[i][k][place] if aval.shape else seen[i][k])
        for k, aval in enumerate(rows)
    ]
    return [*carry, *stacked]
