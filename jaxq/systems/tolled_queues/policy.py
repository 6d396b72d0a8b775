"""Which server a customer joins, if any: how much it accepts before a server, and which server is the best."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq import random

Classes = Float[np.ndarray, " classes"]
Servers = Float[np.ndarray, " servers"]

SAME = 1e-6
"""Relative difference below which two prices are equal: rounding must not decide between equal servers."""
NEAR = 1e-9
"""Relative distance from a whole number that counts as none."""


def thresholds(
    rewards: Classes, waiting_costs: Classes, service_rates: Servers, tolls: Servers
) -> Float[np.ndarray, "classes servers"]:
    """``(R_i - theta_j) mu_j / c_i``: class i accepts server j while the work before it, its own size included, is at
    most that (float64, work).

    Args:
        rewards, waiting_costs: R_i, c_i, shape (classes,).
        service_rates, tolls: mu_j, theta_j, shape (servers,).

    Returns:
        Shape (classes, servers).
    """
    return (rewards[:, None] - tolls) * service_rates / waiting_costs[:, None]


def most_customers(
    thresholds: Float[np.ndarray, "classes servers"], strict: bool
) -> Float[np.ndarray, "classes servers"]:
    """The most customers, itself included, that it accepts; of unit mean sizes (float64, whole, shape as ``thresholds``).

    Tolls are set where a class is about to leave, so that thresholds are whole numbers up to rounding.
    """
    nearest = np.round(thresholds)
    exact = np.where(np.abs(thresholds - nearest) <= NEAR * np.maximum(1.0, np.abs(nearest)), nearest, thresholds)
    return np.ceil(exact) - 1 if strict else np.floor(exact)


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
