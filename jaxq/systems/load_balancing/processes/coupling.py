"""The coupling of Proposition 7.1: a policy and the modified system on the same arrivals and potential departures.

Printed slip corrected here: with the pair (j, i) chosen as in Eq. 7.15, the largest i with U <= sum_k mu_k Q_{k,i} /
C and the least j with U <= sum_{k <= j} mu_k Q_{k,i} / C, a server of type j with exactly i jobs does not serve at
rate mu_j: part of the interval of type 1 belongs to level i + 1. The level of a departure is right, which is all that
the proof uses; the type is chosen here by what is left of U above level i + 1, in the order of the types.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxq import random
from jaxq.engine.fields import choice
from jaxq.engine.process import Scan
from jaxq.engine.system import System
from jaxq.systems.load_balancing.processes.level_counts import LevelCounts
from jaxq.systems.load_balancing.processes.lower_bound import service_rate


class State(NamedTuple):
    """State of one replica, int32."""

    levels: tuple  # of the policy: servers of each type with at least 1, ..., B jobs
    lost: Any  # its arrivals that no level counts
    one: Any  # of the modified system: queues with at least one job
    two: Any  # with two
    violations: tuple  # events after which it has more jobs, more waiting jobs than the policy


class Event(NamedTuple):
    """What one event changes, int32."""

    joins: Any  # place in `Coupled.joined` of the cell that an arrival joins under the policy; -1: none
    leaves: Any  # place in `Coupled.left` of the cell that a job leaves; the number of places: none
    one: Any  # changes of the modified system
    two: Any


class Coupled(System):
    """A policy on counts and the modified system, event by event.

    Formula: an event is an arrival to both, or a potential departure with one U: from level i of the policy's system (the
    deepest first) where U falls into its part of [0, C], and from a queue of two jobs of the modified system if U <=
    mu~(Q_2), of one job if U <= mu~(Q_1). Then Q~_1 + Q~_2 <= Q_1 + Q_{+2} and Q~_2 <= Q_{+2} after every event.

    ``coupling``: ``proposition`` is this one. ``independent`` and ``reversed`` have the same law on each side and are the
    controls: the policy's departures have a U of their own, or C - U. Rates that are multiples of a power of two make the
    comparison of U exact in float32.

    Counters: jobs_violations and waiting_violations, events after which the modified system has more.
    """

    original: LevelCounts
    coupling: str = choice(
        "how departures are coupled", ("proposition", "independent", "reversed"), default="proposition"
    )

    words = 3
    scan = Scan(stride=5)

    @property
    def joined(self):
        """Cells (j, i) in the order in which the policy likes them."""
        return [cell for group in self.original.groups for cell in group]

    @property
    def left(self):
        """Cells with jobs, the deepest first."""
        return [(j, i) for i in range(self.original.levels, 0, -1) for j in range(self.original.types)]

    def step_time(self):
        return 1.0 / float(self.original.total_rate_bound())

    def init(self, words):
        levels, lost = self.original.init(words)
        return State(levels, lost, sum(mine[0] for mine in levels), jnp.int32(0), (jnp.int32(0),) * 2)

    def next_event(self, state, words):
        policy = self.original
        arrival, bound = policy.arrival_rate, policy.total_rate_bound()
        position = random.scaled(words[0], jnp.asarray(bound, jnp.float32))
        arrives, departure = position < arrival, position - arrival
        capacity = bound - arrival
        held = policy.held((state.levels, state.lost))
        before, edges, chances = 0.0, [], policy.joins(held)
        for cell in self.joined:
            before = before + chances[cell]
            edges.append(before)
        place = random.uniform(words[1]) * before  # the sum of the chances is 1 up to rounding
        joins = jnp.where(arrives, _places(place, edges[:-1]), -1)
        own = {"proposition": departure, "reversed": capacity - departure}.get(self.coupling)
        own = random.scaled(words[2], jnp.asarray(capacity, jnp.float32)) if own is None else own
        before, edges = 0.0, []
        for j, i in self.left:
            before = before + policy.rates_of_types[j] * held[j][i]
            edges.append(before)
        leaves = jnp.where(arrives, len(self.left), _places(own, edges))
        servers = sum(policy.servers[j] for j in range(policy.types))
        fastest = functools.partial(service_rate, rates=policy.rates_of_types, servers=policy.servers)
        from_two = ~arrives & (departure < fastest(state.two))
        from_one = ~arrives & ~from_two & (departure < fastest(state.one))
        to_one = arrives & (state.one < servers)
        to_two = arrives & ~to_one & (state.two < servers)
        one, two = (up.astype(jnp.int32) - down for up, down in ((to_one, from_one), (to_two, from_two)))
        return Event(joins, leaves, one, two), None

    def update(self, state, event):
        joins = {cell: event.joins == k for k, cell in enumerate(self.joined)}
        leaves = {cell: event.leaves == k for k, cell in enumerate(self.left)}
        levels = tuple(
            tuple(count + joins[j, i] - leaves[j, i + 1] for i, count in enumerate(mine))
            for j, mine in enumerate(state.levels)
        )
        lost = sum((joins[j, self.original.levels] for j in range(self.original.types)), state.lost)
        one, two = state.one + event.one, state.two + event.two
        busy, waiting = _jobs(levels)
        jobs, queued = state.violations
        return State(levels, lost, one, two, (jobs + (one + two > busy + waiting), queued + (two > waiting)))

    def observe(self, state):
        busy, waiting = _jobs(state.levels)
        return {
            "jobs": busy + waiting,
            "least_jobs": state.one + state.two,
            "waiting": waiting,
            "least_waiting": state.two,
        }

    def counters(self, state):
        return {"jobs_violations": state.violations[0], "waiting_violations": state.violations[1]}

    def overflow(self, state):
        return state.lost > 0


def _places(position, edges):
    """Edges at or below the position, int32."""
    return sum(((position >= edge).astype(jnp.int32) for edge in edges), jnp.int32(0))


def _jobs(levels):
    """Busy servers and waiting jobs."""
    return sum(mine[0] for mine in levels), sum(count for mine in levels for count in mine[1:]) + jnp.int32(0)
