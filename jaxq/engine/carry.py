"""What one replica carries from event to event, and one event of it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt32

from jaxq import random
from jaxq.engine.fingerprint import of_jaxq
from jaxq.engine.indices import as_bool, watched
from jaxq.engine.process import Process


class Carry(NamedTuple):
    """What one replica carries from event to event. ``beyond``: whether an index has lain beyond its array so far
    (`jaxq.engine.indices`); None where none is watched."""

    state: Any
    event: Any
    weight: Any
    stream: random.Stream
    beyond: Any = None


def typed(tree):
    """Python numbers of a state as int32 / float32 / bool arrays, so that the carry's types are fixed."""

    def leaf(x):
        x = jnp.asarray(x)
        return x.astype(jnp.int32) if x.dtype == jnp.int64 else x.astype(jnp.float32) if x.dtype == jnp.float64 else x

    return jax.tree.map(leaf, tree)


def begun(state, initial: list | None):
    """A state with what is given of its components; None: they stay."""
    if initial is None:
        return state
    leaves, structure = jax.tree.flatten(state)
    return jax.tree.unflatten(structure, [x if y is None else y for x, y in zip(leaves, initial, strict=True)])


def seeded(process: Process, seed: int, replicas) -> UInt32[np.ndarray, "*batch words"]:
    """What `start` draws from: the words of `Process.init` and four of the path's generator, (*replicas.shape, words)."""
    begin = random.words_for(seed, random.START, replicas, process.scan.init_words)
    return np.stack([*begin, *random.stream(seed, random.PATH, replicas)], -1)


def start(system: Process, seeds, initial: list | None = None) -> Carry:
    """The carry of one replica before its first event.

    ``seeds``: its row of `seeded`. ``initial``: components of the state in place of those of `Process.init`, None where
    these stay (`jaxq.engine.initial`).
    """
    if not watches(system):
        return _start(system, seeds, initial)
    carry, beyond = _watched(_start)(system, seeds, initial)
    return carry._replace(beyond=as_bool(beyond))


def step(system: Process, carry: Carry) -> Carry:
    """Apply the carried event, draw the words of the next one and choose it."""
    return _gone_on(_step, system, carry)


def another_event(system: Process, carry: Carry) -> Carry:
    """Choose another event in place of the carried one, by new words."""
    return _gone_on(_another_event, system, carry)


def _start(system: Process, seeds, initial: list | None = None) -> Carry:
    begin, stream = tuple(seeds[:-4]), random.Stream(*seeds[-4:])
    state = begun(typed(system.init(begin)), initial)
    words, stream = random.next_words(stream, system.words)
    event, weight = system.next_event(state, words)
    return Carry(state, event, weight, stream)


def _step(system: Process, carry: Carry) -> Carry:
    state = system.update(carry.state, carry.event)
    state = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), state, carry.state)
    return _another_event(system, carry._replace(state=state))


def _another_event(system: Process, carry: Carry) -> Carry:
    words, stream = random.next_words(carry.stream, system.words)
    event, weight = system.next_event(carry.state, words)
    return carry._replace(event=event, weight=weight, stream=stream)


def _gone_on(function: Callable, system: Process, carry: Carry) -> Carry:
    if carry.beyond is None:
        return function(system, carry)
    after, beyond = _watched(function)(system, carry)
    return after if beyond is None else after._replace(beyond=carry.beyond | beyond)


def seen(system: Process, carry: Carry) -> tuple:
    """All that is looked at of a carry."""
    state = carry.state
    return system.observe(state), system.tally(state, carry.event), system.counters(state), system.overflow(state)


def _watched(function: Callable) -> Callable:
    """(the carry, whether an index was beyond its array in getting there or in what is seen of it; None: never)."""

    def call(system, *given):
        after = function(system, *given)
        return after, seen(system, after)

    def carried(*args):
        (after, _), beyond = watched(call)(*args)
        return after, beyond

    return carried


def watches(process: Process) -> bool:
    """Whether the indices of a process are watched: it is of a user's own, and reads or writes an array at a place that is
    known only when it runs."""
    if of_jaxq(process):
        return False
    leaves, structure = jax.tree.flatten(process)
    return _watches(structure, tuple((np.shape(x), jnp.result_type(x)) for x in leaves))


@functools.lru_cache(maxsize=64)
def _watches(structure, form: tuple) -> bool:
    def event(leaves, seeds):
        process = jax.tree.unflatten(structure, leaves)
        carry, before = _watched(_start)(process, seeds)
        return before, _watched(_step)(process, carry)[1]

    leaves = [jax.ShapeDtypeStruct(*leaf) for leaf in form]
    words = jax.tree.unflatten(structure, leaves).scan.init_words + 4
    return bool(jax.tree.leaves(jax.eval_shape(event, leaves, jax.ShapeDtypeStruct((words,), np.uint32))))
