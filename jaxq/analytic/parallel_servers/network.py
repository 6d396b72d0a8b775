"""Arrays that describe a network of customer classes and server pools, checked."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Network(NamedTuple):
    """I customer classes and J server pools.

    Attributes:
        arrival_rates: lambda_i, shape (I,), customers/time.
        service_rates: mu_ij of one server of pool j with a customer of class i, shape (I, J), 1/time; 0: not served.
        servers: N_j, shape (J,).
        abandonment_rates: theta_i of a waiting customer, shape (I,), 1/time; 0: patient.
        rewards: g_i per completed service, shape (I,).
    """

    arrival_rates: Array
    service_rates: Array
    servers: Array
    abandonment_rates: Array
    rewards: Array

    @property
    def served(self) -> NDArray[np.bool_]:
        """Which pools serve which classes, shape (I, J)."""
        return self.service_rates > 0


def network(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    abandonment_rates: ArrayLike = 0.0,
    rewards: ArrayLike = 1.0,
) -> Network:
    """The arrays as float64, checked; a scalar stands for a row of equal numbers.

    Args:
        arrival_rates, service_rates, servers, abandonment_rates, rewards: see `Network`.

    Raises:
        ValueError: the shapes do not fit, or a number is negative or not finite.
    """
    rates = np.asarray(service_rates, dtype=np.float64)
    if rates.ndim != 2 or rates.size == 0:
        raise ValueError(f"service_rates has shape {rates.shape}: it must be (classes, pools)")
    classes, pools = rates.shape
    found = Network(
        _row("arrival_rates", arrival_rates, classes),
        rates,
        _row("servers", servers, pools),
        _row("abandonment_rates", abandonment_rates, classes),
        _row("rewards", rewards, classes),
    )
    for field, array in found._asdict().items():
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise ValueError(f"{field} = {array.tolist()} is not allowed: it must be zero or positive, and finite")
    return found


def priority_order(field: str, order: ArrayLike, choices: int) -> list[int]:
    """A list of all of 0, ..., choices - 1, each once, as integers.

    Raises:
        ValueError: it is not.
    """
    found = np.asarray(order)
    if found.ndim != 1 or sorted(found.tolist()) != list(range(choices)):
        raise ValueError(f"{field} = {found.tolist()} is not allowed: it must be 0 to {choices - 1} in some order")
    return found.astype(np.int64).tolist()


def _row(field: str, values: ArrayLike, size: int) -> Array:
    row = np.asarray(values, dtype=np.float64)
    row = np.full(size, row) if row.ndim == 0 else row
    if row.shape != (size,):
        raise ValueError(f"{field} has shape {row.shape}: it must be ({size},), as service_rates is (classes, pools)")
    return row
