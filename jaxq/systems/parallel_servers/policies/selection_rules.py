"""How one of several candidates is picked: a freed server's next customer, an arrival's idle server, the next edge to fill.

A rule is a pure function of its parameters and of the amounts there are (customers that wait, idle servers). Candidates
are numbered, the edges as `Graph.edges` lists them.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp

NOBODY = -1
"""What a rule returns where no amount is positive."""


class InOrder(eqx.Module):
    """The first candidate of a fixed order that has a positive amount; ``ranks``: by candidate, the smaller the earlier."""

    ranks: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def by(cls, keys: Sequence) -> "InOrder":
        """The candidates in increasing order of their keys, ties in the order of their numbers."""
        order = sorted(range(len(keys)), key=lambda e: (keys[e], e))
        return cls(tuple(order.index(e) for e in range(len(keys))))

    def pick(self, amounts: dict[int, Any]):
        """The candidate, int32, or `NOBODY`; ``amounts``: by candidate."""
        winner = jnp.int32(NOBODY)
        for candidate in sorted(amounts, key=lambda e: self.ranks[e], reverse=True):
            winner = jnp.where(amounts[candidate] > 0, candidate, winner)
        return winner


class Largest(eqx.Module):
    """The positive amount with the largest weight x amount, ties to the first; ``weights``: by candidate, >= 0."""

    weights: Any

    def pick(self, amounts: dict[int, Any]):
        """The candidate, int32, or `NOBODY`; ``amounts``: by candidate."""
        winner, best = jnp.int32(NOBODY), jnp.float32(-1)
        for candidate, amount in amounts.items():
            score = jnp.where(amount > 0, self.weights[candidate] * amount, -1.0)
            winner = jnp.where(score > best, candidate, winner)
            best = jnp.maximum(best, score)
        return winner


Rule = InOrder | Largest
