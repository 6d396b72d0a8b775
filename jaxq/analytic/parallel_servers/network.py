"""Arrays that describe a network of customer classes and server pools, checked."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray

from jaxq.checks import FieldError, matrix, vector

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

    arrival_rates: Float[np.ndarray, " classes"]
    service_rates: Float[np.ndarray, "classes pools"]
    servers: Float[np.ndarray, " pools"]
    abandonment_rates: Float[np.ndarray, " classes"]
    rewards: Float[np.ndarray, " classes"]

    @property
    def served(self) -> Bool[np.ndarray, "classes pools"]:
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
    rates = matrix("service_rates", service_rates, "(classes, pools)")
    classes, pools = rates.shape
    return Network(
        _row("arrival_rates", arrival_rates, classes),
        rates,
        _row("servers", servers, pools),
        _row("abandonment_rates", abandonment_rates, classes),
        _row("rewards", rewards, classes),
    )


def priority_order(field: str, order: ArrayLike, choices: int) -> list[int]:
    """A list of all of 0, ..., choices - 1, each once, as integers.

    Raises:
        ValueError: it is not.
    """
    found = np.asarray(order)
    if found.ndim != 1 or sorted(found.tolist()) != list(range(choices)):
        raise FieldError(field, found, f"must be 0 to {choices - 1} in some order")
    return found.astype(np.int64).tolist()


def _row(field: str, values: ArrayLike, size: int) -> Float[np.ndarray, " {size}"]:
    return vector(field, np.full(size, values) if np.ndim(values) == 0 else values, size, low=0)
