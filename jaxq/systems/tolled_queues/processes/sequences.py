"""Tolled queues with exponential sizes of class-dependent means: an exact jump process over who is in line."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.systems.tolled_queues.policy import chances, cheapest
from jaxq.systems.tolled_queues.processes.visible import Visible

BITS = 31
"""Of an int32 that stays >= 0."""


class Sequences(Visible):
    """The compiled half of `TolledQueues` where sizes are exponential and their means differ; see there.

    A kind is one of the K distinct mean sizes. State, of each server: customers of each kind, and the kinds in order of
    service, the first in the lowest bits of the first word (int32). Transitions: one of kind 1 joins server 1, ..., m, one
    of kind 2 ..., one leaves server 1, ..., m. Uniformised. Sizes have no memory, so that a customer that finds n_k of each
    kind stays (sum_k n_k s_k + s_i)/mu_j on average, whatever it expects itself; that is tallied at its arrival.
    """

    mean_sizes: Any  # s_k of a kind, work, shape (K,)
    seen: Any  # what a customer takes the mean size of one before it for, by the kind of that one, work, shape (K,)
    thresholds: Any  # most work that a class accepts, as it sees it, its own included, shape (classes, servers)
    kinds: tuple[int, ...] = eqx.field(static=True)  # of each class
    words_in_line: int = eqx.field(static=True)

    @property
    def bits(self) -> int:
        """Of a kind."""
        return bits(self.mean_sizes.shape[0])

    def init(self, words):
        empty = (jnp.int32(0),) * self.mean_sizes.shape[0], (jnp.int32(0),) * self.words_in_line
        return (empty,) * self.servers

    def joins(self, state):
        before = [sum(n * self.seen[k] for k, n in enumerate(counts)) for counts, _ in state]
        found = []
        for i, kind in enumerate(self.kinds):
            work = [here + self.mean_sizes[kind] for here in before]
            prices = [self.tolls[j] + self.costs[i] * (w / self.service_rates[j]) for j, w in enumerate(work)]
            shares = chances(cheapest(prices), self.random_ties)
            found.append([jnp.where(w <= self.thresholds[i, j], shares[j], 0.0) for j, w in enumerate(work)])
        return found

    def rates(self, state):
        joins = self.joins(state)
        arrivals = []
        for k in range(self.mean_sizes.shape[0]):
            alike = [i for i, kind in enumerate(self.kinds) if kind == k]
            arrivals += [sum(self.arrival_rates[i] * joins[i][j] for i in alike) for j in range(self.servers)]
        return (*arrivals, *[self._leaves(j, *state[j]) for j in range(self.servers)])

    def _leaves(self, j: int, counts, line):
        first, rate = self._first(line), 0.0
        for k in range(self.mean_sizes.shape[0]):
            rate = jnp.where(first == k, self.service_rates[j] / self.mean_sizes[k], rate)
        return rate * (sum(counts) > 0)

    def _first(self, line):
        return line[0] & (2**self.bits - 1) if line else jnp.int32(0)

    def jump(self, state, k):
        kind, j = divmod(k, self.servers)
        counts, line = state[j]
        if kind < len(counts):
            line = self._appended(line, sum(counts), kind)
            counts = (*counts[:kind], counts[kind] + 1, *counts[kind + 1 :])
        else:
            first = self._first(line)
            counts = tuple(n - (first == own) for own, n in enumerate(counts))
            line = self._shifted(line)
        return (*state[:j], (counts, line), *state[j + 1 :])

    def _appended(self, line, count, kind: int):
        if kind == 0:
            return line
        held = BITS // self.bits
        bit = kind << (self.bits * (count % held))
        return tuple(word | jnp.where(count // held == place, bit, 0) for place, word in enumerate(line))

    def _shifted(self, line):
        top = self.bits * (BITS // self.bits - 1)
        following = (*line[1:], 0)
        return tuple(
            (a >> self.bits) | ((b & (2**self.bits - 1)) << top) for a, b in zip(line, following, strict=False)
        )

    def total_rate_bound(self):
        fastest = sum(self.service_rates[j] for j in range(self.servers)) / self.mean_sizes[0]
        return sum(self.arrival_rates[i] for i in range(self.classes)) + fastest

    def stays(self, state, i):
        work = [sum(n * self.mean_sizes[k] for k, n in enumerate(counts)) for counts, _ in state]
        return [(w + self.mean_sizes[self.kinds[i]]) / self.service_rates[j] for j, w in enumerate(work)]

    def numbers(self, state):
        return [sum(counts) for counts, _ in state]


def bits(kinds: int) -> int:
    """Bits that tell ``kinds`` kinds apart, 1 at least."""
    return max(kinds - 1, 1).bit_length()


def words_for(kinds: int, customers: int) -> int:
    """int32 words that hold so many customers in line."""
    return 0 if kinds == 1 else -(-customers // (BITS // bits(kinds)))


def longest(thresholds: np.ndarray, sizes: np.ndarray, seen: np.ndarray) -> float:
    """A bound on the customers at a server.

    Args:
        thresholds: work that a class accepts at a server, as `Sequences`, shape (classes, servers).
        sizes: mean size of each class, shape (classes,).
        seen: as `Sequences`.
    """
    before = thresholds - sizes[:, None]
    return float(np.max(np.where(before >= 0, np.floor(before / seen.min()) + 1, 0)))
