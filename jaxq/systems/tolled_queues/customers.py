"""Customers of a system of tolled queues, drawn before it is known who joins."""

import dataclasses
from typing import Any, Protocol

import jax
import numpy as np

from jaxq.engine.reference import Reference
from jaxq.systems.tolled_queues.fluid import Customers


class Tunable(Protocol):
    """What is read of a `TolledQueues` to tune it: its fields, and the members below, which have their docstrings there."""

    arrival_rates: Any
    rewards: Any
    waiting_costs: Any
    mean_sizes: Any
    service_rates: Any
    tolls: Any
    information: str
    rule: str

    @property
    def classes(self) -> int: ...

    @property
    def servers(self) -> int: ...

    @property
    def by_numbers(self) -> bool: ...

    def single_toll(self) -> tuple[float, float] | None: ...

    def oracle(self) -> dict[str, Reference]: ...

    def process(self) -> Any: ...

    def replace(self, **fields) -> Any: ...


def draw_customers(system: Tunable, seed: int, paths: int, count: int) -> Customers:
    """``count`` events of independent arrival streams, float32, entries of shape (count, paths).

    They have the system's laws: they are what one server lets in that everybody joins.
    """
    one = system.replace(service_rates=[1.0], tolls=[0.0], capacity=None, information="workload", ties="first")
    everyone: Any = dataclasses.replace(one.process(), thresholds=np.full((system.classes, 1), np.inf))

    @jax.jit
    def draw(key):
        first, rest = jax.random.split(key)
        words = jax.random.bits(rest, (count, everyone.words, paths), "uint32")
        starting = jax.random.bits(first, (everyone.scan.init_words, paths), "uint32")

        def path(starting, words):
            def step(state, words):
                event, gap = everyone.next_event(state, tuple(words))
                return everyone.update(state, event), Customers(gap, event[1], event[0][0])

            return jax.lax.scan(step, everyone.init(tuple(starting)), words)[1]

        return jax.vmap(path, out_axes=1)(starting.T, words.transpose(2, 0, 1))

    return draw(jax.random.key(seed))
