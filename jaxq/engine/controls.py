"""Control variates from the generator: what a jump process is known to average to 0, observed beside it.

With the generator Q of a stationary process, E[Q phi] = 0 for every function phi of the state. The long-run means of
Q c_i and Q (c_i c_j) over the counts c_i of the state are therefore 0, and what they are in a run tells most of what its
metrics are off by (`jaxq.stats.regression`). The path is that of the process: same words, same jumps.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.options import CONTROLS
from jaxq.engine.process import Process
from jaxq.engine.program import QUICK, compute_leaf, typed
from jaxq.engine.state_space import essential
from jaxq.engine.sums import Sums

MOST = 64
"""Controls that are observed at most: more take longer to compile than they save."""
PER_CONTROL = 10
"""Replicas that there must be for each control: with fewer, intervals cover too little."""
SAMPLED = 256
"""Replicas whose states tell how much rounding may do."""
UNIT = 2.0**-24
"""Of float32."""
PREFIX = "control:"
"""Of their names, which no observation of a system has."""


class WithControls(Process):
    """A prepared process that also observes Q phi of its counts."""

    process: Any
    places: tuple[int, ...] = eqx.field(static=True)
    """The leaves of the state whose entries are the counts."""
    degree: int = eqx.field(static=True)

    tile = 128  # compiles in two thirds of the time of 64, at the same speed

    @property
    def words(self):
        return self.process.words

    @property
    def init_words(self):
        return self.process.init_words

    @property
    def stride(self):
        return self.process.stride

    @property
    def unroll(self):
        return self.process.unroll

    @property
    def measured_at(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.process.measured_at

    def init(self, words):
        return self.process.init(words)

    def choose(self, state, words):
        return self.process.choose(state, words)

    def apply(self, state, event):
        return self.process.apply(state, event)

    def tally(self, state, event):
        return self.process.tally(state, event)

    def counters(self, state):
        return self.process.counters(state)

    def overflow(self, state):
        return self.process.overflow(state)

    def invalid_rates(self, state):
        return self.process.invalid_rates(state)

    def step_time(self):
        return self.process.step_time()

    def observe(self, state):
        return dict(self.process.observe(state)) | self._drifts(state)

    def _moved(self, state) -> tuple[list, list, list]:
        """(counts, rates, what each transition adds to each count: None where it does not touch it)."""
        leaves, structure = jax.tree.flatten(state)
        before = [jnp.asarray(leaves[place]) for place in self.places]
        counts = [entry.astype(jnp.float32) for leaf in before for entry in leaf.ravel()]
        rates = [jnp.asarray(rate, jnp.float32) for rate in self.process.rates(state)]
        moves = []
        for k in range(len(rates)):
            outcome = jax.tree.leaves(self.process.jump(jax.tree.unflatten(structure, leaves), k))
            moves.append([])
            for place, old in zip(self.places, before, strict=True):
                if outcome[place] is leaves[place]:
                    moves[-1] += [None] * old.size
                else:
                    new = jnp.asarray(outcome[place]).astype(jnp.int32) - old.astype(jnp.int32)
                    moves[-1] += list(new.astype(jnp.float32).ravel())
        return counts, rates, moves

    def _drifts(self, state) -> dict[str, Any]:
        """Q c_i, and Q (c_i c_j) = c_i Q c_j + c_j Q c_i + sum_k r_k m_ik m_jk, m_ik what transition k adds to c_i."""
        counts, rates, moves = self._moved(state)
        by_rate = list(zip(rates, moves, strict=True))
        drift = [_sum(r * m[i] for r, m in by_rate if m[i] is not None) for i in range(len(counts))]
        found = {f"{PREFIX}{i}": x for i, x in enumerate(drift)}
        for i, j in self._pairs(len(counts)):
            both = _sum(r * m[i] * m[j] for r, m in by_rate if m[i] is not None and m[j] is not None)
            found[f"{PREFIX}{i},{j}"] = counts[i] * drift[j] + counts[j] * drift[i] + both
        return found

    def _pairs(self, counts: int) -> list[tuple[int, int]]:
        return [(i, j) for i in range(counts) for j in range(i, counts)] if self.degree == 2 else []

    def changes(self, state) -> tuple[Any, Any]:
        """(rates, shape (K,), what each transition adds to each phi, shape (K, controls)), in the order of the controls."""
        counts, rates, moves = self._moved(state)
        added = [[0.0 if m is None else m for m in row] for row in moves]
        pairs = self._pairs(len(counts))
        rows = [[*m, *[counts[i] * m[j] + counts[j] * m[i] + m[i] * m[j] for i, j in pairs]] for m in added]
        return jnp.stack(rates), jnp.array(rows, jnp.float32)


def _sum(terms) -> Any:
    return functools.reduce(jnp.add, terms, jnp.float32(0.0))


def with_controls(process: Process, control: str, replicas: int, title: str) -> Process:
    """A process with controls beside what it observes, unless ``control`` is none; ``title`` is that of its model.

    ``generator`` falls back to degree 1 where those of degree 2 are too many. Raises ValueError where there are none: of
    what is no jump process, of one that drifts, of one without counts, and where even those of degree 1 are more than 64
    or a tenth of the replicas.
    """
    if control == "none":
        return process
    name = f"control = {control}: {title}"
    if not isinstance(process, MarkovProcess):
        raise ValueError(f"{name} is no jump process here (rates and jump), so it has no generator; must be none")
    if process.drifts:
        raise ValueError(
            f"{name} drifts between its jumps, so the counts of its state are not all there is; must be none"
        )
    places, entries = _counts(process)
    if entries == 0:
        raise ValueError(f"{name} has no counts in its state; must be none")
    degree = CONTROLS[control]
    if degree == 2 and _number(entries, 2) > most_controls(replicas):
        degree = 1
    if _number(entries, degree) > most_controls(replicas):
        raise ValueError(
            f"{name} has {entries} counts in its state, a control each: must be at most {MOST}, and at most a tenth of "
            f"the {replicas} replicas; must be none"
        )
    return WithControls(process, places, degree)


def most_controls(replicas: int) -> int:
    """Controls that so many replicas bear."""
    return min(MOST, replicas // PER_CONTROL)


def _number(entries: int, degree: int) -> int:
    return entries if degree == 1 else entries + entries * (entries + 1) // 2


def _counts(process: MarkovProcess) -> tuple[tuple[int, ...], int]:
    """(leaves of the state that are whole numbers and that the process depends on, entries in them)."""
    leaves, structure = jax.tree.flatten(process)
    traced = jax.tree.unflatten(structure, [compute_leaf(leaf) for leaf in leaves])
    words = tuple(random.words_for(random.key_data(0), random.START, np.int32(0), process.init_words))
    state = typed(traced.init(words))
    parts = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    used = essential(traced, jax.tree.structure(state), parts, None)
    places = tuple(i for i, (leaf, own) in enumerate(zip(parts, used, strict=True)) if own and leaf.dtype.kind in "iub")
    return places, sum(parts[i].size for i in places)


@functools.lru_cache(maxsize=64)
def _changes(structure):
    def changes(leaves, states):
        return jax.vmap(jax.tree.unflatten(structure, leaves).changes)(states)

    return jax.jit(changes, compiler_options=QUICK)


def rounding_floor(process: WithControls, states: Any) -> Callable[[np.ndarray], float]:
    """By how much a mean may be off because rates are known to float32 alone, as a function of its slopes b.

    A mean whose Poisson equation b phi solves moves by E sum_k dr_k b (phi after k - phi before) where the rates move by
    dr_k, and a rate and the share of a word that stands for it are each known to `UNIT` of it.

    Args:
        process: with controls.
        states: some that it is in, an axis in front.
    """
    leaves, structure = jax.tree.flatten(process)
    rates, added = jax.tree.map(np.asarray, _changes(structure)([compute_leaf(leaf) for leaf in leaves], states))
    count = len(rates)

    def floor(slopes: np.ndarray) -> float:
        return 2 * UNIT * float(np.sum(rates * np.abs(added @ slopes)) / count)

    return floor


def split(sums: Sums) -> tuple[Sums, list]:
    """(the sums of the system's own quantities, the long-run means of the controls)."""
    names = [name for name in sums.observed if name.startswith(PREFIX)]
    if not names:
        return sums, []
    own = [{n: sums[n] for n in part if n not in names} for part in (sums.observed, sums.tallied, sums.counted)]
    return Sums(sums.time, sums.events, *own), [sums[name] / sums.time for name in names]
