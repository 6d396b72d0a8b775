"""Times that run down together, in ascending order: the work before each server, or what is left of each service.

One entry changes an event, so order is kept by insertion: each place takes the middle one of its two neighbours and the
new value. A few are kept as a tuple of scalars, more as an array: 10 servers cost 5 ns a customer as scalars and 10 as an
array, 100 servers 33 and 32, but 18 s to compile instead of 2.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

AS_SCALARS = 16
"""Up to so many times are kept as scalars."""

Times = tuple[jax.Array, ...] | jax.Array


def zeros(count: int) -> Times:
    """``count`` times, all 0."""
    return (0.0,) * count if count <= AS_SCALARS else jnp.zeros(count, jnp.float32)  # pyright: ignore[reportReturnType]


def times(values: Sequence[float]) -> Times:
    """Given times, put in order."""
    found = sorted(values)
    return tuple(found) if len(found) <= AS_SCALARS else np.array(found, np.float32)  # pyright: ignore[reportReturnType]


def replace_least(times: Times, new) -> Times:
    """The times with ``new`` in place of the least one, in order again."""
    if isinstance(times, tuple):
        kept = [jnp.minimum(new, above) for above in times[1:]] + [new]
        return (kept[0], *map(jnp.maximum, times[1:], kept[1:]))
    endless = jnp.full((1,), jnp.inf, times.dtype)
    below, above = times.at[0].set(-jnp.inf), jnp.concatenate([times[1:], endless])
    return jnp.maximum(below, jnp.minimum(new, above))


def run_down(times: Times, elapsed) -> Times:
    """The times ``elapsed`` later, none below 0."""
    if isinstance(times, tuple):
        return tuple(jnp.maximum(time - elapsed, 0.0) for time in times)
    return jnp.maximum(times - elapsed, 0.0)


def within(times: Times, elapsed, weights=None):
    """Sum of ``min(time, elapsed)``, each with its weight (default: 1), float32."""
    if isinstance(times, tuple):
        scale = np.ones(len(times)) if weights is None else weights
        return sum(jnp.minimum(time, elapsed) * np.float32(w) for time, w in zip(times, scale, strict=True))
    shorter = jnp.minimum(times, elapsed)
    return shorter.sum() if weights is None else shorter @ jnp.asarray(weights, jnp.float32)
