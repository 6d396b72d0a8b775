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

    ``plan``, int32: what becomes of the newborn. 4 s: it joins s; 4 s + 1: s stays in its stead; 4 s + 2: it takes s, which
    is free; 4 s + 3: it replaces s; 4 S: nothing.
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
        """The plan, by whether each path is apart from x, whether each place holds what the newborn is, and a word."""
        slots = self.slots
        size = [self._size(w) for w in self._alive(apart, weights)]
        total = size[-1]
        joins = none = jnp.int32(4 * slots)
        for s in reversed(range(slots)):
            joins = jnp.where(alike[s] & (size[s] > 0), 4 * s, joins)
        least, target = size[0], jnp.int32(0)
        for s in range(1, slots):
            target, least = jnp.where(size[s] < least, 4 * s, target), jnp.minimum(least, size[s])
        take = uniform(word) * (least + total) < total
        settled = target + jnp.where(least > 0, jnp.where(take, 3, 1), 2)
        return jnp.where(total > 0, jnp.where(joins < none, joins, settled), none)

    @property
    def _plan_bits(self) -> int:
        return (4 * self.slots).bit_length()

    def _replaced(self, plan, s: int):
        """Whether the newborn has place s from now on."""
        return plan >> 1 == 2 * s + 1

    def _weighed(self, plan, weights, created):
        """The weights after an event that follows a plan and creates a newborn. Where all places are taken, what survives at
        one of them has the weight of both. A path that has met x keeps its weight, which counts no more (`_alive`)."""
        new, least, after = weights[self.slots], jnp.float32(0), []
        grown = [plan & ~2 == 4 * s + 1 for s in range(self.slots)]
        for here, old in zip(grown, weights, strict=False):
            least = jnp.where(here, self._size(old), least)
        total = self._size(new)
        grow = (least + total) / jnp.maximum(jnp.where(plan & 2 == 2, total, least), TINY)
        for s, here in enumerate(grown):
            replaced, joined = self._replaced(plan, s), plan == 4 * s
            found = [
                jnp.where(replaced, v, jnp.where(joined, old + v, old)) for old, v in zip(weights[s], new, strict=True)
            ]
            after.append(tuple(x * jnp.where(here, grow, 1.0) for x in found))
        return (*after, created)

    def _alive(self, apart, weights) -> list:
        """The weights of the paths that are apart from x; 0 of the others."""
        return [tuple(jnp.where(there, v, 0.0) for v in w) for there, w in zip(apart, weights, strict=True)]

    def _mass(self, alive):
        """The weight of the alternatives that are apart from x, which tells how long one lasts."""
        return sum(self._size(w) for w in alive[:-1])


def first_of(v, sizes):
    """(the first of these sizes, laid end to end, that holds v, or how many there are; v less its left end)."""
    k, off, edge = jnp.int32(0), v, 0.0
    for size in sizes:
        edge = edge + size
        passed = v >= edge
        k, off = k + passed.astype(jnp.int32), jnp.where(passed, v - edge, off)
    return k, off


def pick(k, values):
    """The k-th of some values, whole or float32, the last one beyond."""
    found = jnp.int32(values[-1]) if isinstance(values[-1], int) else jnp.float32(values[-1])
    for i, x in enumerate(values[:-1]):
        found = jnp.where(k == i, x, found)
    return found
