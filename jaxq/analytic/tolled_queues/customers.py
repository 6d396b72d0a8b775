"""The classes of customers, and how long a queue each of them accepts."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import vector

_SAME = 1e-11
"""Relative difference from a whole number that is rounding: tolls are set exactly where a class is about to leave."""


def classes(
    arrival_rates: ArrayLike, rewards: ArrayLike, waiting_costs: ArrayLike
) -> tuple[Float[np.ndarray, " *classes"], ...]:
    """The three arrays in float64, shape (I,).

    Args:
        arrival_rates: lambda_i, 1/time, positive; a number for one class.
        rewards: R_i, money.
        waiting_costs: c_i, money/time, positive.

    Raises:
        ValueError: they are not as many, or a rate or cost is not positive and finite, or a reward is not finite.
    """
    rates = vector("arrival_rates", np.atleast_1d(arrival_rates), low=0, open_low=True)
    gains = vector("rewards", np.atleast_1d(rewards), rates.size, meaning="one an arrival rate")
    costs = np.atleast_1d(waiting_costs)
    return rates, gains, vector("waiting_costs", costs, rates.size, 0, open_low=True, meaning="one an arrival rate")


def accepted(
    rewards: Float[np.ndarray, " *classes"],
    waiting_costs: Float[np.ndarray, " *classes"],
    service_rate: float,
    toll: float,
) -> Float[np.ndarray, " *classes"]:
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
