"""How time runs in a Markov process: what a random word is a share of, and how long the state before a jump lasts.

Uniformised: events come at the rate of the bound, some of them change nothing, and each takes 1 / bound. Embedded: every
event is a jump, and the state before it weighs its mean holding time 1 / total rate. Real time: the holding time is drawn.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxq.random import exponential

NEVER = 1e30
"""Mean holding time of a state that nothing leaves: in an average over time it takes the whole rest, and it is safe to add
up (infinity is not)."""


class Uniformised(NamedTuple):
    """No clock: one word an event, constant weight 1 / bound."""

    bound: Any  # of the total rate over all states, 1/time

    def total(self, rates):
        """What a word is a share of, 1/time."""
        return self.bound

    def step_time(self) -> float | None:
        """The constant time of an event, on the host; None where events differ in length."""
        bound = float(self.bound)
        return 1.0 / bound if bound else math.inf

    def holding_time(self, total, words) -> Any:
        """The weight of the state before the event; None: `step_time` of all."""
        return None


class Embedded(NamedTuple):
    """The chain of the jumps, with the conditional mean of each holding time as weight."""

    bound = None

    def total(self, rates):
        """What a word is a share of, 1/time."""
        return sum(rates[1:], rates[0])

    def step_time(self) -> float | None:
        """None: events differ in length."""
        return None

    def holding_time(self, total, words) -> Any:
        """The mean time until the next jump."""
        return 1.0 / jnp.maximum(total, 1 / NEVER)


class RealTime(Embedded):
    """A second word an event gives the holding time, which is its weight."""

    def holding_time(self, total, words) -> Any:
        """The time until the next jump, drawn with the second word."""
        return exponential(words[1]) / jnp.maximum(total, 1 / NEVER)


Clock = Uniformised | Embedded | RealTime
