"""A stiff system of differential equations over time."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

_TOLERANCE = 1e-7
_MOST_STEPS = 100_000


def stiff_path(slope: Callable, start, times, absolute) -> Any:
    """x(t) with dx/dt = slope(x), by Kvaerno's implicit method of order 5 (diffrax), differentiable.

    Args:
        slope: x -> dx/dt, a pytree to one of the same shapes.
        start: x(times[0]).
        times: when, ascending, shape (T,).
        absolute: error allowed in a step besides 1e-7 of x, in the unit of x.

    Returns:
        x at the times: leaves with a leading axis (T,).

    Source: Kidger (2021), On Neural Differential Equations, for diffrax; Kvaerno (2004), BIT 44(3), 489-502.
    """
    import diffrax

    times = jnp.asarray(times)
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, x, args: slope(x)),
        diffrax.Kvaerno5(),
        times[0],
        times[-1],
        None,
        start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=_TOLERANCE, atol=absolute),
        max_steps=_MOST_STEPS,
    ).ys
