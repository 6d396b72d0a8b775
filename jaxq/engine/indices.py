"""Whether what a function returns hangs on an index that lies beyond its array.

JAX answers a read beyond an array with another entry, and drops a write there, both without a word. So a user's step is
evaluated operation by operation, as it was traced, and beside each value goes whether it is *lost*: an access gave it that
lay beyond its array, or it was made of one that is lost. What `jnp.where` does not choose is not lost, nor what is
multiplied by 0 or ruled out by ``&`` and ``|``, nor an array to which 0 is added beyond its end: every jump is evaluated in
every state, and only the one that happens counts.

An index from -n to -1 counts from the end of n entries, as in NumPy; JAX has moved it before it is seen here. Meant, and so
not lost, are a read with a ``fill_value``, and ``mode="clip"`` of a write and of a read of several entries. Of a write with
``mode="drop"``, and of a read of one entry with ``mode="clip"``, the traced program shows nothing: both are as by default.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Literal
from jax.lax import GatherScatterMode

from jaxq.engine.interpret import by_jax, by_numpy
from jaxq.engine.kernel.evaluate import CALLS, ELEMENTWISE, fixed_and_carried, needed
from jaxq.engine.kernel.indexing import default_fill

SLICES = "dynamic_slice", "dynamic_update_slice"
REARRANGED = frozenset(("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "rev"))
"""Operations that move entries, of any type, and compute none."""
NOTHING = {"scatter-add": 0, "scatter_add": 0, "scatter-mul": 1, "scatter_mul": 1}
"""What a write may put beyond an array and change nothing."""
DECIDES = {"mul": 0, "and": 0, "or": -1}
"""What decides the result alone, whatever the other operand is."""
ANYWHERE = "an index lies beyond its array"
"""The words for an access inside a loop, of which no number is known."""
REFERENCES = "get", "swap", "addupdate"
"""Operations on an array that is changed in place (`jax.new_ref`)."""
BY_DESIGN = "nonzero"
"""A function of jax.numpy that drops writes of its own."""


def watched(function: Callable) -> Callable:
    """``function``, which also returns whether anything of what it returns is lost, a traced bool; None where all places at
    which it accesses an array are known beforehand, and in it."""

    def call(*args):
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        values, lost = _Evaluation()(closed, jax.tree.leaves(args), [None] * len(closed.jaxpr.invars))
        return jax.tree.unflatten(jax.tree.structure(shape), map(jnp.asarray, values)), _any(lost)

    return call


def changes_in_place(closed: ClosedJaxpr) -> bool:
    """Whether a traced function reads or writes an array of `jax.new_ref`, whose indices are not watched."""
    return _holds(closed, lambda name: name in REFERENCES)


def as_bool(lost: Any) -> jax.Array:
    """What `watched` tells, as a traced bool whatever it is."""
    return jnp.asarray(False if lost is None else lost)


def first_beyond(function: Callable, *args) -> str | None:
    """The access by which something that a function of NumPy arrays returns is lost, in words; None where nothing is."""
    closed, given = jax.make_jaxpr(function)(*args), [np.asarray(x) for x in jax.tree.leaves(args)]
    only, met = 0, [""]
    while only < len(met):
        evaluation = _Evaluation(only)
        lost = _any(evaluation(closed, given, [None] * len(given))[1])
        met = evaluation.met
        if lost is not None and lost:
            return met[only]
        only += 1
    return None


class _Evaluation:
    """Evaluates what was traced, and what is lost of it: by value None (nothing), a bool, or one for each entry.

    ``only``: where all is concrete, the number of the one access that counts; ``met``: by access, where it was beyond.
    """

    def __init__(self, only: int | None = None):
        self._only = only
        self.met: list[str] = []

    def __call__(self, closed: ClosedJaxpr, given: Sequence, lost: Sequence) -> tuple[list, list]:
        jaxpr = closed.jaxpr
        values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *given], strict=True))
        gone: dict[Any, Any] = dict(zip(jaxpr.invars, lost, strict=True))
        ones: dict[Any, Any] = {}  # arrays of one number: the number

        def read(x: Any):
            if not isinstance(x, Literal):
                return values[x]
            kind: Any = x.aval
            return np.asarray(x.val, kind.dtype)

        for equation in needed(jaxpr):
            atoms = equation.invars
            given, lost = [read(x) for x in atoms], [None if isinstance(x, Literal) else gone.get(x) for x in atoms]
            name = equation.primitive.name
            if name in CALLS:
                found, now = self._call(jaxpr, equation, given, lost)
            elif name in LOOPS and any(_holds(x, _is_access) for x in _jaxprs(equation)):
                found, now = LOOPS[name](self, equation.params, given, lost)
            else:
                found = self._values(jaxpr, equation, given)
                numbers = [x if isinstance(v, Literal) else ones.get(v, x) for v, x in zip(atoms, given, strict=True)]
                now = [self._lost(equation, given, numbers, lost)] * len(found)
            if name == "broadcast_in_dim" and not np.shape(given[0]):
                ones[equation.outvars[0]] = given[0]
            values.update(zip(equation.outvars, found, strict=True))
            gone.update(zip(equation.outvars, now, strict=True))
        outvars = jaxpr.outvars
        return [read(x) for x in outvars], [None if isinstance(x, Literal) else gone.get(x) for x in outvars]

    def _values(self, jaxpr, equation, given: list) -> list:
        """What an operation gives; of whole numbers that are known, at once."""
        concrete = all(isinstance(x, (np.ndarray, np.generic)) for x in given)
        whole = all(np.dtype(x.aval.dtype).kind in "iub" for x in equation.outvars) if concrete else False
        with np.errstate(all="ignore"):  # whole numbers wrap
            known = by_numpy(equation, given) if whole else None
        found = by_jax(jaxpr, equation, given) if known is None else known
        return [x if self._only is None or isinstance(x, Tracer) else np.asarray(x) for x in found]

    def _lost(self, equation, given: list, numbers: list, lost: list) -> Any:
        """What is lost of the results of an operation. ``numbers``: the operands, an array of one number as this."""
        name = equation.primitive.name
        if _is_access(name):
            return self._accessed(equation, given, lost)
        if all(x is None for x in lost):
            return None
        if name == "select_n":
            which, *cases = [numbers[0], *lost[1:]]
            whole = equation.outvars[0].aval.shape if np.shape(which) or any(map(np.shape, cases)) else ()
            parts = [jnp.broadcast_to(False if x is None else x, whole) for x in cases]
            return _either([lost[0], lax.select_n(jnp.asarray(which), *parts)])
        if name in DECIDES and len(given) == 2:
            open_ = [x != np.asarray(DECIDES[name]).astype(x.dtype) for x in numbers]
            return _either(
                [mine if mine is None else mine & _either([open_[1 - i], lost[1 - i]]) for i, mine in enumerate(lost)]
            )
        if name in ELEMENTWISE:
            return _either(lost)
        if name in REARRANGED and np.shape(lost[0]):
            return equation.primitive.bind(lost[0], **equation.params)
        return _any(lost)

    def _accessed(self, equation, given: list, lost: list) -> Any:
        """What is lost of the result of a read or a write."""
        name, params, array = equation.primitive.name, equation.params, equation.invars[0].aval.shape
        numbers = params.get("dimension_numbers")
        if name in SLICES:
            sizes = params["slice_sizes"] if name == "dynamic_slice" else equation.invars[1].aval.shape
            starts, axes = given[-len(array) :], range(len(array))
        else:
            axes = numbers.start_index_map if name == "gather" else numbers.scatter_dims_to_operand_dims
            sizes = params["slice_sizes"] if name == "gather" else _windows(equation)
            starts = list(np.moveaxis(given[1], -1, 0)) if isinstance(given[1], np.ndarray) else _columns(given[1])
        outside = None
        if not _meant(equation):
            outside = self._outside([(s, array[d] - sizes[d], array[d]) for s, d in zip(starts, axes, strict=True)])
        if name == "gather":
            found = _either([outside, lost[1].any(-1) if np.shape(lost[1]) else lost[1]])
            if np.shape(found):
                found = jnp.broadcast_to(jnp.expand_dims(found, numbers.offset_dims), equation.outvars[0].aval.shape)
            return _either([found, _any(lost[:1])])
        if outside is not None and name in NOTHING:
            changed = given[2] != np.asarray(NOTHING[name], given[2].dtype)
            outside = outside & changed.any(tuple(map(int, numbers.update_window_dims)))
        return _any([outside, *lost])

    def _outside(self, places: list[tuple]) -> Any:
        """Where one of the starts is not in 0, ..., last; ``places``: (start, last, entries) by axis."""
        wrong, words = [], ""
        for start, last, entries in places:
            at = start if start.dtype.itemsize >= 4 else start.astype(np.int32)
            outside = at > last if at.dtype.kind == "u" else (at < 0) | (at > last)
            if isinstance(outside, Tracer):
                wrong.append(outside)
            elif outside.any():
                first = int(np.ravel(at)[np.argmax(np.ravel(outside))])
                words = (
                    words or f"the index {first if first >= 0 else first - entries} lies beyond an array of {entries}"
                )
                wrong.append(outside)
        self.met.append(words or ANYWHERE)
        return _either(wrong) if self._only in (None, len(self.met) - 1) else None

    def _call(self, jaxpr, equation, given: list, lost: list) -> tuple[list, list]:
        (inner,) = _jaxprs(equation)
        found, now = self(inner, given, lost)
        # its rule for batches is its own
        return by_jax(jaxpr, equation, given) if equation.primitive.name == "custom_vmap_call" else found, now

    def _again(self, function: Callable) -> Callable:
        """A function that JAX may trace several times, its accesses numbered once."""
        first = len(self.met)

        @functools.wraps(function)
        def call(*args):
            del self.met[first:]
            return function(*args)

        return call

    def _scan(self, params: dict, given: list, lost: list) -> tuple[list, list]:
        closed, (constants, carried) = params["jaxpr"], fixed_and_carried(params, given)
        fixed, carry, columns = given[:constants], given[constants : constants + carried], given[constants + carried :]

        def turn(state, row):
            values, gone = state
            found, now = self._clean(closed, [*fixed, *values, *row])
            return (found[:carried], gone | now), found[carried:]

        begin = [jnp.asarray(x) for x in carry], jnp.bool_(False)
        how = {name: params[name] for name in ("length", "reverse", "unroll")}
        (carry, gone), rows = lax.scan(self._again(turn), begin, columns, **how)
        found = [*carry, *rows]
        return found, [_any([gone, *lost])] * len(found)

    def _while(self, params: dict, given: list, lost: list) -> tuple[list, list]:
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

        def goes_on(values):
            (going,), now = self._clean(params["cond_jaxpr"], [*given[:first], *values])
            return going, now

        def turn(state):
            values, _, gone = state
            values, now = self._clean(params["body_jaxpr"], [*given[first:second], *values])
            going, also = goes_on(values)
            return values, going, gone | now | also

        begin = [jnp.asarray(x) for x in given[second:]]
        before = begin, *goes_on(begin)
        found, _, gone = lax.while_loop(lambda state: state[1], self._again(turn), before)
        return found, [_any([gone, *lost])] * len(found)

    def _cond(self, params: dict, given: list, lost: list) -> tuple[list, list]:
        def branch(closed: ClosedJaxpr) -> Callable:
            def call(values, gone):
                found, now = self(closed, values, gone)
                return [jnp.asarray(x) for x in found], as_bool(_any(now))

            return self._again(call)

        which, *values = given
        gone = [None if x is None else _any([x]) for x in lost[1:]]
        found, now = lax.switch(jnp.asarray(which), [branch(x) for x in params["branches"]], values, gone)
        return found, [_any([now, lost[0]])] * len(found)

    def _clean(self, closed: ClosedJaxpr, given: list) -> tuple[list, Any]:
        """(what it gives, whether anything of it is lost) where nothing that it is given is."""
        found, now = self(closed, given, [None] * len(given))
        return [jnp.asarray(x) for x in found], as_bool(_any(now))


LOOPS: dict[str, Callable] = {
    "scan": _Evaluation._scan,
    "while": _Evaluation._while,
    "cond": _Evaluation._cond,
}


def _jaxprs(equation) -> list[ClosedJaxpr]:
    """What an operation calls."""
    params = equation.params
    if equation.primitive.name == "cond":
        return list(params["branches"])
    names = [x for x in ("jaxpr", "call_jaxpr", "call", "cond_jaxpr", "body_jaxpr") if x in params]
    return [x if hasattr(x, "consts") else ClosedJaxpr(x, ()) for x in map(params.get, names)]


def _holds(closed: ClosedJaxpr, wanted: Callable[[str], bool]) -> bool:
    """Whether there is an operation with a name that is wanted in what was traced."""
    found = ((equation.primitive.name, _jaxprs(equation)) for equation in closed.jaxpr.eqns)
    return any(wanted(name) or any(_holds(x, wanted) for x in inner) for name, inner in found)


def _is_access(name: str) -> bool:
    return name in ("gather", *SLICES) or name.startswith("scatter")


def _windows(equation) -> list[int]:
    """How many entries by axis of its array a write covers."""
    numbers, update = equation.params["dimension_numbers"], equation.invars[2].aval.shape
    apart = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    covered = iter(numbers.update_window_dims)
    return [1 if d in apart else update[next(covered)] for d in range(len(equation.invars[0].aval.shape))]


def _meant(equation) -> bool:
    """Whether an access says what it does beyond its array."""
    params = equation.params
    mode, numbers, traceback = params.get("mode"), params.get("dimension_numbers"), equation.source_info.traceback
    if equation.primitive.name == "gather" and mode == GatherScatterMode.FILL_OR_DROP:
        fill, default = params["fill_value"], default_fill(equation.outvars[0].aval.dtype)
        return fill is not None and not np.array_equal(fill, default, equal_nan=isinstance(default, float))
    if mode == GatherScatterMode.CLIP:  # of many replicas, that of one entry is one too, and drops no axis
        return bool(getattr(numbers, "collapsed_slice_dims", ()) or getattr(numbers, "inserted_window_dims", ()))
    return traceback is not None and any(frame.function_name == BY_DESIGN for frame in traceback.frames)


def _columns(indices) -> list:
    """The starts by axis, from what is told to a gather."""
    return [lax.index_in_dim(indices, k, -1, False) for k in range(indices.shape[-1])]


def _either(lost: Sequence) -> Any:
    """Entry by entry, whether any of these is lost."""
    return functools.reduce(lambda a, b: b if a is None else a if b is None else a | b, lost, None)


def _any(lost: Sequence) -> Any:
    """Whether anything is lost at all."""
    return _either([x.any() if np.shape(x) else x for x in lost if x is not None])
