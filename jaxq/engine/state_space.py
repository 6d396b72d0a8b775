"""The reachable states of a jump process, found on the host from its rates and jumps (`jaxq.engine.exact`)."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.carry import watches
from jaxq.engine.indices import as_bool, watched
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.state_layout import StateLayout, essential, own, wide
from jaxq.engine.sums import Sums
from jaxq.engine.walk import below_zero, check_rates, refuse_beyond

BATCH = 512
"""States whose transitions are evaluated in one call: one compiled size."""
NARROW, PATIENCE, REACH = 16, 16, 1024
"""After PATIENCE batches of fewer than NARROW states, each transition is repeated up to REACH times in one
call: a chain on a line would otherwise be found one state a call."""
RATE_TOLERANCE = 1e-9
"""Relative excess of a total rate over its declared bound that rounding may explain."""


class Expansion(NamedTuple):
    """What one call returns of a batch of n states, K transitions, d columns."""

    rates: Any  # float64 (n, K)
    targets: Any  # int64 (n, K, d)
    overflow: Any  # bool (n, K), whether a transition leads out of what the state can represent
    observed: dict[str, Any]  # (n,)
    tallied: dict[str, Any]  # (n, K + 1), the last one of the null event
    counted: dict[str, Any]  # int64 (n, K), increase in each transition
    recounted: dict[str, Any]  # the same with the left-out components elsewhere
    beyond: Any  # (n, K + 1), whether an index lies beyond its array in each transition, or else; None where none is watched


def _rates(system: MarkovProcess, state):
    return jnp.stack([jnp.asarray(rate, jnp.float64) for rate in system.rates(state)])


def _beyond(system: MarkovProcess, state):
    def each(system, state, k: int):
        return system.jump(own(state), k), system.tally(state, jnp.int32(k))

    def whole(system, state):
        return system.rates(state), system.observe(state), system.counters(state), system.tally(state, jnp.int32(count))

    count = len(system.rates(state))
    jumps = [watched(functools.partial(each, k=k))(system, state)[1] for k in range(count)]
    return jnp.stack([*map(as_bool, jumps), as_bool(watched(whole)(system, state)[1])])


def _moved(fixed):
    return [value if value.dtype == bool else value + np.ones((), value.dtype) for value in fixed]


@functools.lru_cache(maxsize=32)
def _expander(structure, layout: StateLayout):
    """Compiled ``(leaves, fixed, rows) -> Expansion`` of the systems of one structure."""

    def counted(system, fixed, row):
        state = layout.decode(row, fixed, jnp)
        # as the engine carries it: every component keeps its type
        after = [_cast(system.jump(own(state), k), layout) for k in range(len(system.rates(state)))]
        before = system.counters(state)
        increases = {
            name: [jnp.asarray(system.counters(s)[name]) - jnp.asarray(before[name]) for s in after] for name in before
        }
        return state, after, {name: jnp.stack(x).astype(jnp.int64) for name, x in increases.items()}

    def one(leaves, fixed, row):
        system = jax.tree.unflatten(structure, leaves)
        state, after, increases = counted(system, fixed, row)
        events = [system.tally(state, jnp.int32(k)) for k in range(len(after) + 1)]
        return Expansion(
            _rates(system, state),
            jnp.stack([layout.encode(s) for s in after]),
            jnp.stack([jnp.asarray(system.overflow(s), bool) for s in after]),
            {name: jnp.asarray(value, jnp.float64) for name, value in system.observe(state).items()},
            {name: jnp.stack([jnp.asarray(e[name], jnp.float64) for e in events]) for name in events[0]},
            increases,
            counted(system, _moved(fixed), row)[2],
            _beyond(system, state) if watches(system) else None,
        )

    return jax.jit(jax.vmap(one, in_axes=(None, None, 0)))


@functools.lru_cache(maxsize=32)
def _chaser(structure, layout: StateLayout):
    """Compiled ``(leaves, fixed, rows) -> (rows reached, whether each was)``: every transition repeated REACH times.

    Shapes (n, K, REACH, d) and (n, K, REACH). What is reached so is reachable, so nothing is speculated.
    """

    def one(leaves, fixed, row):
        system = jax.tree.unflatten(structure, leaves)

        def follow(k):
            def again(carry, _):
                row, possible = carry
                state = layout.decode(row, fixed, jnp)
                possible &= _rates(system, state)[k] > 0
                row = layout.encode(_cast(system.jump(state, k), layout))
                return (row, possible), (row, possible)

            return jax.lax.scan(again, (row, jnp.bool_(True)), None, length=REACH)[1]

        followed = [follow(k) for k in range(len(system.rates(layout.decode(row, fixed, jnp))))]
        return jnp.stack([rows for rows, _ in followed]), jnp.stack([possible for _, possible in followed])

    return jax.jit(jax.vmap(one, in_axes=(None, None, 0)))


def _cast(state, layout: StateLayout):
    leaves = [jnp.asarray(x).astype(dtype) for x, dtype in zip(jax.tree.leaves(state), layout.dtypes, strict=True)]
    return jax.tree.unflatten(layout.structure, leaves)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([rows, np.broadcast_to(rows[:1], (size - len(rows), rows.shape[1]))])


class StateSpace:
    """The states found so far (``rows``, in the order they were found) and the transitions between them."""

    def __init__(self, system: MarkovProcess, keep, max_states: int):
        self.max_states = max_states
        leaves, self.structure = jax.tree.flatten(system)
        self.leaves = [wide(leaf) for leaf in leaves]
        self.system: MarkovProcess = jax.tree.unflatten(self.structure, self.leaves)
        bound = self.system.total_rate_bound()
        self.bound = None if bound is None else float(bound)
        words = random.words_for(0, random.START, 0, system.scan.init_words)
        state = self.system.init(tuple(words))
        self.fixed = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
        structure = jax.tree.structure(state)
        self.layout = StateLayout(
            structure,
            tuple(leaf.shape for leaf in self.fixed),
            tuple(leaf.dtype for leaf in self.fixed),
            essential(self.system, structure, self.fixed, keep),
        )
        self._check_whole(state)
        self._kept = None if keep is None else jax.jit(jax.vmap(lambda row: self._keep(keep, row)))
        self._index: dict[bytes, int] = {}
        self._buffer = np.empty((1024, self.layout.columns), np.int64)
        self.count = 0
        initial = np.asarray(self.layout.encode(state))[None]
        if self._number(initial)[0] < 0:
            raise FieldError("keep", ..., f"excludes the initial state {self.show(initial[0])}")

    @property
    def rows(self) -> np.ndarray:
        return self._buffer[: self.count]

    def show(self, which) -> str:
        """A state, given by its number or row, as text."""
        row = self._buffer[which] if np.ndim(which) == 0 else which
        return str(jax.tree.map(lambda x: np.asarray(x).tolist(), self.layout.decode(row, self.fixed, np)))

    def enumerate(self) -> None:
        """Find every reachable state; sources, targets and rates of the transitions between different states."""
        expand = _expander(self.structure, self.layout)
        sources, targets, rates, edges, parts = [], [], [], [], []
        done = narrow = 0
        while done < self.count:
            rows = self._buffer[done : min(done + BATCH, self.count)].copy()
            n = len(rows)
            found = jax.tree.map(lambda x: np.asarray(x)[:n], expand(self.leaves, self.fixed, _padded(rows, BATCH)))  # noqa: B023
            self._check(found, rows)
            state, k = np.nonzero(found.rates > 0)
            reached = self._number(found.targets[state, k])
            self._check_indices(found, rows, state, k, reached)
            suppressed = np.zeros_like(found.rates, bool)
            suppressed[state, k] = reached < 0
            edges.append((suppressed | (found.overflow & (found.rates > 0))).any(axis=1))
            inside = (reached >= 0) & (reached != done + state)
            sources.append(done + state[inside])
            targets.append(reached[inside])
            rates.append(found.rates[state, k][inside])
            parts.append(self._contributions(found, np.where(suppressed, 0.0, found.rates)))
            done += n
            narrow += n < NARROW
            if narrow > PATIENCE and self.count - done < NARROW and done < self.count:
                self._chase(self._buffer[done : min(done + NARROW, self.count)].copy())
        self.transitions = tuple(np.concatenate(x) for x in (sources, targets, rates))
        self.edge = np.concatenate(edges)
        self.values = jax.tree.map(lambda *x: np.concatenate(x), *parts)

    def generator(self) -> "scipy.sparse.csr_array":
        """Transition rates between different states, no diagonal, shape (states, states)."""
        sources, targets, rates = self.transitions
        return scipy.sparse.csr_array((rates, (sources, targets)), shape=(self.count, self.count))

    def sums(self, probabilities: Float[np.ndarray, " states"]) -> Sums:
        """The sums of a stationary unit of time."""
        means = jax.tree.map(lambda x: np.float64(probabilities @ x), self.values)
        return Sums(np.float64(1.0), means["events"], means["observed"], means["tallied"], means["counted"])

    def _contributions(self, found: Expansion, rates: np.ndarray) -> dict[str, Any]:
        """Per state, the expected sums of a unit of time; events as simulated, null ones of a uniformised chain too."""
        total = rates.sum(axis=1)
        idle = np.zeros_like(total) if self.bound is None else self.bound - total
        weights = np.concatenate([rates, idle[:, None]], axis=1)
        return {
            "events": weights.sum(axis=1),
            "observed": found.observed,
            "tallied": {name: (weights * x).sum(axis=1) for name, x in found.tallied.items()},
            "counted": {name: (rates * x).sum(axis=1) for name, x in found.counted.items()},
        }

    def _chase(self, rows: np.ndarray) -> None:
        chase = _chaser(self.structure, self.layout)
        reached, possible = chase(self.leaves, self.fixed, _padded(rows, NARROW))
        reached, possible = np.array(reached), np.array(possible)
        if self._kept is not None:
            kept = self._keeps(reached.reshape(-1, reached.shape[-1])).reshape(possible.shape)
            possible &= np.logical_and.accumulate(kept, axis=2)
        self._number(reached[possible])

    def _number(self, rows: np.ndarray) -> np.ndarray:
        """The number of each row, numbering those not seen before; -1 for rows that are not kept."""
        keys = np.ascontiguousarray(rows).view(np.dtype((np.void, 8 * rows.shape[1]))).ravel().tolist()
        index = self._index
        fresh = list(dict.fromkeys(key for key in keys if key not in index))
        if fresh:
            new = np.frombuffer(b"".join(fresh), np.int64).reshape(-1, rows.shape[1])
            kept = self._keeps(new)
            numbers = np.where(kept, self.count + np.cumsum(kept) - 1, -1)
            index.update(zip(fresh, numbers.tolist(), strict=True))
            total = self.count + int(kept.sum())
            if total > self.max_states:
                raise ValueError(
                    f"more than max_states = {self.max_states} states can be reached: give a larger max_states, or in "
                    "Python keep=, a predicate on the state that cuts the state space"
                )
            if total > len(self._buffer):
                grown = np.empty((max(total, 2 * len(self._buffer)), rows.shape[1]), np.int64)
                grown[: self.count] = self.rows
                self._buffer = grown
            self._buffer[self.count : total] = new[kept]
            self.count = total
        return np.fromiter(map(index.__getitem__, keys), np.int64, len(keys))

    def _keeps(self, rows: np.ndarray) -> np.ndarray:
        if self._kept is None:
            return np.ones(len(rows), bool)
        parts = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        return np.concatenate([np.asarray(self._kept(_padded(part, BATCH)))[: len(part)] for part in parts])

    def _keep(self, keep, row):
        try:
            kept = jnp.asarray(keep(self.layout.decode(row, self.fixed, jnp)))
        except jax.errors.TracerBoolConversionError:
            raise FieldError(
                "keep", ..., "must be written with & | ~ and jnp functions, without and, or, not, if"
            ) from None
        if kept.dtype != bool or kept.shape != ():
            raise FieldError("keep", ..., f"must return one bool a state, not {kept.dtype} of shape {kept.shape}")
        return kept

    def _check_whole(self, state) -> None:
        for (path, leaf), mine in zip(jax.tree.leaves_with_path(state), self.layout.enumerated, strict=True):
            if mine and np.asarray(leaf).dtype.kind not in "iub":
                name = f"component {jax.tree_util.keystr(path)} of the state" if path else "the state"
                raise FieldError(name, leaf, "must be a whole number to enumerate the states")

    def _check_indices(self, found: Expansion, rows: np.ndarray, state, k, reached) -> None:
        """ValueError where an index lies beyond its array, in a state or in a transition that is kept."""
        if found.beyond is None:
            return
        wrong = np.zeros_like(found.beyond)
        wrong[state, k] = found.beyond[state, k] & (reached >= 0)
        wrong[:, -1] = found.beyond[:, -1]
        if wrong.any():
            i, k = np.argwhere(wrong)[0]
            at = jax.tree.map(np.asarray, self.layout.decode(rows[i], self.fixed, np))
            refuse_beyond(self.system, at, int(k), self.show(rows[i]))

    def _check(self, found: Expansion, rows: np.ndarray) -> None:
        """ValueError unless the rates are rates, within their bound, counts stay >= 0 (if the class is not ``signed``), and
        counters count the same wherever they are."""
        check_rates(type(self.system).__name__, found.rates, self.bound, RATE_TOLERANCE, lambda i: self.show(rows[i]))
        if self._kept is None and not self.system.signed:  # what is cut off need not be valid
            below = ((found.targets < 0) & (self._buffer[0] >= 0)).any(axis=2) & (found.rates > 0)
            if below.any():
                i, k = np.argwhere(below)[0]
                who = f"{type(self.system).__name__}: transition {k} (rate {found.rates[i, k]:g})"
                raise ValueError(below_zero(who, "the state", self.show(rows[i]), self.show(found.targets[i, k])))
        for name, increase in found.counted.items():
            if not np.array_equal(increase[found.rates > 0], found.recounted[name][found.rates > 0]):
                raise FieldError("counters", ..., f"the increase of {name} depends on how far the counters have come")
