"""What in a jump process depends on a parameter, read off its traced program: which rates; no jump, and no comparison."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.carry import typed
from jaxq.engine.integrands import integrands
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.parameter import moves, moving_leaves
from jaxq.engine.process import Process
from jaxq.engine.state_layout import essential

JUMPY = frozenset(
    ("lt", "le", "gt", "ge", "eq", "ne", "floor", "ceil", "round", "sign", "argmax", "argmin", "sort", "max", "min")
    + ("reduce_max", "reduce_min", "abs", "clamp", "rem", "while", "scan", "cond")
)
"""Operations that have no derivative somewhere."""


class Moving(NamedTuple):
    """What parameters move of a jump process: the places of its ``leaves``; by parameter the ``rates``, of all its
    ``transitions``, of which the ``varying`` ones depend on the state. ``essential``: by leaf of the state, whether the
    process depends on it."""

    leaves: tuple[int, ...]
    rates: tuple[tuple[int, ...], ...]
    transitions: int
    varying: tuple[int, ...]
    essential: tuple[bool, ...]


def moving_rates(process: Process, slopes: Sequence[list], name: str) -> Moving:
    """What parameters with these `jaxq.engine.parameter.tangents` move of a process that is stepped by its rates; ``name``:
    what is asked, for the sentences.

    Raises:
        FieldError: it is no jump process; it drifts; a jump depends on a parameter, or the rates compare it.
    """
    if not isinstance(process, MarkovProcess):
        raise FieldError("method", name, "has steps of its own here, not only rates and jumps")
    if process.drifts:
        raise FieldError("method", name, "drifts between its jumps")
    leaves = moving_leaves(slopes)
    sources, varying, own = dependence(process, leaves, name)
    rates = tuple(
        tuple(k for k, read in enumerate(sources) if any(moves(slope[leaves[i]]) for i in read)) for slope in slopes
    )
    return Moving(leaves, rates, len(sources), varying, own)


def dependence(
    process: MarkovProcess, moving: tuple[int, ...], name: str
) -> tuple[list[frozenset], tuple[int, ...], tuple[bool, ...]]:
    """(by rate, the ``moving`` leaves that it may depend on; the rates that may depend on the state; which parts of it the
    process depends on). FieldError where a jump depends on such a leaf, or something compares it."""
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    traced = jax.tree.unflatten(structure, leaves)
    words = tuple(random.words_for(0, random.START, 0, process.scan.init_words))
    flat, shape = jax.tree.flatten(typed(traced.init(words)))
    own = essential(traced, shape, [np.asarray(x) for x in flat], None)

    def everything(moved, flat):
        filled, state = list(leaves), jax.tree.unflatten(shape, flat)
        for place, x in zip(moving, moved, strict=True):
            filled[place] = x
        here = jax.tree.unflatten(structure, filled)
        rates = here.rates(state)
        return (
            rates,
            integrands(here, state),
            [here.jump(jax.tree.unflatten(shape, flat), k) for k in range(len(rates))],
        )

    arrays = [jnp.asarray(x) for x in flat]
    graph, out = jax.make_jaxpr(everything, return_shape=True)([jnp.asarray(leaves[i]) for i in moving], arrays)
    given = [frozenset([i]) if i < len(moving) else frozenset() for i in range(len(graph.jaxpr.invars))]
    jumpy: set[str] = set()
    reads = _reads(graph.jaxpr, given, jumpy)
    count = len(out[0])
    if jumpy:
        rule = f"compares or rounds what the parameter moves ({', '.join(sorted(jumpy))}), so that its derivative is blind "
        raise FieldError("method", name, rule + "there unless the order that it decides is fixed")
    if any(reads[len(reads) - len(jax.tree.leaves(out[2])) :]):
        raise FieldError("method", name, "has a jump that depends on the parameter")
    state = [frozenset([i]) if i >= len(moving) else frozenset() for i in range(len(given))]
    varying = tuple(k for k, read in enumerate(_reads(graph.jaxpr, state, set())[:count]) if read)
    return reads[:count], varying, own


def _reads(jaxpr, given: Sequence[frozenset], jumpy: set[str]) -> list[frozenset]:
    """What each output may depend on; ``jumpy`` gets the operations without a derivative that something of it goes into."""
    known: dict[Any, frozenset] = dict(zip(jaxpr.invars, given, strict=True))

    def read(x: Any) -> frozenset:
        return frozenset() if isinstance(x, Literal) else known.get(x, frozenset())

    for equation in jaxpr.eqns:
        inputs = [read(x) for x in equation.invars]
        every, operation = frozenset().union(*inputs), equation.primitive.name
        if operation in ("jit", "pjit"):
            known.update(zip(equation.outvars, _reads(equation.params["jaxpr"].jaxpr, inputs, jumpy), strict=True))
            continue
        whole = operation == "convert_element_type" and np.dtype(equation.params["new_dtype"]).kind in "iub"
        if every and (operation in JUMPY or whole):
            jumpy.add(operation)
        known.update(dict.fromkeys(equation.outvars, every))
    return [read(x) for x in jaxpr.outvars]
