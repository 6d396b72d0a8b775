"""Whole numbers that 32 bits do not hold: what a process makes of its states in 32 bits, compared with 64."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.interpret import Interpreted
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.process import Process


def wrapped(process: Process, states: Any) -> tuple[str, int] | None:
    """What of a prepared process wraps in one of some states, an axis in front, and the number of that state; None if
    nothing does. It is ``observe: NAME`` or ``rates: transition K``."""
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    flat, shape = jax.tree.flatten(states)
    flat = [np.asarray(x) for x in flat]
    form = tuple((leaf.shape, leaf.dtype) for leaf in leaves), tuple((x.shape[1:], x.dtype) for x in flat)
    if not _seen(structure, shape, *form, 1).multiplies:
        return None
    seen = _seen(structure, shape, *form, len(flat[0]))
    narrow, wide = (jax.tree.leaves_with_path(look(leaves, flat)) for look in (seen, seen.wide))
    for (path, x), (_, y) in zip(narrow, wide, strict=True):
        other = np.flatnonzero((x != y) & ~(np.isnan(x) & np.isnan(y)))
        if other.size:
            method, name = (key.key if hasattr(key, "key") else f"transition {key.idx}" for key in path)
            return f"{method}: {name}", int(other[0])
    return None


@functools.lru_cache(maxsize=64)
def _seen(structure, shape, leaves: tuple, state: tuple, count: int) -> Interpreted:
    """Rates and observations of so many states."""

    def one(leaves, flat):
        process: Any = jax.tree.unflatten(structure, leaves)
        seen = {"observe": process.observe(jax.tree.unflatten(shape, flat))}
        if isinstance(process, MarkovProcess):
            seen["rates"] = tuple(process.rates(jax.tree.unflatten(shape, flat)))
        return jax.tree.map(jnp.asarray, seen)

    fields = [jax.ShapeDtypeStruct(*leaf) for leaf in leaves]
    states = [jax.ShapeDtypeStruct((count, *inner), dtype) for inner, dtype in state]
    return Interpreted(jax.vmap(one, in_axes=(None, 0)), fields, states)
