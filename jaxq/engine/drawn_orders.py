"""Orders that are drawn by scores (Plackett and Luce): of those that are left the next one is i with probability
exp(s_i) / sum exp(s_k)."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp


def drawn_orders(members: Sequence[int], scores: Sequence[Any]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All orders of ``members``, each with its probability, float32; ``scores``: s by number, smooth in which they are."""
    for order in itertools.permutations(members):
        chance = jnp.float32(1.0)
        for place, i in enumerate(order[:-1]):
            left = functools.reduce(jnp.logaddexp, [scores[k] for k in sorted(order[place:])])
            chance = chance * jnp.exp(scores[i] - left)
        yield order, chance
