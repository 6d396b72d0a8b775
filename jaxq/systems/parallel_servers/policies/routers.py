"""What becomes of an arrival: which line it joins, and whether a server takes it at once."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp

from jaxq.systems.parallel_servers.network.graph import Graph
from jaxq.systems.parallel_servers.policies.selection_rules import NOBODY, Rule


class Routed(NamedTuple):
    """Where an arrival goes, int32."""

    line: Any  # the line that it joins; `NOBODY`: it is turned away
    start: Any  # the activity in which it is served at once (`Dispatch.activities`), or `NOBODY`
    charged: Any  # what `Router.after` is told, or `NOBODY`


class Router(eqx.Module):
    """A pure function of its parameters, its memory, the stream that arrives and the idle servers.

    A stream is a class, or an edge of the graph where arrivals are split at random.
    """

    tags: ClassVar[bool] = False
    """Whether arrivals that are not charged count as tagged."""
    drifts: ClassVar[bool] = False
    """Whether the memory moves between events."""

    def streams(self, arrival_rates, graph: Graph) -> list:
        """(class, arrival rate) of each stream: the classes themselves, unless split."""
        return list(enumerate(arrival_rates))

    def begin(self, word, graph: Graph) -> Any:
        """The memory at time 0, a pytree of scalars; ``word``: uint32, random."""
        return ()

    @abstractmethod
    def route(self, memory, stream: int, idle: list, graph: Graph) -> Routed:
        """What becomes of an arrival of a stream; ``idle``: by pool."""

    def after(self, memory, charged, graph: Graph) -> Any:
        """The memory after an event; ``charged`` is `NOBODY` unless an arrival was charged."""
        return memory

    def drift(self, memory, elapsed) -> Any:
        """The memory ``elapsed`` time later."""
        return memory

    def virtual(self, memory) -> dict[str, tuple]:
        """What is observed of the memory: by name, a number a pool."""
        return {}

    def area(self, memory, elapsed) -> dict[str, tuple]:
        """The integral over the time to the next event of what drifts: by name, a number a pool."""
        return {}


class JoinIdlePool(Router):
    """One line a class: an arrival takes an idle server of the pool that ``joins`` picks, or waits."""

    joins: Rule

    def route(self, memory, stream, idle, graph):
        mine = {e: idle[graph.edges[e][1]] for e in graph.of_class(stream)}
        return Routed(jnp.int32(stream), self.joins.pick(mine), jnp.int32(NOBODY))


class RandomRouting(Router):
    """Static random splitting: an arrival of class i joins the line of pool j with probability p_ij (by edge)."""

    probabilities: Any

    def streams(self, arrival_rates, graph: Graph):
        return [(i, arrival_rates[i] * self.probabilities[e]) for e, (i, _) in enumerate(graph.edges)]

    def route(self, memory, stream, idle, graph):
        line = jnp.int32(stream)
        return Routed(line, served_at_once(line, stream, idle, graph), jnp.int32(NOBODY))


def served_at_once(line, edge, idle: list, graph: Graph):
    """The activity in which an arrival that joins a line of the pool of ``edge`` is served at once, if a server is idle."""
    if isinstance(edge, int):
        return jnp.where(idle[graph.edges[edge][1]] > 0, line, NOBODY)
    free = sum((edge == e) & (idle[j] > 0) for e, (_, j) in enumerate(graph.edges))
    return jnp.where(free, line, NOBODY)
