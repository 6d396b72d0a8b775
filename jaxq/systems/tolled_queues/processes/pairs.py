"""One tolled queue beside pairs of itself that part at a threshold, from which derivatives of its means follow without bias.

What moves continuously with a parameter is carried along the path (`jaxq.engine.pathwise`). A customer's choice jumps: it
joins while the work W that it finds is at most a threshold. Given the past, either its size or the gap before it has a
density g, so that the choice flips at a value y of that with weight g(y) dy/dtheta. Born there are two paths that differ in
this choice alone. They see the same customers from then on, until both have the same work.

Source: Gong and Ho (1987), IEEE Transactions on Automatic Control 32(10), 858-866 (smoothed perturbation analysis).
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.alternatives import Alternatives
from jaxq.engine.integrands import as_float
from jaxq.engine.outline import sums_of
from jaxq.engine.parameter import along_moving, moves, moving_leaves
from jaxq.engine.pathwise import Pathwise
from jaxq.engine.process import Process, Scan
from jaxq.laws.standard import Deterministic
from jaxq.systems.tolled_queues.arrivals import Renewal
from jaxq.systems.tolled_queues.processes.customer import Customer

PAIRS = 5
"""That are kept, however many parameters there are: one pair serves all of them."""
NEAR = 1e-6
"""Relative distance from an empty server at which a threshold counts as none."""


class Pair(NamedTuple):
    """Two paths: the work before the server of the one that balked, and what the one that joined has more; float32."""

    work: Any
    more: Any

    @property
    def works(self) -> tuple:
        """Of both, the one that balked first."""
        return self.work, self.work + self.more


class Step(NamedTuple):
    """An event: of x with its derivatives; what both paths of each pair add, the newborn's last; the newborn."""

    of_x: tuple
    customer: Customer
    added: tuple
    born: Pair
    plan: Any
    created: tuple


class WorkloadsBesidePairs(Alternatives):
    """`Workloads` of one server beside S pairs; state: its own, its derivatives, the work just after the customer before
    with its derivatives, the S + 1 pairs, the weights of each."""

    path: Pathwise
    scales: Any
    by_size: bool = eqx.field(static=True)  # whether choices flip with the density of the size, or of the gap before
    slots: int = eqx.field(static=True)

    transitions: int = eqx.field(static=True, default=1)

    @property
    def process(self) -> Any:
        """`Workloads`."""
        return self.path.process

    @property
    def words(self):
        return self.path.words + 1

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return Scan(tile=128, init_words=self.process.scan.init_words)

    def init(self, words):
        zero = jnp.float32(0)
        x, slopes = self.path.init(words)
        weights = (zero,) * len(slopes)
        return x, slopes, (zero, weights), (Pair(zero, zero),) * (self.slots + 1), (weights,) * (self.slots + 1)

    def next_event(self, state, words):
        (work, stream), slopes, before, pairs, weights = state
        *mine, word = words
        of_x, gap = self.path.next_event(((work, stream), slopes), tuple(mine))
        customer = self.process.drawn(stream, tuple(mine))
        born, size, created = self._born(work, stream, slopes, before, customer)
        added = [tuple(self.process.added((w,), stream, customer)[0] for w in pair.works) for pair in pairs]
        plan = self._plan([p.more != 0 for p in pairs], [jnp.bool_(False)] * self.slots, weights, word)
        return Step(of_x, customer, (*added, (jnp.float32(0), size)), born, plan, created), gap

    def _born(self, work, stream, slopes, before, customer):
        """(a pair as its customer finds it, the size of that customer, the weights)."""
        kind, process = customer.kind, self.process

        def threshold(process):
            return process.of_class(kind, process.thresholds[:, 0])

        def unit_size(process, found):
            return (threshold(process) - found) / process.of_class(kind, process.mean_sizes)

        def unit_gap(process, left):
            most = threshold(process) - process.of_class(kind, process.mean_sizes)
            return (left - most) / (process.rates[0] * process.mean_gap)

        if self.by_size:
            found, sign, law = work[0], 1.0, process.size_law
            at, pushed = self.path.along(unit_size, found, [slope[:1] for slope in slopes])
            size = jnp.maximum(at, 0.0) * customer.mean
            flips = (at > 0) & self.process.arrivals.customer(stream)
        else:
            (left, moved), sign, law, size = before, -1.0, process.arrivals.law, customer.size
            at, pushed = self.path.along(unit_gap, left, [[slope] for slope in moved])
            found = threshold(process) - customer.mean
            flips = (at > 0) & (found >= 0)
        density = jnp.where(flips, sign * law.density(jnp.maximum(at, 0.0)), 0.0)
        return Pair(jnp.maximum(found, 0.0), jnp.float32(0)), size, tuple(density * slope for (slope,) in pushed)

    def update(self, state, event):
        x, slopes, _, pairs, weights = state
        (added, *_), _, pushed = event.of_x
        kept = []
        for s in range(self.slots):
            replaced = self._replaced(event.plan, s)
            pair, adds = jax.tree.map(
                lambda new, old, here=replaced: jnp.where(here, new, old),
                (pairs[-1], event.added[self.slots]),
                (pairs[s], event.added[s]),
            )
            kept.append(self._served(pair, adds, event.customer.gap))
        kept.append(self._served(event.born, event.added[-1], event.customer.gap))
        left = x[0][0] + added[0], tuple(slope[0] + rise[0] for slope, rise in zip(slopes, pushed, strict=True))
        weights = self._weighed(event.plan, weights, event.created)
        return (*self.path.update((x, slopes), event.of_x), left, tuple(kept), weights)

    def _served(self, pair: Pair, added, gap) -> Pair:
        """A pair as the next customer finds it. What one has more is exact until one of them is idle, so that whole sizes
        can make them meet."""
        low, more = pair.work + added[0] - gap * self.process.rates[0], pair.more + added[1] - added[0]
        after = jnp.maximum(low, 0.0)
        return Pair(after, jnp.where(jnp.minimum(low, low + more) > 0, more, jnp.maximum(low + more, 0.0) - after))

    def observe(self, state):
        *_, pairs, weights = state
        return {"mass": self._mass(self._alive([pair.more != 0 for pair in pairs], weights))}

    def tally(self, state, event):
        """Of a sum its derivative along the path, and the weights times what those who joined have more in this event."""
        x, slopes, _, pairs, weights = state
        found = self.path.tally((x, slopes), event.of_x) | {"created": self._size(event.created)}
        paths = zip((*pairs, event.born), event.added, (*weights, event.created), strict=True)
        for pair, added, weight in paths:
            balked, joined = (
                self.process.tally(((work,), x[1]), ((adds,), *self.process.rest(event.customer)))
                for work, adds in zip(pair.works, added, strict=True)
            )
            for name in joined:
                more = as_float(joined[name]) - as_float(balked[name])
                for p, w in enumerate(weight):
                    found[f"{p}|t:{name}"] += w * more
        return found

    def at(self, process: Process, slopes) -> "WorkloadsBesidePairs":
        """The same program with other parameters."""
        return dataclasses.replace(self, path=self.path.at(process, slopes))


def beside_pairs(process: Any, scales, slopes) -> WorkloadsBesidePairs:
    """`Workloads` beside pairs; arguments as `Process._beside_alternatives`.

    Raises:
        FieldError: there are several servers; sizes are visible and have no density that is known and bounded; neither sizes
            nor gaps have one; a parameter moves a law, or which class a customer is of; customers are indifferent to an
            empty server.
    """
    size, gaps, visible = process.size_law, process.arrivals, process.information == "workload"
    by_size = visible and size.dense
    if process.servers > 1:
        raise _refused("has several servers, and which one is joined does not change with a density")
    if visible and not by_size and not isinstance(size, Deterministic):
        raise _refused(f"has sizes by {size}, whose density is not known or not bounded")
    if not by_size and not (isinstance(gaps, Renewal) and gaps.law.dense):
        raise _refused(f"has arrivals by {gaps}, whose gaps have no density that is known and bounded")
    for slope in slopes:
        of = jax.tree.unflatten(jax.tree.structure(process), slope)
        if any(map(moves, jax.tree.leaves((of.size_law, of.arrivals)))):
            raise _refused("has a law that the parameter moves")
        if process.classes > 1 and (moves(of.mean_gap) or not any(map(moves, slope))):
            raise _refused("has several classes, and the parameter moves of which one a customer is")
        if not by_size:
            _check_empty(process, of)
    moving = moving_leaves(slopes)
    path = Pathwise(process, along_moving(slopes, moving), moving, frozenset(sums_of(process)[1]), ())
    return WorkloadsBesidePairs(path=path, scales=scales, by_size=by_size, slots=PAIRS)


def _check_empty(process: Any, slope: Any):
    """FieldError where a class is indifferent to an empty server, which has a probability of its own, and the parameter
    decides that."""
    sizes = process.mean_sizes
    at_empty = np.abs(process.thresholds[:, 0] - sizes) <= NEAR * sizes
    if np.any(at_empty & (slope.thresholds[:, 0] != slope.mean_sizes)):
        raise _refused("has customers who are indifferent to an empty server here, so that its means jump")


def _refused(why: str) -> FieldError:
    return FieldError("method", "coupling: tolled-queues", why)
