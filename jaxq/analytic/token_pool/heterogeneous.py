"""Unlike servers in the token-based resource-pooling mechanism: what the paper bounds, and who pays for the work.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Section 7, Appendix C.6.
Notation: arrival rates lambda_i and service rates mu_i, 1/time, utilisations rho_i = lambda_i / mu_i in (0, 1), processing
cost c per job. The mechanism earns tokens with probability phi = max rho_i.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import FieldError, nonnegative, positive


class ProcessingCosts(NamedTuple):
    """Long-run processing cost of each server, cost per time, shape (N,).

    Attributes:
        mechanism: c lambda_i, in proportion to the jobs that a server brings.
        centralised: c mu_i rho_c, in proportion to its speed.
    """

    mechanism: Float[np.ndarray, " servers"]
    centralised: Float[np.ndarray, " servers"]


def congestion_bound(arrival_rate: ArrayLike, service_rate: ArrayLike) -> float:
    """Factor by which jobs in the system exceed those under central control, at most.

    Formula: r (1 - s) / (s (1 - r)) with r = max rho_i and s = min rho_i; 1 if the utilisations are equal.

    Args:
        arrival_rate: lambda_i, 1/time, one number or shape (N,).
        service_rate: mu_i, 1/time, one number or shape (N,).

    Returns:
        The factor, 1 or more.

    Raises:
        ValueError: a rate is not positive and finite, or a server has lambda_i >= mu_i.

    Source: Chen, Chen and Qian, Theorem 7.1 and the paragraph before it.
    """
    arrivals, services = _rates(arrival_rate, service_rate)
    rho = arrivals / services
    return float(rho.max() * (1 - rho.min()) / (rho.min() * (1 - rho.max())))


def deviation_bound(arrival_rate: ArrayLike, service_rate: ArrayLike) -> float:
    """What a server's cost under complete pooling exceeds its processing cost c lambda_1 by, at most.

    Formula: max lambda_i r / (min lambda_i (1 - r) N), r = max rho_i. Up to terms that vanish faster it bounds what
    any deviation of one server gains.

    Args:
        arrival_rate: lambda_i, 1/time, shape (N,).
        service_rate: mu_i, 1/time, one number or shape (N,).

    Returns:
        Cost per time.

    Raises:
        ValueError: as `congestion_bound`.

    Source: Chen, Chen and Qian, Theorem 7.2(1) and Appendix C.6; the print has lost the lines that mark the largest
    and the least arrival rate.
    """
    arrivals, services = _rates(arrival_rate, service_rate)
    rho = (arrivals / services).max()
    return float(arrivals.max() * rho / (arrivals.min() * (1 - rho) * arrivals.size))


def processing_costs(arrival_rate: ArrayLike, service_rate: ArrayLike, processing_cost: float = 1.0) -> ProcessingCosts:
    """Who pays for the work, under the mechanism and under central control.

    Formula: c lambda_i; c mu_i rho_c with rho_c = sum lambda_i / sum mu_i. Both add up to c sum lambda_i.

    Args:
        arrival_rate: lambda_i, 1/time, one number or shape (N,).
        service_rate: mu_i, 1/time, one number or shape (N,).
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        Cost per time of each server.

    Raises:
        ValueError: as `congestion_bound`, or processing_cost is negative or not finite.

    Source: Chen, Chen and Qian, Section 7, comparison of allocation of job processing costs.
    """
    arrivals, services = _rates(arrival_rate, service_rate)
    cost = nonnegative("processing_cost", processing_cost)
    return ProcessingCosts(cost * arrivals, cost * services * (arrivals.sum() / services.sum()))


def _rates(
    arrival_rate: ArrayLike, service_rate: ArrayLike
) -> tuple[Float[np.ndarray, " servers"], Float[np.ndarray, " servers"]]:
    arrivals, services = np.broadcast_arrays(
        np.atleast_1d(np.asarray(arrival_rate, dtype=np.float64)), np.asarray(service_rate, dtype=np.float64)
    )
    for arrival, service in zip(arrivals, services, strict=True):
        positive("arrival_rate", arrival)
        positive("service_rate", service)
        if arrival >= service:
            raise FieldError("arrival_rate", arrival, f"must be below service_rate = {service}")
    return arrivals, services
