"""Control variates from the generator: what a jump process is known to average to 0, observed beside it.

With the generator Q of a stationary process, E[Q phi] = 0 for every function phi of the state. Let c_i be the counts of the
state and the observed quantities. The long-run means of Q c_i and Q (c_i c_j) are then 0, and what they are in a run tells
most of what its metrics are off by (`jaxq.stats.regression`). The path is that of the process: same words, same jumps.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.compiling import ONCE
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.process import Process
from jaxq.engine.sums import Sums

SAMPLED = 256
"""Replicas whose states tell how much rounding may do."""
UNIT = 2.0**-24
"""Of float32."""
PREFIX = "control:"
"""Of their names, which no observation of a system has."""


class WithControls(Process):
    """A prepared process that also observes Q phi of some functions phi of its state."""

    process: Any
    places: tuple[int, ...] = eqx.field(static=True)
    """The leaves of the state whose entries are the counts."""
    observed: tuple[str, ...] = eqx.field(static=True)
    """The observations that are factors of some phi."""
    functions: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """Each phi by its one or two factors: their numbers among the counts, and the observations after them."""

    @property
    def degree(self) -> int:
        """The highest degree of a phi."""
        return max(map(len, self.functions))

    @property
    def words(self):
        return self.process.words

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.process.scan._replace(tile=128)  # compiles in two thirds of the time of 64, at the same speed

    def init(self, words):
        return self.process.init(words)

    def next_event(self, state, words):
        return self.process.next_event(state, words)

    def update(self, state, event):
        return self.process.update(state, event)

    def tally(self, state, event):
        return self.process.tally(state, event)

    def counters(self, state):
        return self.process.counters(state)

    def overflow(self, state):
        return self.process.overflow(state)

    def _invalid_rates(self, state):
        return self.process._invalid_rates(state)

    def step_time(self):
        return self.process.step_time()

    def observe(self, state):
        return dict(self.process.observe(state)) | self.drifts(state)

    def _moved(self, state) -> tuple[list, list, list]:
        """(counts and observations, rates, what each transition adds to each: None where it does not touch it)."""
        leaves, structure = jax.tree.flatten(state)
        before = [jnp.asarray(leaves[place]) for place in self.places]
        values = [entry.astype(jnp.float32) for leaf in before for entry in leaf.ravel()]
        rates = [jnp.asarray(rate, jnp.float32) for rate in self.process.rates(state)]
        seen = self._seen(state)
        moves = []
        for k, rate in enumerate(rates):
            outcome = jax.tree.leaves(self.process.jump(jax.tree.unflatten(structure, leaves), k))
            moves.append([])
            for place, old in zip(self.places, before, strict=True):
                if outcome[place] is leaves[place]:
                    moves[-1] += [None] * old.size
                else:
                    new = jnp.asarray(outcome[place]).astype(jnp.int32) - old.astype(jnp.int32)
                    moves[-1] += list(new.astype(jnp.float32).ravel())
            if seen:
                after = self._seen(jax.tree.unflatten(structure, outcome))
                # where a transition is impossible, what would be observed after it need not be a number
                added = [(new - old).astype(jnp.float32) for new, old in zip(after, seen, strict=True)]
                moves[-1] += [jnp.where(rate > 0, x, 0.0) for x in added]
        return values + [x.astype(jnp.float32) for x in seen], rates, moves

    def _seen(self, state) -> list:
        """The observations that are factors, whole numbers as int32: their differences are exact."""
        observed = self.process.observe(state) if self.observed else {}
        found = [jnp.asarray(observed[name]) for name in self.observed]
        return [x.astype(jnp.float32 if jnp.issubdtype(x.dtype, jnp.floating) else jnp.int32) for x in found]

    def drifts(self, state) -> dict[str, Any]:
        """Q c_i, and Q (c_i c_j) = c_i Q c_j + c_j Q c_i + sum_k r_k m_ik m_jk, m_ik what transition k adds to c_i."""
        values, rates, moves = self._moved(state)
        by_rate = list(zip(rates, moves, strict=True))
        drift = [_sum(r * m[i] for r, m in by_rate if m[i] is not None) for i in range(len(values))]
        found = {}
        for number, (i, *more) in enumerate(self.functions):
            value = drift[i]
            for j in more:
                both = _sum(r * m[i] * m[j] for r, m in by_rate if m[i] is not None and m[j] is not None)
                value = values[i] * drift[j] + values[j] * drift[i] + both
            found[f"{PREFIX}{number:02}"] = value  # in this order by name too: JAX sorts the keys of a dict
        return found

    def changes(self, state) -> tuple[Any, Any]:
        """(rates, shape (K,), what each transition adds to each phi, shape (K, controls)), in the order of the controls."""
        values, rates, moves = self._moved(state)

        def added(m, i, j=None):
            return m[i] if j is None else values[i] * m[j] + values[j] * m[i] + m[i] * m[j]

        rows = [[0.0 if x is None else x for x in row] for row in moves]
        return jnp.stack(rates), jnp.array([[added(m, *phi) for phi in self.functions] for m in rows], jnp.float32)


def _sum(terms) -> Any:
    return functools.reduce(jnp.add, terms, jnp.float32(0.0))


@functools.lru_cache(maxsize=128)
def of_states(structure, method: str):
    """Compiled ``(leaves, states) -> `` what a method of a process gives in each of many states, an axis in front."""

    def each(leaves, states):
        return jax.vmap(getattr(jax.tree.unflatten(structure, leaves), method))(states)

    return jax.jit(each, compiler_options=ONCE)


def rounding_floor(process: WithControls, states: Any) -> Callable[[np.ndarray], float]:
    """By how much a mean may be off because rates are known to float32 alone, as a function of its slopes b.

    A mean whose Poisson equation b phi solves moves by E sum_k dr_k b (phi after k - phi before) where the rates move by
    dr_k, and a rate and the share of a word that stands for it are each known to `UNIT` of it. So is each Q phi, and where
    the slopes of several cancel this is more.

    Args:
        process: with controls.
        states: some that it is in, an axis in front.
    """
    leaves, structure = jax.tree.flatten(process)
    rates, added = jax.tree.map(
        np.asarray, of_states(structure, "changes")([compute_leaf(leaf) for leaf in leaves], states)
    )
    count = len(rates)
    drifts = np.abs(np.einsum("sk,skc->sc", rates, added)).sum(axis=0)

    def floor(slopes: np.ndarray) -> float:
        return UNIT * float(2 * np.sum(rates * np.abs(added @ slopes)) + drifts @ np.abs(slopes)) / count

    return floor


def split(sums: Sums) -> tuple[Sums, list]:
    """(the sums of the system's own quantities, the long-run means of the controls)."""
    names = [name for name in sums.observed if name.startswith(PREFIX)]
    if not names:
        return sums, []
    return sums.without(names), [sums[name] / sums.time for name in names]
