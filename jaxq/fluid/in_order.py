"""What a static order does to a fluid: the first that waits, and capacity given out in order."""

import jax.numpy as jnp


def first_positive(amounts, before, layer):
    """How often each amount is the first positive one of its order, with a boundary layer at 0.

    Formula: exp(-B / layer) - exp(-(B + x) / layer) with B = before x. Summed along an order it is 1 - exp(-S / layer)
    with S the amounts so far: 1 where S > 0 and layer -> 0, which is EC.15 of Stolyar and Tezcan. An amount in balance at
    0, drained at rate d and fed at rate f < d, stays at layer log(d / (d - f)) and is there a fraction f / d of the time.

    Args:
        amounts: x >= 0, shape (E,); below 0 counts as 0.
        before: 1 where f comes before e in e's order, shape (E, E) as [e, f]; static.
        layer: width of the layer, in the unit of the amounts, > 0.

    Returns:
        Shape (E,), in [0, 1]; the sum along an order is at most 1.
    """
    depth = jnp.maximum(amounts, 0) / layer
    return jnp.exp(-(before @ depth)) * -jnp.expm1(-depth)


def fill(demands, before, capacity):
    """Capacity given out in order: each demand gets what those before it leave.

    Formula: min(d_e, max(C - sum_{f before e} d_f, 0)).

    Args:
        demands: d >= 0, shape (E,).
        before: as `first_positive`.
        capacity: C of the order that e belongs to, shape (E,).

    Returns:
        Shape (E,).
    """
    return jnp.clip(capacity - before @ demands, 0, demands)


def share(demands, weights, sizes, capacity):
    """Capacity shared by weights among those who want more: weighted max-min fair shares.

    Formula: x_e = min(d_e, w_e K), where K is such that sum_e s_e x_e = C, or x = d if sum_e s_e d_e <= C.

    Args:
        demands: d >= 0, shape (E,).
        weights: w > 0, shape (E,); only ratios count.
        sizes: s > 0, capacity that one unit takes, shape (E,).
        capacity: C, a scalar.

    Returns:
        x, shape (E,); differentiable, at a kink from one side.
    """
    # e wants no more than its share if all others, held to its level, leave room
    level = demands / weights
    used = jnp.minimum(demands, level[:, None] * weights) @ sizes
    content = used <= capacity
    # with everybody content the level does not matter
    hungry = jnp.sum(jnp.where(content, 0, weights * sizes))
    rest = capacity - jnp.sum(jnp.where(content, demands * sizes, 0))
    reached = rest / jnp.where(hungry > 0, hungry, 1)
    return jnp.where(content, demands, weights * reached)


def smooth_least(x, y, width):
    """A smooth, concave, increasing lower bound of min(x, y), less by ``width`` log 2 at most.

    Formula: -w log(exp(-x / w) + exp(-y / w)).
    """
    return -width * jnp.logaddexp(-x / width, -y / width)
