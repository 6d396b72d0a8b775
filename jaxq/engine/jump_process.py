"""Jump processes: say the rates and the jumps, the engine derives the rest.

With a bound on the total rate the chain is uniformised: one word an event, no clock, constant weight 1/bound.
Without one it is the embedded chain with the conditional mean holding time 1/total rate as weight. Multiplying either
weight by a unit exponential gives the real clock (`paths`); the same two methods give `exact`. A process with `drift`
always runs on the real clock: a second word an event gives the sampled holding time, which is its weight.
"""

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

from jaxq.engine.system import State, System
from jaxq.random import exponential, scaled


class JumpProcess(System):
    """A continuous-time Markov chain with K transitions.

    Write the rates so that an impossible transition has rate 0. Routing that needs randomness is split into
    transitions (rate x probability). Put rare transitions first: the grid of the event word is finest near 0.
    """

    @abstractmethod
    def rates(self, state: State) -> tuple:
        """The K transition rates in ``state``, a tuple of scalars, 1/time."""

    @abstractmethod
    def jump(self, state: State, k: int) -> State:
        """The state after transition ``k`` (a Python int). Return components that do not change as the same objects:
        only those that differ are selected in the compiled step."""

    def total_rate_bound(self) -> Any:
        """An upper bound of the total rate over all states, 1/time; None where there is none."""
        return None

    def drift(self, state: State, elapsed) -> State:
        """What moves between jumps: the state ``elapsed`` time later, if no jump happens. It must not move what `rates`
        or `observe` reads (a time average takes the state at the start of the interval for all of it). Defining it puts
        the process on the real clock."""
        return state

    @property
    def drifts(self) -> bool:
        """Whether `drift` is defined."""
        return type(self).drift is not JumpProcess.drift

    @property
    def words(self) -> int:
        return 2 if self.drifts else 1

    def step_time(self):
        bound = None if self.drifts else self.total_rate_bound()
        return None if bound is None else 1.0 / float(bound)

    def choose(self, state, words):
        rates = self.rates(state)
        bound = None if self.drifts else self.total_rate_bound()
        total = sum(rates[1:], rates[0]) if bound is None else bound
        position = scaled(words[0], jnp.asarray(total, jnp.float32))
        event, edge = jnp.int32(0), 0.0
        for rate in rates:
            edge = edge + rate
            event = event + (position >= edge).astype(jnp.int32)
        if self.drifts:
            elapsed = exponential(words[1]) / total
            return (event, elapsed), elapsed
        return event, (None if bound is not None else 1.0 / total)

    def apply(self, state, event):
        """Select the outcome of the chosen transition; K, the null event, leaves the state alone."""
        if self.drifts:
            event, elapsed = event
            state = self.drift(state, elapsed)
        leaves, structure = jax.tree.flatten(state)
        chosen = list(leaves)
        for k in range(len(self.rates(state))):
            outcome = jax.tree.leaves(self.jump(state, k))
            for i, (old, new) in enumerate(zip(leaves, outcome, strict=True)):
                if new is not old:
                    chosen[i] = jnp.where(event == k, new, chosen[i])
        return jax.tree.unflatten(structure, chosen)
