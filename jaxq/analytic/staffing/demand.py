"""The second-order terms that staffing programs take, in the limit and for a finite system."""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import positive


def second_order_demand(
    second_order_arrivals: ArrayLike, second_order_services: ArrayLike, busy: ArrayLike
) -> Float[np.ndarray, " classes"]:
    """What classes demand beyond the fluid.

    Formula: a_i = lh_i - sum_j mh_ij z*_ij.

    Args:
        second_order_arrivals: lh, limit of (lambda^n - n lambda) / sqrt n, shape (I,).
        second_order_services: mh, limit of sqrt n (mu^n - mu), shape (I, J).
        busy: z*, see `jaxq.analytic.staffing.fluid.fluid_allocation`, shape (I, J).

    Returns:
        a, rate units, shape (I,).

    Source: Hmedi, Arapostathis and Pang, Eqs. 2 and 12.
    """
    shift = np.asarray(second_order_services, np.float64) * np.asarray(busy, np.float64)
    return np.asarray(second_order_arrivals, np.float64) - shift.sum(axis=1)


def of_system(
    scale: float, arrival_rates: ArrayLike, servers: ArrayLike
) -> tuple[Float[np.ndarray, " classes"], Float[np.ndarray, " pools"]]:
    """Demand and staffing with which a program for theta gives theta^n, together with the rates mu^n of that system.

    Formula: a = lambda^n / sqrt n, nh = N^n / sqrt n: not centred, and so exact without any fluid quantity.

    Args:
        scale: n, > 0.
        arrival_rates: lambda^n, shape (I,), 1/time.
        servers: N^n, shape (J,).

    Returns:
        (demand, staffing), shapes (I,) and (J,).

    Raises:
        ValueError: the scale is not positive.

    Source: Hmedi, Arapostathis and Pang, Definition 2.1; centring adds n z* to the servers and nothing to theta.
    """
    root = math.sqrt(positive("scale", scale))
    return np.asarray(arrival_rates, np.float64) / root, np.asarray(servers, np.float64) / root
