"""Static-priority allocation in fluid models: which queue is served, and greedy allocation of capacity."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

_STEEP = 80.0
"""Logarithm of the largest ratio of weights that is told from infinity."""


def first_positive(
    amounts: Float[Array | np.ndarray, " edges"], before: Shaped[Array | np.ndarray, "edges edges"], layer
) -> Float[Array, " edges"]:
    """How often each amount is the first positive one of its order, with a boundary layer at 0.

    Formula: exp(-B / layer) - exp(-(B + x) / layer) with B = before x. Summed along an order it is 1 - exp(-S / layer)
    with S the amounts so far: 1 where S > 0 and layer -> 0, which is EC.15 of Stolyar and Tezcan. An amount in balance at
    0, drained at rate d and fed at rate f < d, stays at layer log(d / (d - f)) and is there a fraction f / d of the time.

    Args:
        amounts: x >= 0, shape (edges,); below 0, where a solver may step, the last factor goes on as
            x / layer and leads back.
        before: 1 where f comes before e in e's order, shape (edges, edges) as [e, f]; static.
        layer: width of the layer, in the unit of the amounts, > 0.

    Returns:
        Shape (edges,), in [0, 1]; the sum along an order is at most 1.
    """
    depth = amounts / layer
    inside = jnp.maximum(depth, 0)
    return jnp.exp(-(before @ inside)) * (jnp.minimum(depth, 0) - jnp.expm1(-inside))


def fill(
    demands: Float[Array | np.ndarray, " edges"],
    before: Shaped[Array | np.ndarray, "edges edges"],
    capacity: Float[Array | np.ndarray, " edges"],
) -> Float[Array, " edges"]:
    """Capacity given out in order: each demand gets what those before it leave.

    Formula: min(d_e, max(C - sum_{f before e} d_f, 0)).

    Args:
        demands: d >= 0, shape (edges,).
        before: as `first_positive`.
        capacity: C of the order that e belongs to, shape (edges,).

    Returns:
        Shape (edges,).
    """
    return jnp.clip(capacity - before @ demands, 0, demands)


def share(
    demands: Float[Array | np.ndarray, " edges"],
    scores: Float[Array | np.ndarray, " edges"],
    sizes: Float[Array | np.ndarray, " edges"],
    capacity,
) -> Float[Array, " edges"]:
    """Capacity shared by weights exp(score) among those who want more: weighted max-min fair shares.

    Formula: x_e = min(d_e, K exp(s_e)), where K is such that sum_e a_e x_e = C, or x = d if sum_e a_e d_e <= C.

    Args:
        demands: d >= 0, shape (edges,).
        scores: s, shape (edges,); only differences count.
        sizes: a > 0, capacity that one unit takes, shape (edges,).
        capacity: C > 0, a scalar.

    Returns:
        x, shape (edges,); differentiable, at a kink from one side.
    """
    # e gets all that it wants if the others, held to its level, leave room for it
    ratios = jnp.exp(jnp.minimum(scores - scores[:, None], _STEEP))
    content = jnp.minimum(demands, demands[:, None] * ratios) @ sizes <= capacity
    scores = jnp.where(content, jnp.min(scores), scores)
    weights = jnp.where(content, 0, jnp.exp(scores - jnp.max(scores)))
    hungry = weights @ sizes
    rest = capacity - jnp.sum(jnp.where(content, demands * sizes, 0))
    return jnp.where(content, demands, weights * rest / jnp.where(hungry > 0, hungry, 1))
