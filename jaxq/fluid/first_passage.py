"""The matrix G of a quasi-birth-death process, with an implicit gradient."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_MOST_STEPS = 60
"""Each step squares the probability to climb before falling; a load of 1 - 1e-9 takes about 30."""


@jax.custom_vjp
def first_passage(
    down: Float[Array, "phases phases"], local: Float[Array, "phases phases"], up: Float[Array, "phases phases"]
) -> Float[Array, "phases phases"]:
    """In which phase a quasi-birth-death process first is one level lower.

    Formula: the minimal solution of down + local G + up G^2 = 0, by logarithmic reduction. The gradient solves the
    equation linearised at G, a Sylvester equation, by squared Smith iteration; no step of the reduction is recorded.

    Args:
        down: rates from a phase to a phase one level lower, shape (phases, phases).
        local: rates within a level, with minus the total rate out of each phase on the diagonal.
        up: rates to one level higher. The process must come down surely: mean drift below zero.

    Returns:
        G, shape (phases, phases), rows summing to 1; dtype of the arguments.

    Source: Latouche and Ramaswami (1993), Journal of Applied Probability 30(3), 650-674; Smith (1968), SIAM Journal on
    Applied Mathematics 16(1), 198-201.
    """
    phases = len(local)
    tiny = jnp.finfo(local.dtype).eps / 2
    both = jnp.linalg.solve(-local, jnp.hstack([up, down]))
    up, down = both[:, :phases], both[:, phases:]

    def reduce(carry):
        step, up, down, passage, ascent, _ = carry
        mixed = jnp.eye(phases, dtype=local.dtype) - up @ down - down @ up
        both = jnp.linalg.solve(mixed, jnp.hstack([up @ up, down @ down]))
        up, down = both[:, :phases], both[:, phases:]
        change = ascent @ down
        return step + 1, up, down, passage + change, ascent @ up, jnp.max(change)

    def goes_on(carry):
        return (carry[0] < _MOST_STEPS) & (carry[-1] > tiny)

    start = (0, up, down, down, up, jnp.ones((), local.dtype))
    passage = jax.lax.while_loop(goes_on, reduce, start)[3]
    # the level is left surely; row sums that miss 1 by rounding would count against 1 - load
    return passage / jnp.sum(passage, axis=1, keepdims=True)


def _forward(down, local, up):
    passage = first_passage(down, local, up)
    return passage, (local, up, passage)


def _backward(kept, cotangent):
    """X with (local + up G)^T X + up^T X G^T = cotangent; the gradients are -X, -X G^T and -X (G^T)^2."""
    local, up, passage = kept
    tiny = jnp.finfo(local.dtype).eps / 2
    phases = len(local)
    both = jnp.linalg.solve((local + up @ passage).T, jnp.hstack([cotangent, -up.T]))

    def double(carry):
        step, found, left, right, _ = carry
        change = left @ found @ right
        size = jnp.max(jnp.abs(change)) / jnp.maximum(jnp.max(jnp.abs(found)), jnp.finfo(local.dtype).tiny)
        return step + 1, found + change, left @ left, right @ right, size

    def goes_on(carry):
        return (carry[0] < _MOST_STEPS) & (carry[-1] > tiny)

    start = (0, both[:, :phases], both[:, phases:], passage.T, jnp.ones((), local.dtype))
    found = jax.lax.while_loop(goes_on, double, start)[1]
    sideways = found @ passage.T
    return -found, -sideways, -sideways @ passage.T


first_passage.defvjp(_forward, _backward)
