"""What is common to processes that run beside alternatives to themselves (`jaxq.engine.coupled`): where newborns go, and
what becomes of the weights."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.process import Process
from jaxq.random import uniform

TINY = 1e-30


class Alternatives(Process):
    """A process x with S alternatives in places, and the newborn of the event before, whose fate is decided one event later
    from carried states alone. Each has a weight by parameter; weights are lists by path, the newborn last.

    ``plan``, int32: bits 0..S-1: path s has met x. Above: 0 nothing; 1 + s: the newborn joins s; 1 + S + s: it replaces s;
    1 + 2 S + s: s stays. ``grow``: the factor on the weight that survives where all places are taken.
    """

    slots: eqx.AbstractVar[int]
    scales: eqx.AbstractVar[Any]  # (P,) what makes parameters comparable, |theta|

    transitions: eqx.AbstractVar[int]  # that a newborn may have made

    kind = "coupling"
    without = ()
    automatic: ClassVar[bool] = True
    """Whether it is taken without being asked for."""

    @property
    def size(self) -> int:
        """Transitions times paths, by which compile time grows."""
        return (self.slots + 2) * self.transitions

    @abstractmethod
    def at(self, process: Process, slopes: Sequence[list]) -> "Alternatives":
        """The same program with other parameters. ValueError where these move what was still before."""

    def _size(self, weights):
        return sum(self.scales[p] * jnp.abs(v) for p, v in enumerate(weights))

    def _plan(self, apart, alike, weights, word):
        """(plan, grow), by whether each path is apart from x, whether each place holds what the newborn is, and a word."""
        slots = self.slots
        size = [jnp.where(there, self._size(w), 0.0) for there, w in zip(apart, weights, strict=True)]
        total = size[-1]
        met = sum((~there).astype(jnp.int32) << s for s, there in enumerate(apart[:-1]))
        joins = jnp.int32(0)
        for s in reversed(range(slots)):
            joins = jnp.where(alike[s] & (size[s] > 0), 1 + s, joins)
        least, target = size[0], jnp.int32(0)
        for s in range(1, slots):
            target, least = jnp.where(size[s] < least, s, target), jnp.minimum(least, size[s])
        take = uniform(word) * (least + total) < total
        action = jnp.where(joins > 0, joins, 1 + target + jnp.where(take, slots, 2 * slots))
        grow = (least + total) / jnp.maximum(jnp.where(take, total, least), TINY)
        return met | jnp.where(total > 0, action, 0) << slots, grow

    def _replaced(self, plan, s: int):
        """Whether the newborn takes place s."""
        return plan >> self.slots == 1 + self.slots + s

    def _weighed(self, plan, grow, weights, created):
        """The weights after an event that follows a plan and creates a newborn."""
        slots, action, after = self.slots, plan >> self.slots, []
        for s in range(slots):
            replaced, joined = self._replaced(plan, s), action == 1 + s
            met, grown = (plan >> s) & 1, replaced | (action == 1 + 2 * slots + s)
            mine = []
            for old, new in zip(weights[s], weights[slots], strict=True):
                old = jnp.where(met == 1, 0.0, old)
                found = jnp.where(replaced, new, jnp.where(joined, old + new, old))
                mine.append(found * jnp.where(grown, grow, 1.0))
            after.append(tuple(mine))
        return (*after, created)

    def _mass(self, apart, weights):
        """The weight of the alternatives that are apart from x, which tells how long one lasts."""
        alive = [jnp.where(there, self._size(w), 0.0) for there, w in zip(apart, weights, strict=True)]
        return sum(alive[:-1])


def first_of(v, sizes):
    """(the first of these sizes, laid end to end, that holds v, or how many there are; v less its left end)."""
    k, off, edge = jnp.int32(0), v, 0.0
    for size in sizes:
        edge = edge + size
        passed = v >= edge
        k, off = k + passed.astype(jnp.int32), jnp.where(passed, v - edge, off)
    return k, off


def pick(k, values):
    """The k-th of some values, the last one beyond."""
    found = jnp.float32(values[-1])
    for i, x in enumerate(values[:-1]):
        found = jnp.where(k == i, x, found)
    return found
