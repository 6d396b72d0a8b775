"""The numbers of an open multi-class queueing network, and its traffic equations."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Rates(NamedTuple):
    """K classes of customers at J stations. What is simulated and what it is compared with are given these.

    Attributes:
        arrival_rates: alpha_k from outside, shape (K,), 1/time.
        service_rates: mu_k of one server, shape (K,), 1/time.
        stations: s(k), the station of each class, counted from 0, shape (K,).
        servers: c_j, shape (J,).
        routing: P_kl, the probability that a customer of class k is then one of class l, shape (K, K).
    """

    arrival_rates: Float[np.ndarray, " classes"]
    service_rates: Float[np.ndarray, " classes"]
    stations: Int[np.ndarray, " classes"]
    servers: Int[np.ndarray, " stations"]
    routing: Float[np.ndarray, "classes classes"]

    def throughputs(self) -> Float[np.ndarray, " classes"]:
        """lambda_k, customers that come to class k: lambda = alpha + P' lambda, shape (K,), 1/time."""
        return np.linalg.solve(np.eye(len(self.routing)) - self.routing.T, self.arrival_rates)

    def loads(self) -> Float[np.ndarray, " classes"]:
        """a_k = lambda_k / mu_k, the mean number of servers that are busy with class k, shape (K,)."""
        return self.throughputs() / self.service_rates

    def utilisations(self) -> Float[np.ndarray, " stations"]:
        """rho_j = sum of a_k over the classes of station j, over c_j, shape (J,)."""
        return np.bincount(self.stations, self.loads(), len(self.servers)) / self.servers

    def of_station(self, j: int) -> list[int]:
        """The classes of a station."""
        return np.flatnonzero(self.stations == j).tolist()
