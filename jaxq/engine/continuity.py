"""What in one step of a process moves continuously with its parameters, read off its traced program: then the derivative of
a path is the path of the derivative (infinitesimal perturbation analysis)."""

import enum
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxq import random
from jaxq.engine.carry import typed
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.process import Process


class Motion(enum.IntEnum):
    """How something moves with a parameter: not at all; continuously, with a derivative almost everywhere; or in jumps."""

    STILL = 0
    CONTINUOUS = 1
    JUMPS = 2


CONTINUOUS = frozenset(
    ("add", "add_any", "sub", "mul", "div", "neg", "abs", "max", "min", "exp", "exp2", "expm1", "log", "log1p", "sqrt")
    + ("square", "pow", "integer_pow", "rsqrt", "cbrt", "sin", "cos", "tanh", "logistic", "erf", "erfc", "erf_inv")
    + ("clamp", "reduce_sum", "reduce_max", "reduce_min", "cumsum", "cummax", "cummin", "dot_general")
    + ("broadcast_in_dim", "reshape", "squeeze", "concatenate", "slice", "transpose", "pad", "rev", "copy")
    + ("optimization_barrier", "polynomial", "reshard")
)
"""Operations that are continuous in all their operands."""
PLACES = {"select_n": [0], "gather": [1], "dynamic_slice": slice(1, None), "dynamic_update_slice": slice(2, None)} | {
    "scatter": [1],
    "scatter-add": [1],
}
"""Operations that are so where these operands, which say what is taken from where, are still."""


def motions(process: Process, moving: tuple[int, ...]) -> tuple[Motion, dict[str, Motion]]:
    """(of the weight of an event, of what is summed by name) as the ``moving`` leaves of a prepared process move."""
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    begin = tuple(random.words_for(0, random.START, 0, process.scan.init_words))
    flat, shape = jax.tree.flatten(typed(jax.tree.unflatten(structure, leaves).init(begin)))

    def step(moved, flat, words):
        filled, state = list(leaves), jax.tree.unflatten(shape, flat)
        for place, x in zip(moving, moved, strict=True):
            filled[place] = x
        here = jax.tree.unflatten(structure, filled)
        event, weight = here.next_event(state, tuple(words))
        sums = {**here.observe(state), **here.tally(state, event), **here.counters(state)}
        return jax.tree.leaves(here.update(state, event)), weight, sums

    words = [np.uint32(0)] * process.words
    given = [jnp.asarray(leaves[i]) for i in moving], [jnp.asarray(x) for x in flat], words
    graph, shapes = jax.make_jaxpr(step, return_shape=True)(*given)
    states = [Motion.STILL] * len(flat)
    while True:  # what the state takes over from one event to the next
        moves = [*[Motion.CONTINUOUS] * len(moving), *states, *[Motion.STILL] * len(words)]
        found = _motions(graph.jaxpr, moves)
        after = [max(old, new) for old, new in zip(states, found, strict=False)]
        if after == states:
            break
        states = after
    _, weight, sums = jax.tree.unflatten(jax.tree.structure(shapes), found)
    return (Motion.STILL if weight is None else weight), sums


def _motions(jaxpr, given: Sequence[Motion]) -> list[Motion]:
    known: dict[Any, Motion] = dict(zip(jaxpr.invars, given, strict=True))

    def read(x: Any) -> Motion:
        return Motion.STILL if isinstance(x, Literal) else known.get(x, Motion.STILL)

    for equation in jaxpr.eqns:
        inputs = [read(x) for x in equation.invars]
        if equation.primitive.name in ("jit", "pjit"):
            found = _motions(equation.params["jaxpr"].jaxpr, inputs)
        else:
            most = max(inputs, default=Motion.STILL)
            kept = most if most != Motion.CONTINUOUS or _continuous(equation, inputs) else Motion.JUMPS
            found = [kept] * len(equation.outvars)
        known.update(zip(equation.outvars, found, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _continuous(equation, inputs: Sequence[Motion]) -> bool:
    """Whether an operation is continuous in those of its operands that move."""
    name = equation.primitive.name
    if name == "convert_element_type":
        return np.dtype(equation.params["new_dtype"]).kind == "f"
    if name == "sort":
        return len(equation.invars) == 1
    if name in PLACES:
        at = PLACES[name]
        return not any(inputs[at] if isinstance(at, slice) else [inputs[i] for i in at])
    return name in CONTINUOUS
