"""Static splitting of a Poisson stream over parallel M/M/1 queues, no state used."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxq.analytic.load_balancing.pools import pools
from jaxq.checks import FieldError, nonnegative, positive


def split_response_time(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int], probabilities: Sequence[float]
) -> tuple[float, Float[np.ndarray, " types"]]:
    """Mean response time of random routing with a probability per type.

    Formula: T(p) = sum_j p_j / (mu_j - Lambda p_j / N_j), dT/dp_j = mu_j / (mu_j - Lambda p_j / N_j)^2.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        probabilities: p_j that a job goes to type j (to each of its servers alike), sum 1.

    Returns:
        Mean response time, and its gradient with the p_j as free variables, shape (M,).

    Raises:
        ValueError: an argument is out of its range, the probabilities do not sum to 1, or a server gets as much work
            as it can do or more (no stationary regime).

    Source: M/M/1 by type; Poisson splitting.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    shares = np.array([nonnegative(f"probabilities[{j}]", p) for j, p in enumerate(probabilities)])
    if shares.size != rates.size or not math.isclose(shares.sum(), 1, rel_tol=1e-9):
        raise FieldError("probabilities", list(probabilities), f"must be {rates.size} summing to 1")
    spare = rates - arrival_rate * shares / counts
    if (spare <= 0).any():
        worst = int(np.argmin(spare / rates))
        raise ValueError(
            f"no stationary regime: a server of type {worst + 1} gets arrivals at rate {float(rates[worst] - spare[worst])}"
            f", which must be below service_rates[{worst}] = {float(rates[worst])}"
        )
    return float((shares / spare).sum()), rates / spare**2


def optimal_split(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]
) -> tuple[Float[np.ndarray, " types"], float]:
    """Routing probabilities per type of least mean response time.

    Formula: over the fastest types that are used, arrival rate mu_j - c sqrt(mu_j) to each server with c = (sum N_j mu_j
    - Lambda) / sum N_j sqrt(mu_j); a type is used if sqrt(mu_j) > c.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.

    Returns:
        probabilities p_j, shape (M,), and the mean response time.

    Raises:
        ValueError: an argument is out of its range, or arrival_rate is not below the capacity.

    Source: Bell and Stidham (1983), Management Science 29(7), 831-839.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    roots = np.sqrt(rates)
    slack = np.cumsum(counts * rates) - arrival_rate
    if slack[-1] <= 0:
        raise ValueError(f"no stationary regime: arrival_rate = {arrival_rate} must be below {float(rates @ counts)}")
    scale = slack / np.cumsum(counts * roots)
    # The last type that still gets jobs when it and all faster ones are used.
    used = int(np.flatnonzero((slack > 0) & (roots > scale))[-1]) + 1
    to_each = np.where(np.arange(rates.size) < used, rates - scale[used - 1] * roots, 0.0)
    response_time = float((counts * to_each / (rates - to_each)).sum()) / arrival_rate
    return counts * to_each / arrival_rate, response_time


def speed_weighted_response_time(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]) -> float:
    """Mean response time of random routing with probabilities proportional to the speeds.

    Formula: n / (C - Lambda) with C = sum_j mu_j N_j: all servers have the same utilisation.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.

    Returns:
        Mean response time.

    Raises:
        ValueError: an argument is out of its range, or arrival_rate is not below the capacity.

    Source: M/M/1 by server.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    capacity = float(rates @ counts)
    if arrival_rate >= capacity:
        raise ValueError(f"no stationary regime: arrival_rate = {arrival_rate} must be below {capacity}")
    return float(counts.sum()) / (capacity - arrival_rate)
