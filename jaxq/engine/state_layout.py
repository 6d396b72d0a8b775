"""How a state becomes a row of whole numbers, and which of its components that takes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array, Int

from jaxq.engine.jump_process import MarkovProcess


class StateLayout(NamedTuple):
    """How a state becomes a row of int64 columns: its structure, leaves, and which leaves are enumerated."""

    structure: Any
    shapes: tuple
    dtypes: tuple
    enumerated: tuple[bool, ...]

    @property
    def columns(self) -> int:
        """Columns of a row; at least one, constant where the state has none."""
        sizes = [int(np.prod(shape)) for shape, mine in zip(self.shapes, self.enumerated, strict=True) if mine]
        return max(1, sum(sizes))

    def encode(self, state) -> Int[Array, " columns"]:
        """The row of one state, shape (columns,), traced or not."""
        leaves = jax.tree.leaves(state)
        parts = [
            jnp.asarray(leaf, dtype).astype(jnp.int64).ravel()
            for leaf, dtype, mine in zip(leaves, self.dtypes, self.enumerated, strict=True)
            if mine
        ]
        return jnp.concatenate(parts) if parts else jnp.zeros(1, jnp.int64)

    def decode(self, rows, fixed, xp):
        """The states of rows (any leading axes); leaves that are not enumerated take their value from ``fixed``."""
        leaves, first = [], 0
        lead = rows.shape[:-1]
        for shape, dtype, mine, value in zip(self.shapes, self.dtypes, self.enumerated, fixed, strict=True):
            size = int(np.prod(shape))
            if mine:
                leaves.append(rows[..., first : first + size].reshape((*lead, *shape)).astype(dtype))
                first += size
            else:
                leaves.append(xp.broadcast_to(xp.asarray(value, dtype), (*lead, *shape)))
        return jax.tree.unflatten(self.structure, leaves)


def own(state):
    """A tree of the same leaves, as a jump may change a list or dict in place."""
    return jax.tree.map(lambda leaf: leaf, state)


def wide(leaf):
    """A leaf of the system in double width, so that nothing is rounded to what the compiled loop uses."""
    array = np.asarray(leaf)
    return array.astype({"f": np.float64, "i": np.int64}.get(array.dtype.kind, array.dtype))


def essential(system: MarkovProcess, structure, leaves: list[np.ndarray], keep) -> tuple[bool, ...]:
    """Which components of the state the process depends on: all but those that only counters read."""

    def everything(*leaves):
        state = jax.tree.unflatten(structure, leaves)
        rates = system.rates(state)
        tallies = [system.tally(state, jnp.int32(k)) for k in range(len(rates) + 1)]
        used = (rates, system.observe(state), tallies)
        after = [jax.tree.leaves(system.jump(own(state), k)) for k in range(len(rates))]
        return used, [list(column) for column in zip(*after, strict=True)]

    jaxpr, shape = jax.make_jaxpr(everything, return_shape=True)(*leaves)
    graph = jaxpr.jaxpr
    reads: dict[Any, frozenset] = {variable: frozenset([i]) for i, variable in enumerate(graph.invars)}

    def read_by(variables) -> frozenset:
        sets = [reads.get(v, frozenset()) for v in variables if not isinstance(v, Literal)]
        return frozenset().union(*sets)

    for equation in graph.eqns:
        inputs = read_by(equation.invars)
        reads.update(dict.fromkeys(equation.outvars, inputs))
    used, after = jax.tree.unflatten(jax.tree.structure(shape), [read_by([v]) for v in graph.outvars])
    needed = frozenset().union(*jax.tree.leaves(used))
    # a flag is not a count, and keep may look at anything
    needed |= {i for i, leaf in enumerate(leaves) if keep is not None or leaf.dtype == bool}
    while True:
        more = needed.union(*(sources for i in needed for sources in after[i]))
        if more == needed:
            return tuple(i in needed for i in range(len(leaves)))
        needed = more
