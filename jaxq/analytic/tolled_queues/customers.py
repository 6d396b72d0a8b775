"""The classes of customers, and how long a queue each of them accepts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SAME = 1e-11
"""Relative difference from a whole number that is rounding: tolls are set exactly where a class is about to leave."""


def classes(arrival_rates: ArrayLike, rewards: ArrayLike, waiting_costs: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """The three arrays in float64, shape (I,).

    Args:
        arrival_rates: lambda_i, 1/time, positive; a number for one class.
        rewards: R_i, money.
        waiting_costs: c_i, money/time, positive.

    Raises:
        ValueError: they are not as many, or a rate or cost is not positive and finite, or a reward is not finite.
    """
    found = [np.atleast_1d(np.asarray(x, np.float64)) for x in (arrival_rates, rewards, waiting_costs)]
    if any(x.shape != (found[0].size,) or x.size == 0 for x in found):
        shapes = ", ".join(str(x.shape) for x in found)
        raise ValueError(f"arrival_rates, rewards and waiting_costs must be as many: their shapes are {shapes}")
    names = ("arrival_rates", "rewards", "waiting_costs")
    for name, values, low in zip(names, found, (0.0, -np.inf, 0.0), strict=True):
        if not (np.isfinite(values).all() and (values > low).all()):
            allowed = "finite" if low < 0 else "positive and finite"
            raise ValueError(f"{name} = {values.tolist()} is not allowed: each must be {allowed}")
    return tuple(found)


def accepted(rewards: NDArray, waiting_costs: NDArray, service_rate: float, toll: float) -> NDArray[np.float64]:
    """Most work, a customer's own included, with which each class joins.

    Formula: (R_i - theta) mu / c_i; a whole number where it is one up to rounding.

    Args:
        rewards, waiting_costs: R_i and c_i, shape (I,).
        service_rate: mu, work/time.
        toll: theta, money.

    Returns:
        Shape (I,), work; negative where a class joins in no case.

    Source: Naor (1969), Econometrica 37(1), 15-24.
    """
    most = (rewards - toll) * service_rate / waiting_costs
    whole = np.round(most)
    scale = np.maximum(1.0, (np.abs(rewards) + np.abs(toll)) * service_rate / waiting_costs)
    return np.where(np.abs(most - whole) <= _SAME * scale, whole, most)
