"""The sums of a jump process as integrals over time, which is what its derivatives are taken of."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxq.engine.jump_process import MarkovProcess


def integrands(process: MarkovProcess, state) -> dict[str, Any]:
    """All sums of a process as integrals over time: ``o:`` what is observed, ``c:`` counters and ``t:`` tallies at the rate
    at which they are expected, ``e:`` events where these differ in length."""
    found: dict[str, Any] = {f"o:{name}": jnp.asarray(x) for name, x in process.observe(state).items()}
    rates, bound = floats(process.rates(state)), process.clock().bound
    before, idle = process.counters(state), process.tally(state, jnp.int32(0))
    if before:
        after = [process.counters(process.jump(state, k)) for k in range(len(rates))]
        for name, x in before.items():
            found[f"c:{name}"] = sum(r * as_float(a[name] - x) for r, a in zip(rates, after, strict=True))
    if idle:
        weights = (*rates, 0.0 if bound is None else bound - sum(rates))
        each = [process.tally(state, jnp.int32(k)) for k in range(len(weights))]
        for name in idle:
            found[f"t:{name}"] = sum(w * as_float(x[name]) for w, x in zip(weights, each, strict=True))
    return found if bound is not None else found | {"e:": sum(rates)}


def as_float(x: Any) -> Any:
    """An array of float32."""
    return jnp.asarray(x, jnp.float32)


def floats(values) -> list:
    """Each as an array of float32."""
    return [as_float(x) for x in values]


def along(function: Callable, process: MarkovProcess, moving: Sequence[int], tangents: Sequence) -> tuple[Any, list]:
    """(a function of a process, its derivatives by parameter), as the ``moving`` leaves of it move by the tangents of
    each."""
    leaves, structure = jax.tree.flatten(process)

    def of(moved):
        filled = list(leaves)
        for place, x in zip(moving, moved, strict=True):
            filled[place] = x
        return function(jax.tree.unflatten(structure, filled))

    primal = floats([leaves[place] for place in moving])
    pushed = [
        jax.jvp(lambda x: jax.tree.map(as_float, of(x)), (primal,), (floats(tangent),))[1] for tangent in tangents
    ]
    return of(primal), pushed
