"""Policies that are asked at arrivals and at freed servers; nobody is preempted."""

import functools
import operator
from collections import defaultdict
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from jaxq.checks import FieldError
from jaxq.engine.initial import NAME, Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.once import once
from jaxq.engine.process import Scan
from jaxq.systems.parallel_servers.network.graph import Graph
from jaxq.systems.parallel_servers.network.schedule import Schedule
from jaxq.systems.parallel_servers.observables import by_pool, named_counts
from jaxq.systems.parallel_servers.policies.routers import Router
from jaxq.systems.parallel_servers.policies.selection_rules import NOBODY, Rule
from jaxq.systems.parallel_servers.processes.renewal import Renewal


class State(NamedTuple):
    """State of one replica; int32 but for the router's memory and the schedule."""

    busy: tuple  # servers of pool j with a customer of class i, by edge
    queues: tuple  # customers that wait, by line
    memory: Any  # of the router
    tagged: tuple  # arrivals tagged so far, by class; () where none ever is
    schedule: Any  # of the arrival rates; () where they are constant
    phases: tuple  # of the arrival processes; () where all are Poisson


class Event(NamedTuple):
    """A transition with what follows from it, worked out once, int32; elapsed is None without a real clock."""

    transition: Any
    line: Any  # that an arrival joins, or NOBODY
    start: Any  # the activity in which a service starts, or NOBODY
    charged: Any  # what the router is told, or NOBODY
    elapsed: Any


class Dispatch(MarkovProcess):
    """The compiled half of `ParallelServers` for policies with lines that servers draw from; see there.

    A line is of one class. An activity (line, edge) is how a server of a pool can take from a line. With one line a class
    there is one activity an edge; with one a stream routed to a pool, one a line. Transitions: abandonments by line,
    completions by edge, phases of the arrival processes that move, arrivals by stream (and by the phase in which the next
    one starts).
    """

    schedule: Schedule
    renewal: Renewal
    service_rates: Any  # mu_ij, by edge, shape (E,)
    servers: Any  # N_j, shape (J,)
    abandonment_rates: Any  # theta_i, shape (I,)
    takes: Rule  # how a freed server chooses its next customer
    router: Router
    graph: Graph = eqx.field(static=True)
    lines: tuple[int, ...] = eqx.field(static=True)  # the class of each
    activities: tuple[tuple[int, int], ...] = eqx.field(static=True)  # (line, edge)
    impatient: tuple[int, ...] = eqx.field(static=True)  # lines of classes with theta_i > 0

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        """A tile of 128 is as fast as 64, and compiled in half the time (loops over 64 are unrolled whole)."""
        return Scan(stride=5, tile=128, measured_at={f"virtual_area_{pool}": () for pool in self.graph.pools})

    @property
    def drifts(self):
        return self.router.drifts or self.schedule.switches

    def init(self, words):
        classes = self.abandonment_rates.shape[0]
        zero = jnp.int32(0)
        return State(
            (zero,) * len(self.graph.edges),
            (zero,) * len(self.lines),
            self.router.begin(words[0], self.graph),
            (zero,) * classes if self.router.tags else (),
            self.schedule.begin(),
            self.renewal.begin(),
        )

    def _beginning(self):
        """By the numbers that are observed; with a line a pool, by line. A second line of a pair is of the tagged, empty."""
        busy = {f"busy_{name}": Number() for name in self.graph.names()}
        of_class = len(self.lines) == len(self.graph.classes)
        waiting = [f"queue_{name}" for name in (self.graph.classes if of_class else self.graph.names())]
        return Beginning(busy | dict.fromkeys(waiting, Number()), self._begun)

    def _begun(self, state, given):
        """FieldError where more servers are busy than there are, or one is idle while somebody waits whom it would serve."""
        numbers, edges = [*given.values()], len(self.graph.edges)
        busy, queues = numbers[:edges], numbers[edges:]
        idle = self._idle(busy)
        for name, count, spare in zip(self.graph.pools, self.servers, idle, strict=True):
            if spare < 0:
                raise FieldError(NAME, ..., f"pool {name} has {count} servers, of which {count - spare} are busy")
        for line, e in self.activities:
            i, j = self.graph.edges[e]
            if line < len(queues) and queues[line] and idle[j]:
                who, where = self.graph.classes[i], self.graph.pools[j]
                words = f"{queues[line]} of class {who} wait while pool {where}, which serves them, has {idle[j]} idle"
                raise FieldError(NAME, ..., f"{words} servers; must be busy")
        return state._replace(busy=tuple(busy), queues=(*queues, *state.queues[len(queues) :]))

    @property
    def _first_edge(self) -> int:
        return len(self.impatient)

    @property
    def _first_move(self) -> int:
        return len(self.impatient) + len(self.graph.edges)

    def _streams(self, state):
        return self.router.streams(self.schedule.arrival_rates(state.schedule), self.graph)

    def _arrives(self, state, k) -> list:
        """Whether transition k is an arrival of each stream."""
        arrivals = self.renewal.arrivals([i for i, _ in self._streams(state)])
        first, found = self._first_move + len(self.renewal.moves), {}
        for place, (stream, _, _) in enumerate(arrivals, first):
            found[stream] = (k == place) | found[stream] if stream in found else k == place
        return list(found.values())

    def rates(self, state):
        return (
            *[self.abandonment_rates[self.lines[line]] * state.queues[line] for line in self.impatient],
            *[self.service_rates[e] * busy for e, busy in enumerate(state.busy)],
            *self.renewal.move_rates(state.phases, self.schedule.arrival_rates(state.schedule)),
            *self.renewal.arrival_rates(state.phases, self._streams(state)),
        )

    def drift(self, state, elapsed):
        memory, schedule = self.router.drift(state.memory, elapsed), self.schedule.drift(state.schedule, elapsed)
        return state._replace(memory=memory, schedule=schedule)

    def next_switch(self, state):
        return self.schedule.next_switch(state.schedule)

    def next_event(self, state, words):
        event, weight = super().next_event(state, words)
        k, elapsed = event if self.drifts else (event, None)
        return self._consequences(state if elapsed is None else self.drift(state, elapsed), k, elapsed), weight

    def update(self, state, event):
        return self._after(state if event.elapsed is None else self.drift(state, event.elapsed), event)

    def transition(self, state, k):
        event = self._consequences(state, k)
        return self._after(state, event._replace(line=once(event.line), start=once(event.start)))

    def _consequences(self, state, k, elapsed=None) -> Event:
        idle = self._idle(state.busy)
        line = start = charged = jnp.int32(NOBODY)
        for j in range(len(idle)):
            mine = self.graph.of_pool(j)
            freed = (k >= self._first_edge + mine[0]) & (k <= self._first_edge + mine[-1])
            waiting = {activity: state.queues[q] for activity, (q, e) in enumerate(self.activities) if e in mine}
            start = jnp.where(freed, self.takes.pick(waiting), start)
        for stream, arrives in enumerate(self._arrives(state, k)):
            routed = self.router.route(state.memory, stream, idle, self.graph)
            line, start, charged = (
                jnp.where(arrives, new, old) for new, old in zip(routed, (line, start, charged), strict=True)
            )
        return Event(k, line, start, charged, elapsed)

    def _after(self, state, event: Event):
        started, left = defaultdict(list), defaultdict(list)  # by edge, and by line: an event does one of these at most
        for activity, (line, e) in enumerate(self.activities):
            starts = event.start == activity
            started[e].append(starts)
            left[line].append(starts)
        for place, line in enumerate(self.impatient):
            left[line].append(event.transition == place)
        busy, queues = list(state.busy), list(state.queues)
        for e in range(len(busy)):
            busy[e] = busy[e] - (event.transition == self._first_edge + e)
        for line in range(len(queues)):
            queues[line] = queues[line] + (event.line == line)
        for e, any_of in started.items():
            busy[e] = busy[e] + functools.reduce(operator.or_, any_of)
        for line, any_of in left.items():
            queues[line] = queues[line] - functools.reduce(operator.or_, any_of)
        arrives = self._arrives(state, event.transition) if state.tagged else []
        tagged = tuple(count + (arrives[i] & (event.charged == NOBODY)) for i, count in enumerate(state.tagged))
        memory = self.router.after(state.memory, event.charged, self.graph)
        classes = [i for i, _ in self._streams(state)]
        phases = self.renewal.after(state.phases, event.transition, self._first_move, classes)
        return State(tuple(busy), tuple(queues), memory, tagged, state.schedule, phases)

    def _idle(self, busy) -> list:
        """Idle servers by pool."""
        return [self.servers[j] - used for j, used in enumerate(self.graph.by_pool(busy))]

    def observe(self, state):
        queues = dict.fromkeys(self.graph.classes, 0)
        for waiting, i in zip(state.queues, self.lines, strict=True):
            queues[self.graph.classes[i]] += waiting
        counts = named_counts(state.busy, queues, self._idle(state.busy), self.graph)
        return counts | by_pool(self.router.virtual(state.memory), self.graph.pools)

    def tally(self, state, event):
        return by_pool(self.router.area(state.memory, event.elapsed), self.graph.pools) if self.drifts else {}

    def counters(self, state):
        return {f"tagged_{name}": count for name, count in zip(self.graph.classes, state.tagged, strict=False)}
