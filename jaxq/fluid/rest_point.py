"""Where a system of differential equations comes to rest, with an implicit gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_GROWTH, _SHRINK = 3.0, 0.1
_NONLINEAR = 0.25
"""Part of the slope that a step may leave of its equation; a longer one is taken back."""
_LONG = 1e12
"""Steps, in units of the first, from which implicit Euler is Newton's method."""
_MOST_STEPS = 300


def rest_point(slope: Callable, start: Float[Array | np.ndarray, " values"], first_step) -> Float[Array, " values"]:
    """The zero of ``slope`` that dx/dt = slope(x) approaches from ``start``.

    Formula: linearised implicit Euler, (1/h - J) change = slope(x), with h growing from ``first_step`` to infinity as long
    as the slope is nearly linear over a step. The derivative with respect to all that ``slope`` closes over is
    -J^-1 d slope, by `jax.lax.custom_root`; no step of the way is recorded.

    Args:
        slope: x -> dx/dt, differentiable, shape (n,) to (n,).
        start: where to start, shape (n,), float.
        first_step: the first h, time.

    Returns:
        x, shape and dtype of ``start``; at most 300 steps are tried.

    Source: Kelley and Keyes (1998), SIAM Journal on Numerical Analysis 35(2), 508-523 (pseudo-transient continuation).
    """
    start = jnp.asarray(start)
    tiny = 100 * jnp.finfo(start.dtype).eps
    identity = jnp.eye(start.size, dtype=start.dtype)

    def solve(function, x):
        def advance(carry):
            count, step, x, there, _ = carry
            change = jnp.linalg.solve(identity / step - jax.jacfwd(function)(x), there)
            beyond = function(x + change)
            left = jnp.max(jnp.abs(beyond - change / step))
            good = left <= _NONLINEAR * jnp.max(jnp.abs(there)) + tiny / first
            step = jnp.where(good, jnp.minimum(_GROWTH * step, _LONG * first), _SHRINK * step)
            size = jnp.where(good, jnp.max(jnp.abs(change)), jnp.inf)
            return count + 1, step, jnp.where(good, x + change, x), jnp.where(good, beyond, there), size

        def goes_on(carry):
            count, step, _, _, change = carry
            return (count < _MOST_STEPS) & ((change > tiny) | (step < _LONG * first))

        first = jnp.asarray(first_step, x.dtype)
        unsettled = jnp.asarray(jnp.inf, x.dtype)
        return jax.lax.while_loop(goes_on, advance, (0, first, x, function(x), unsettled))[2]

    def solve_tangent(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)

    found: Any = jax.lax.custom_root(slope, start, solve, solve_tangent)
    return found
