"""Static-priority allocation in fluid models: which queue is served, and greedy allocation of capacity."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


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
