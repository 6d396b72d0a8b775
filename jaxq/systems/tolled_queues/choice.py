"""Which server a customer joins, if any."""

from collections.abc import Sequence

import jax.numpy as jnp

from jaxq import random

SAME = 1e-6
"""Relative difference below which two prices are equal: rounding must not decide between equal servers."""


def cheapest(prices: Sequence) -> list:
    """Whether each server's price, toll and cost of waiting, is the least one; ``[True]`` for one server."""
    if len(prices) == 1:
        return [True]
    least = prices[0]
    for price in prices[1:]:
        least = jnp.minimum(least, price)
    most = least * jnp.float32(1 + SAME)
    return [price <= most for price in prices]


def first(candidates: Sequence) -> list:
    """The first of the candidates, as one flag a server."""
    chosen, before = [], False
    for here in candidates:
        chosen.append(here & jnp.logical_not(before) if chosen else here)
        before = here | before
    return chosen


def chances(candidates: Sequence, random_ties: bool) -> list:
    """Probability of each candidate: 1 for the first, or all as likely."""
    if not random_ties:
        return [jnp.where(here, 1.0, 0.0) for here in first(candidates)]
    even = sum(jnp.asarray(here, jnp.float32) for here in candidates)
    return [jnp.where(here, 1.0 / even, 0.0) for here in candidates]


def drawn(candidates: Sequence, word) -> list:
    """One of the candidates at random, each as likely, as one flag a server; ``word`` is uint32."""
    if len(candidates) == 1:
        return list(candidates)
    counts = [jnp.asarray(here).astype(jnp.int32) for here in candidates]
    place, _ = random.below(word, sum(counts))
    chosen, before = [], jnp.int32(0)
    for here, count in zip(candidates, counts, strict=True):
        chosen.append(here & (before == place))
        before = before + count
    return chosen
