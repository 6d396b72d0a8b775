"""Which transitions of a jump process are too rare for one random word, found on a walk before the run.

A float32 sum of rates knows a rate to 2**-24 of those before it, so a rare transition behind common ones is distorted or
lost. A process that has one is given an order in which its rare transitions come first, and a second word an event.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxq import random
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.process import Process
from jaxq.engine.program import QUICK, compute_leaf, typed

STEPS = 512
"""Events of the walk. Each possible transition is as likely, so that rare ones are taken too."""
TOLERANCE = 1 / 256
"""Relative error of its probability in a typical state of the walk above which a transition counts as rare."""
DUE = 10.0
"""A transition that is due less often in a whole run may have been missed, and with it all that it leads to."""


def prepared(system: Model) -> Process:
    """`Model.process`, with its rare transitions first."""
    return rare_first(system.process())


def rare_first(process: Process) -> Process:
    """A process, and where that is a jump process with rare transitions, these put first."""
    if isinstance(process, MarkovProcess):
        bound, rates = process.clock().bound, walked_rates(process)
        order = rare_order(rates, rates.sum(axis=1) if bound is None else float(bound))
        if order is not None:
            return process.in_order(order)
    return process


def walked_rates(process: MarkovProcess) -> np.ndarray:
    """The rates of a prepared process along the walk, 1/time, float64, shape (STEPS, K)."""
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    return np.asarray(_walk(structure, shapes)(leaves, _words(process.scan.init_words + STEPS)), np.float64)


def hardly_due(process: Process, time: float) -> list[int]:
    """The transitions of a prepared jump process that can happen, but are due fewer than `DUE` times in ``time`` at the
    largest of their rates on the walk; none of any other process."""
    if not isinstance(process, MarkovProcess):
        return []
    most = walked_rates(process).max(axis=0)
    return np.flatnonzero((most > 0) & (most * time < DUE)).tolist()


def rare_order(rates: np.ndarray, total) -> tuple[int, ...] | None:
    """The transitions with the rare ones first, the rarest of all at the front; None if one word serves them all.

    ``rates``: of K transitions in some states, shape (states, K); ``total``: what a word stands for there. The error of
    a share p that ends at the cumulated share e is taken as ``(2**-24 e + 2**-32) / p``. States in which p is under 1/256
    of what it is elsewhere add too little to how often the transition happens to count.
    """
    with np.errstate(all="ignore"):  # rates that are not allowed are for others to see
        shares = rates / np.reshape(np.maximum(total, np.finfo(float).tiny), (-1, 1))
        error = (2.0**-24 * np.cumsum(shares, axis=1) + 2.0**-32) / np.where(shares > 0, shares, 1.0)
    most = shares.max(axis=0)
    likely = shares > TOLERANCE * most
    typical = [np.median(error[likely[:, k], k]) if most[k] > 0 else 0.0 for k in range(len(most))]
    rare = np.flatnonzero(np.array(typical) > TOLERANCE)
    if not rare.size:
        return None
    first = rare[np.argsort(most[rare], kind="stable")]
    return (*first.tolist(), *[k for k in range(len(most)) if k not in set(rare.tolist())])


def _words(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**32, count, np.uint32)


@functools.lru_cache(maxsize=64)
def _walk(structure, shapes: tuple):
    """Compiled ``(leaves, words) -> rates``, float32, shape (STEPS, K), along one walk from the initial state."""

    def walk(leaves, words):
        process = jax.tree.unflatten(structure, leaves)

        def step(state, word):
            rates = jnp.stack([jnp.asarray(rate, jnp.float32) for rate in process.rates(state)])
            possible = rates > 0
            place, _ = random.below(word, jnp.maximum(possible.sum(), 1))
            event = jnp.where(possible.any(), jnp.argmax(jnp.cumsum(possible) > place), len(rates)).astype(jnp.int32)
            after = state
            if process.drifts:
                elapsed, switch = 1 / rates.sum(), process.next_switch(state)
                if switch is not None:
                    event = jnp.where(elapsed < switch, event, len(rates))
                    elapsed = jnp.minimum(elapsed, switch)
                after = process.drift(state, elapsed)
            after = process.transition(after, event)
            return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state), rates

        begin = typed(process.init(tuple(words[: process.scan.init_words])))
        return lax.scan(step, begin, words[process.scan.init_words :])[1]

    given = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    init_words = jax.tree.unflatten(structure, given).scan.init_words
    words = jax.ShapeDtypeStruct((init_words + STEPS,), np.uint32)
    return jax.jit(walk).lower(given, words).compile(compiler_options=QUICK)
