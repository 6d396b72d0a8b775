"""Which functions phi of the state of a jump process serve as control variates (`jaxq.engine.controls`)."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.carry import typed
from jaxq.engine.controls import WithControls, of_states
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.options import CONTROLS
from jaxq.engine.process import Process
from jaxq.engine.state_layout import essential, wide

MOST = 64
"""Controls that are observed at most: more take longer to compile than they save."""
PER_CONTROL = 10
"""Replicas that there must be for each control: with fewer, intervals cover too little."""
DEGREES = {1: ((1, 1), (1, 0)), 2: ((2, 2), (2, 1), (1, 1), (1, 0))}
"""Degrees of the counts and of the observations in phi that are tried one after the other, by the highest."""
POINTS, LARGEST = 512, 12
"""States at which functions are told apart, and the binary digits of their largest counts."""
ALIKE = 1e-10
"""What is left of a function, as a share of it, that is a linear combination of others."""


def with_controls(process: Process, control: str, replicas: int, title: str) -> Process:
    """A process with controls beside what it observes, unless ``control`` is none; ``title`` is that of its model.

    The functions phi are the counts of the state, the observed quantities, and for ``generator`` the products of two of
    them; one that is a linear combination of those before it is left out. Where they are more than 64 or than a tenth of
    the replicas, products of counts alone are tried, then none, then counts alone; where these are still too many, the
    process is returned as it is. Raises FieldError for what is no jump process, for one that drifts and one without counts.
    """
    if control == "none":
        return process
    rule = f"must be none for {title}, which"
    if not isinstance(process, MarkovProcess):
        raise FieldError("control", control, f"{rule} is no jump process here (rates and jump) and so has no generator")
    if process.drifts:
        raise FieldError(
            "control", control, f"{rule} drifts between its jumps: the counts of its state are not all there is"
        )
    places = _counts(process)
    if not places:
        raise FieldError("control", control, f"{rule} has no counts in its state")
    names, values = _sampled(process, places)
    counts, most = values.shape[1] - len(names), most_controls(replicas)
    for degree in DEGREES[CONTROLS[control]]:
        functions = _functions(counts, len(names), degree)
        columns = (values[:, list(phi)].prod(axis=1) for phi in functions)
        kept = [functions[i] for i in independent(columns, most + 1)]
        if len(kept) <= most:
            used = sorted({i - counts for phi in kept for i in phi if i >= counts})
            place = {**{i: i for i in range(counts)}, **{counts + i: counts + j for j, i in enumerate(used)}}
            functions = tuple(tuple(place[i] for i in phi) for phi in kept)
            return WithControls(process, places, tuple(names[i] for i in used), functions)
    return process


def most_controls(replicas: int) -> int:
    """Controls that so many replicas bear."""
    return min(MOST, replicas // PER_CONTROL)


def _functions(counts: int, observed: int, degree: tuple[int, int]) -> list[tuple[int, ...]]:
    """Each phi by its factors, the simple ones first."""
    single = counts + observed * (degree[1] > 0)
    paired = {(2, 2): single, (2, 1): counts}.get(degree, 0)
    return [(i,) for i in range(single)] + [(i, j) for i in range(paired) for j in range(i, paired)]


def independent(columns: Iterable[np.ndarray], most: int) -> list[int]:
    """The numbers of the columns that are no linear combination of a constant and those before them, at most ``most``."""
    basis, kept = np.zeros((0, 0)), []
    for number, column in enumerate(columns):
        if not basis.size:
            basis = np.full((1, len(column)), len(column) ** -0.5)
        rest = column = np.asarray(column, np.float64) / max(np.linalg.norm(column), np.finfo(float).tiny)
        for _ in range(2):  # the second time removes what rounding has left
            rest = rest - basis.T @ (basis @ rest)
        size = np.linalg.norm(rest)
        if size > ALIKE:
            kept.append(number)
            basis = np.concatenate([basis, rest[None] / size])
        if len(kept) == most:
            break
    return kept


def _begin(process: Process, leaves: Sequence) -> Any:
    """The initial state of a process with these leaves."""
    traced = jax.tree.unflatten(jax.tree.structure(process), leaves)
    return traced.init(tuple(random.words_for(0, random.START, 0, process.scan.init_words)))


def _counts(process: MarkovProcess) -> tuple[int, ...]:
    """The leaves of the state that are whole numbers and that the process depends on."""
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    state = typed(_begin(process, leaves))
    parts = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    used = essential(jax.tree.unflatten(structure, leaves), jax.tree.structure(state), parts, None)
    return tuple(
        i for i, (x, own) in enumerate(zip(parts, used, strict=True)) if own and x.size and x.dtype.kind in "iub"
    )


def _sampled(process: MarkovProcess, places: tuple[int, ...]) -> tuple[list[str], np.ndarray]:
    """(names of the observations, counts and observations in states taken at random, float64, shape (states, both)).

    The states need not be reachable: what is told apart are functions. Counts are of all sizes, so that a queue behind a
    hundred servers is no constant.
    """
    leaves, structure = jax.tree.flatten(process)
    rng = np.random.default_rng(0)

    def sample(leaf):
        leaf = np.asarray(leaf)
        shape = (POINTS, *leaf.shape)
        if leaf.dtype.kind not in "iu":
            return rng.integers(0, 2, shape) > 0 if leaf.dtype == bool else rng.random(shape).astype(leaf.dtype)
        digits = min(LARGEST, np.iinfo(leaf.dtype).bits - 1)
        return (2 ** rng.uniform(0, digits, shape) - 1).astype(leaf.dtype)

    with jax.enable_x64(True):
        states = jax.tree.map(sample, typed(_begin(process, [compute_leaf(leaf) for leaf in leaves])))
        seen = of_states(structure, "observe")([wide(leaf) for leaf in leaves], states)
    names = [name for name, x in seen.items() if np.isfinite(x).all()]
    parts = [jax.tree.leaves(states)[place].reshape(POINTS, -1) for place in places]
    parts += [np.asarray(seen[name]).reshape(POINTS, 1) for name in names]
    return names, np.concatenate([np.asarray(part, np.float64) for part in parts], axis=1)
