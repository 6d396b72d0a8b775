"""What one replica carries from event to event, and one event of it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.engine.process import Process


class Carry(NamedTuple):
    """What one replica carries from event to event."""

    state: Any
    event: Any
    weight: Any
    stream: random.Stream


def typed(tree):
    """Python numbers of a state as int32 / float32 / bool arrays, so that the carry's types are fixed."""

    def leaf(x):
        x = jnp.asarray(x)
        return x.astype(jnp.int32) if x.dtype == jnp.int64 else x.astype(jnp.float32) if x.dtype == jnp.float64 else x

    return jax.tree.map(leaf, tree)


def seeded(process: Process, seed: int, replicas) -> np.ndarray:
    """What `start` draws from: the words of `Process.init` and four of the path's generator, (*replicas.shape, words)."""
    begin = random.words_for(seed, random.START, replicas, process.scan.init_words)
    return np.stack([*begin, *random.stream(seed, random.PATH, replicas)], -1)


def start(system: Process, seeds) -> Carry:
    """The carry of one replica before its first event; ``seeds``: its row of `seeded`."""
    begin, stream = tuple(seeds[:-4]), random.Stream(*seeds[-4:])
    state = typed(system.init(begin))
    words, stream = random.next_words(stream, system.words)
    event, weight = system.next_event(state, words)
    return Carry(state, event, weight, stream)


def step(system: Process, carry: Carry) -> Carry:
    """Apply the carried event, draw the words of the next one and choose it."""
    state = system.update(carry.state, carry.event)
    state = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), state, carry.state)
    words, stream = random.next_words(carry.stream, system.words)
    event, weight = system.next_event(state, words)
    return Carry(state, event, weight, stream)
