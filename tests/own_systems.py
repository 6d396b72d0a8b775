"""Two systems of one's own, from which every mistake in a model is one method away."""

import jax.numpy as jnp

import jaxq
from jaxq import random


class Station(jaxq.JumpProcess):
    """M/M/1."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.5)
    limit: int = jaxq.whole("a number that a mistake may need", default=3)

    def init(self, words):
        return 0

    def rates(self, state):
        return self.arrival_rate, 1.0 * (state > 0)

    def jump(self, state, k):
        return [state + 1, state - 1][k]

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def observe(self, state):
        return {"number": state}


class Customers(jaxq.System):
    """Lindley's recursion: the waits of one queue, customer by customer."""

    words = 2

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        gap = 2.0 * random.exponential(words[0])
        return (random.exponential(words[1]), gap), gap

    def update(self, state, event):
        return jnp.maximum(state + event[0] - event[1], 0.0)

    def tally(self, state, event):
        return {"wait": state}
