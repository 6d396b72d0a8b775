"""Parallel queues one by one: a vector of queue lengths, O(d) an event, for policies that let queues grow deep."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxq import random
from jaxq.engine.bits import Bits
from jaxq.engine.entry import add_at
from jaxq.engine.fields import whole
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.process import Process, Scan
from jaxq.systems.load_balancing.policy import Policy, compare

MOST_QUEUED = 2**30


class State(NamedTuple):
    """State of one replica; counts change by at most one an event."""

    jobs: jax.Array  # (n,) int32, type by type
    busy: tuple  # servers of each type with at least one job
    two: jax.Array  # type-1 servers with at least two jobs
    waiting: jax.Array  # jobs that wait
    turn: Any  # of the cycle, int32, where servers come in turn; None


class Event(NamedTuple):
    """The server touched, and all that changes as one word, worked out once: bits of `CHANGES`, above them the type."""

    server: jax.Array
    changes: jax.Array


CHANGES = Bits("joins", "leaves", "gets_busy", "gets_idle", "gets_two", "gets_one")


class ServerQueues(Process):
    """The compiled half of `LoadBalancing` for random routing, the power of d choices, and servers in turn; see there.

    Words of an event: which (an arrival, or a service at a type), the tie, and one for each server drawn. A cycle begins at
    a random turn, so that no server is ahead of others on average.
    """

    arrival_rate: float
    total_rate: float
    rates_of_types: Any  # mu_j, shape (M,)
    first: Any  # index of the first server of each type, and n: shape (M + 1,)
    kinds: Any  # words of a service at each type, an arrival beyond (`edges`), uint32, shape (M,)
    routing: Any  # words of each type in a draw (`edges`), uint32, shape (M - 1,); None: any server alike
    order: Any  # the server of each turn, shape (turns,); None: all are in it once, as they are, or are drawn
    policy: Policy = eqx.field(static=True)
    servers: int = whole("servers", static=True)

    scan = Scan(stride=5)

    @property
    def words(self):
        if self.policy.rule.cyclic:
            return 2
        return 2 + (2 if self.routing is not None else 1) * max(self.policy.draws, 1)

    @property
    def types(self):
        return self.kinds.shape[0]

    def step_time(self):
        return 1.0 / float(self.total_rate)

    def init(self, words):
        zero = jnp.int32(0)
        turn = random.below(words[0], self.turns)[0] if self.policy.rule.cyclic else None
        return State(jnp.zeros(self.servers, jnp.int32), (zero,) * self.types, zero, zero, turn)

    @property
    def turns(self) -> int:
        """Of a cycle."""
        return self.servers if self.order is None else self.order.shape[0]

    def _beginning(self):
        return Beginning({"jobs": Number(MOST_QUEUED // self.servers, self.servers)}, self._begun)

    def _begun(self, state, given):
        jobs: Any = np.array(given["jobs"])
        of_type = np.split(jobs, self.first[1:-1])
        busy = tuple((mine > 0).sum() for mine in of_type)
        return State(jobs, busy, (of_type[0] > 1).sum(), np.maximum(jobs - 1, 0).sum(), state.turn)

    def next_event(self, state, words):
        kind = sum((words[0] >= self.kinds[j]).astype(jnp.int32) for j in range(self.types)) + jnp.int32(0)
        arrival = kind == self.types
        joined = self._joined(state, words[1], words[2:])
        served = jnp.minimum(kind, self.types - 1)
        size = self.first[served + 1] - self.first[served]
        server = jnp.where(arrival, joined, self.first[served] + random.below(words[1], size, most=self.servers)[0])
        jobs = state.jobs.at[server].get(mode="promise_in_bounds")
        leaves = ~arrival & (jobs > 0)
        changes = CHANGES.packed(
            joins=arrival,
            leaves=leaves,
            gets_busy=arrival & (jobs == 0),
            gets_idle=leaves & (jobs == 1),
            gets_two=arrival & (jobs == 1),
            gets_one=leaves & (jobs == 2),
        )
        return Event(server, changes | self._type(server) << len(CHANGES.names)), None

    def _joined(self, state: State, tie, words):
        """The server that an arrival joins."""
        if self.policy.rule.cyclic:
            return state.turn if self.order is None else self.order.at[state.turn].get(mode="promise_in_bounds")
        best, *others = self._drawn(words)
        if not others:
            return best
        rank, ties = self._rank(state, best), jnp.uint32(1)
        for other in others:
            theirs = self._rank(state, other)
            better, even = compare(theirs, rank)
            # the k-th of k even ones replaces the choice with probability 1/k
            ties = jnp.where(better, jnp.uint32(1), ties + even)
            pick, tie = random.below(tie, ties)
            take = better | (even & (pick == 0))
            best = jnp.where(take, other, best)
            rank = tuple(jnp.where(take, new, old) for new, old in zip(theirs, rank, strict=True))
        return best

    def _rank(self, state: State, server):
        rate = self.rates_of_types[0]
        for j in range(1, self.types):
            rate = jnp.where(server >= self.first[j], self.rates_of_types[j], rate)
        return self.policy.rule.rank(state.jobs.at[server].get(mode="promise_in_bounds"), rate)

    def _type(self, server):
        return sum((server >= self.first[j]).astype(jnp.int32) for j in range(1, self.types)) + jnp.int32(0)

    def _drawn(self, words):
        """The servers drawn, a scalar each."""
        d = self.policy.draws
        if self.routing is not None:
            found = []
            for k in range(d):
                kind = sum(
                    (words[2 * k] >= self.routing[j]).astype(jnp.int32) for j in range(self.types - 1)
                ) + jnp.int32(0)
                start, end = self.first[kind], self.first[kind + 1]
                earlier = [] if self.policy.rule.replacement else _sorted(found)
                before = sum(((s >= start) & (s < end)).astype(jnp.int32) for s in earlier)
                server = start + random.below(words[2 * k + 1], end - start - before, most=self.servers)[0]
                for s in earlier:  # distinct: those of this type are skipped
                    server = server + ((s >= start) & (server >= s)).astype(jnp.int32)
                found.append(server)
            return found
        if self.policy.rule.replacement or d == 1:
            return [random.below(word, self.servers)[0] for word in words[:d]]
        found = []
        for k in range(d):  # distinct: the k-th draw skips those before, in increasing order
            server = random.below(words[k], self.servers - k)[0]
            for earlier in _sorted(found):
                server = server + (server >= earlier).astype(jnp.int32)
            found.append(server)
        return found

    def update(self, state, event):
        joins, leaves, gets_busy, gets_idle, gets_two, gets_one = (
            CHANGES.of(event.changes, name) for name in CHANGES.names
        )
        kind, change = CHANGES.above(event.changes), joins - leaves
        busier = gets_busy - gets_idle
        return State(
            add_at(state.jobs, event.server, change),
            tuple(busy + busier * (kind == j) for j, busy in enumerate(state.busy)),
            state.two + (gets_two - gets_one) * (kind == 0),
            state.waiting + change - busier,
            None if state.turn is None else jnp.where(state.turn + joins == self.turns, 0, state.turn + joins),
        )

    def observe(self, state):
        return {
            **{f"busy_{j + 1}": busy for j, busy in enumerate(state.busy)},
            "two_1": state.two,
            "waiting": state.waiting,
            "all_busy": sum(state.busy) == self.servers,
        }

    def overflow(self, state):
        return state.waiting > MOST_QUEUED


def _sorted(values):
    """A few scalars in increasing order."""
    found = list(values)
    for i in range(len(found)):
        for k in range(len(found) - 1 - i):
            low, high = jnp.minimum(found[k], found[k + 1]), jnp.maximum(found[k], found[k + 1])
            found[k], found[k + 1] = low, high
    return found


def first_servers(servers: Int[np.ndarray, " types"]) -> Int[np.ndarray, " types+1"]:
    """Index of the first server of each type, and n, int64, shape (M + 1,)."""
    return np.concatenate([[0], np.cumsum(servers)])
