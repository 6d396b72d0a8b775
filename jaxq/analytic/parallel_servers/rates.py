"""The numbers of a network of customer classes and server pools, by class and by pool."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num
from numpy.typing import ArrayLike, NDArray

from jaxq.checks import matrix, vector

Array = NDArray[np.float64]


class Rates(NamedTuple):
    """I customer classes and J server pools, at one scale. What is simulated and what it is compared with are given these.

    Attributes:
        arrival_rates: lambda_i, shape (I,), customers/time.
        service_rates: mu_ij of one server of pool j with a customer of class i, shape (I, J), 1/time; 0: not served.
        servers: N_j, shape (J,).
        abandonment_rates: theta_i of a waiting customer, shape (I,), 1/time; 0: patient.
        rewards: g_i per completed service, shape (I,).
    """

    arrival_rates: Float[np.ndarray, " classes"]
    service_rates: Float[np.ndarray, "classes pools"]
    servers: Num[np.ndarray, " pools"]
    abandonment_rates: Float[np.ndarray, " classes"]
    rewards: Float[np.ndarray, " classes"]

    @property
    def served(self) -> Bool[np.ndarray, "classes pools"]:
        """Which pools serve which classes, shape (I, J)."""
        return self.service_rates > 0

    @classmethod
    def checked(
        cls,
        arrival_rates: ArrayLike,
        service_rates: ArrayLike,
        servers: ArrayLike,
        abandonment_rates: ArrayLike = 0.0,
        rewards: ArrayLike = 1.0,
    ) -> "Rates":
        """The arrays as float64, checked; a scalar stands for a row of equal numbers.

        Args:
            arrival_rates, service_rates, servers, abandonment_rates, rewards: see `Rates`.

        Raises:
            ValueError: the shapes do not fit, or a number is negative or not finite.
        """
        services = matrix("service_rates", service_rates, "(classes, pools)")
        classes, pools = services.shape
        return cls(
            _row("arrival_rates", arrival_rates, classes),
            services,
            _row("servers", servers, pools),
            _row("abandonment_rates", abandonment_rates, classes),
            _row("rewards", rewards, classes),
        )


def _row(field: str, values: ArrayLike, size: int) -> Float[np.ndarray, " {size}"]:
    return vector(field, np.full(size, values) if np.ndim(values) == 0 else values, size, low=0)
