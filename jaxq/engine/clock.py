"""How time runs in a Markov process: what a random word is a share of, and how long the state before a jump lasts.

Uniformised: events come at the rate of the bound, some of them change nothing, and each takes 1 / bound. Embedded: every
event is a jump, and the state before it weighs its mean holding time 1 / total rate. Real time: the holding time is drawn.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxq.random import exponential

NEVER = 1e30
"""Mean holding time of a state that nothing leaves: in an average over time it takes the whole rest, and it is safe to add
up (infinity is not)."""


class Uniformised(NamedTuple):
    """No clock: one word an event, constant weight 1 / bound."""

    bound: Any  # of the total rate over all states, 1/time
    words = 1

    def total(self, rates):
        """What a word is a share of, 1/time."""
        return self.bound

    def step_time(self) -> float | None:
        """The constant time of an event, on the host."""
        return 1.0 / float(self.bound)

    def event(self, process, state, transition, rates, words):
        """The event and its weight."""
        return transition, None

    def apply(self, process, state, event):
        """The state after the event."""
        return process.transition(state, event)


class Embedded(NamedTuple):
    """The chain of the jumps, with the conditional mean of each holding time as weight."""

    words = 1
    bound = None

    def total(self, rates):
        """What a word is a share of, 1/time."""
        return sum(rates[1:], rates[0])

    def step_time(self) -> float | None:
        """None: events differ in length."""
        return None

    def event(self, process, state, transition, rates, words):
        """The event and its weight."""
        return transition, 1.0 / jnp.maximum(self.total(rates), 1 / NEVER)

    def apply(self, process, state, event):
        """The state after the event."""
        return process.transition(state, event)


class RealTime(NamedTuple):
    """A second word an event gives the holding time, which is its weight; where the rates change by themselves before its
    end, the wait for the next jump is drawn anew there."""

    words = 2
    bound = None

    def total(self, rates):
        """What a word is a share of, 1/time."""
        return sum(rates[1:], rates[0])

    def step_time(self) -> float | None:
        """None: events differ in length."""
        return None

    def event(self, process, state, transition, rates, words):
        """The event, with the time before it, and its weight."""
        elapsed = exponential(words[1]) / jnp.maximum(self.total(rates), 1 / NEVER)
        switch = process.next_switch(state)
        if switch is not None:
            transition = jnp.where(elapsed < switch, transition, len(rates))
            elapsed = jnp.minimum(elapsed, switch)
        return (transition, elapsed), elapsed

    def apply(self, process, state, event):
        """The state after the event."""
        transition, elapsed = event
        return process.transition(process.drift(state, elapsed), transition)


Clock = Uniformised | Embedded | RealTime
