"""How much work, or how many customers, a class accepts before a server."""

import numpy as np

NEAR = 1e-9
"""Relative distance from a whole number that counts as none."""


def rooms(rewards, waiting_costs, service_rates, tolls) -> np.ndarray:
    """``(R_i - theta_j) mu_j / c_i``: class i accepts server j while the work before it, its own size included, is at
    most that (float64, work).

    Args:
        rewards, waiting_costs: R_i, c_i, shape (classes,).
        service_rates, tolls: mu_j, theta_j, shape (servers,).

    Returns:
        Shape (classes, servers).
    """
    return (rewards[:, None] - tolls) * service_rates / waiting_costs[:, None]


def most_customers(rooms: np.ndarray, strict: bool) -> np.ndarray:
    """The most customers, itself included, that it accepts; of unit mean sizes (float64, whole, shape as ``rooms``).

    Tolls are set where a class is about to leave, so that rooms are whole numbers up to rounding.
    """
    nearest = np.round(rooms)
    exact = np.where(np.abs(rooms - nearest) <= NEAR * np.maximum(1.0, np.abs(nearest)), nearest, rooms)
    return np.ceil(exact) - 1 if strict else np.floor(exact)
