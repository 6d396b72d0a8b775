"""Jump processes: specify the rates and the jumps; the engine derives the rest.

With a bound on the total rate the chain is uniformised: one word an event, no clock, constant weight 1/bound.
Without one it is the embedded chain with the conditional mean holding time 1/total rate as weight. Multiplying either
weight by a unit exponential gives the real clock (`paths`); the same two methods give `exact`. A process with `drift`
always runs on the real clock: a second word an event gives the sampled holding time, which is its weight. If its rates
change by themselves at given times (`next_switch`), the wait for the next jump is drawn anew there.

The jumps are said in one of two ways: `jump`, what transition k does, for a few transitions that touch little each; or
`transition`, the state after a transition that is known at run time only, for many transitions that do alike things.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxq.engine.clock import Clock, Embedded, RealTime, Uniformised
from jaxq.engine.process import Process, State
from jaxq.engine.system import System
from jaxq.random import scaled


def rate_slack(transitions: int) -> float:
    """The relative excess of a total rate over its bound that float32 may explain."""
    return 1e-6 + transitions * 2.0**-23


class MarkovProcess(Process):
    """A continuous-time Markov chain with K transitions: the engine derives its steps.

    Write the rates so that an impossible transition has rate 0. Routing that needs randomness is split into
    transitions (rate x probability). The order of the transitions does not matter: an event is chosen on the float32 sums
    of the rates, which know a rate to 2**-24 of those before it, so transitions that are rare in every state of a short walk
    are summed first and chosen with a second word (`jaxq.engine.rarity`). A process whose transitions are rare in most
    states but not in all should name these first itself.
    """

    _order: tuple[int, ...] | None = eqx.field(static=True, init=False, default=None)
    """The transitions in the order in which their rates are summed, where that is not their own; set by the engine."""

    signed: ClassVar[bool] = False
    """Whether whole-number components of the state may become negative; that is refused otherwise."""

    @abstractmethod
    def rates(self, state: State) -> tuple:
        """The K transition rates in ``state``, a tuple of scalars, 1/time."""

    def jump(self, state: State, k: int) -> State:
        """The state after transition ``k`` (a Python int). Return components that do not change as the same objects:
        only those that differ are selected in the compiled step."""
        if type(self).transition is MarkovProcess.transition:
            raise TypeError(f"{type(self).__name__} must define jump(state, k) or transition(state, k)")
        return self.transition(state, k)

    def transition(self, state: State, k: Any) -> State:
        """The state after transition ``k``, an int32 of the compiled step or a Python int; the null event K changes nothing.

        The default selects among all jumps, which costs every component one selection a jump that touches it. Define it
        instead of `jump` where the jumps are alike: ``count + (k == 3)`` moves a component, whatever ``k`` is.
        """
        leaves, structure = jax.tree.flatten(state)
        chosen = list(leaves)
        for event in range(len(self.rates(state))):
            # a tree of its own, as a jump may change a list or dict in place
            outcome = jax.tree.leaves(self.jump(jax.tree.unflatten(structure, leaves), event))
            for i, (old, new) in enumerate(zip(leaves, outcome, strict=True)):
                if new is not old:
                    chosen[i] = jnp.where(k == event, new, chosen[i])
        return jax.tree.unflatten(structure, chosen)

    def total_rate_bound(self) -> Any:
        """An upper bound of the total rate over all states, 1/time; None where there is none."""
        return None

    def count_states(self) -> int | None:
        """How many states can be reached, at least, where it is known beforehand: `exact` then refuses too many at once."""
        return None

    def drift(self, state: State, elapsed) -> State:
        """What moves between jumps: the state ``elapsed`` time later, if no jump happens. It must not move what `rates`
        or `observe` reads (a time average takes the state at the start of the interval for all of it). Defining it puts
        the process on the real clock."""
        return state

    def next_switch(self, state: State) -> Any:
        """Time from ``state`` until the rates next change deterministically (> 0), given no jump before then. `drift`
        applies the change and must reset this time to a positive value. None, the default: the rates never change by
        themselves. Only with `drift`."""
        return None

    @property
    def drifts(self) -> bool:
        """Whether something moves between jumps. TypeError where `next_switch` is defined and `drift` is not."""
        drifts = type(self).drift is not MarkovProcess.drift
        if not drifts and type(self).next_switch is not MarkovProcess.next_switch:
            raise TypeError(f"{type(self).__name__} defines next_switch, so it must define drift(state, elapsed)")
        return drifts

    def clock(self) -> Clock:
        """How time runs: really if the process drifts, else uniformised if the total rate has a bound, else embedded."""
        if self.drifts:
            return RealTime()
        bound = self.total_rate_bound()
        return Embedded() if bound is None else Uniformised(bound)

    def in_order(self, order: tuple[int, ...]) -> Self:
        """A copy that sums its rates in this order, a permutation of the transitions, and chooses with two words."""
        leaves, structure = jax.tree.flatten(self)
        copy = jax.tree.unflatten(structure, leaves)
        object.__setattr__(copy, "_order", order)
        return copy

    @property
    def words(self) -> int:
        """One to choose, one for the holding time of a process that drifts, one more to choose where some are rare."""
        return 1 + self.drifts + (self._order is not None)

    def step_time(self):
        return self.clock().step_time()

    def _invalid_rates(self, state):
        rates, bound = self.rates(state), self.clock().bound
        total, slack = jnp.asarray(sum(rates[1:], rates[0]), jnp.float32), rate_slack(len(rates))
        # written so that nan is invalid
        valid = total < jnp.inf if bound is None else total <= bound * (1 + slack)
        for rate in rates:
            valid &= rate >= -slack * total
        return ~valid

    def next_event(self, state, words):
        rates, clock = self.rates(state), self.clock()
        total = clock.total(rates)
        order = range(len(rates)) if self._order is None else self._order
        second = None if self._order is None else words[-1]
        position = scaled(words[0], jnp.asarray(total, jnp.float32), second)
        event, edge = jnp.int32(order[0]), 0.0
        for k, following in zip(order, (*order[1:], len(rates)), strict=True):
            edge = edge + rates[k]
            event = jnp.where(position >= edge, following, event)
        elapsed = clock.holding_time(total, words)
        if not self.drifts:
            return event, elapsed
        switch = self.next_switch(state)
        if switch is not None:
            event = jnp.where(elapsed < switch, event, len(rates))
            elapsed = jnp.minimum(elapsed, switch)
        return (event, elapsed), elapsed

    def update(self, state, event):
        if self.drifts:
            event, elapsed = event
            state = self.drift(state, elapsed)
        return self.transition(state, event)


class JumpProcess(System, MarkovProcess):
    """A Markov process of a user's own, model and process in one: declare the fields, say the rates and the jumps."""
