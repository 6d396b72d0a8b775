"""Stations without a queue, M/G/infinity and M/G/c/c: the service law enters through its mean only."""

import math

import numpy as np

from jaxq.analytic.markov.birth_death import stationary
from jaxq.checks import integer, positive


def mginf(arrival_rate: float, service_rate: float) -> dict[str, float]:
    """Stationary performance of M/G/infinity.

    Formula: the number in system is Poisson with mean lambda/mu.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.

    Returns:
        number_in_system: mean customers in the system.
        number_variance: its variance, customers^2.
        probability_empty: nobody is there, e^-(lambda/mu).

    Raises:
        ValueError: a rate is not positive and finite.

    Source: Takacs (1962), Introduction to the Theory of Queues, Chapter 3.
    """
    load = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    return {"number_in_system": load, "number_variance": load, "probability_empty": math.exp(-load)}


def mgcc(arrival_rate: float, service_rate: float, servers: int) -> dict[str, float]:
    """Stationary performance of M/G/c/c, Erlang's loss system.

    Formula: the number in system is Poisson with mean lambda/mu, given that it is at most c.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.

    Returns:
        number_in_system: mean customers in the system.
        number_variance: its variance, customers^2.
        probability_empty: nobody is there.
        probability_block: an arrival is lost.
        utilisation: mean busy servers / servers.

    Raises:
        ValueError: a rate is not positive and finite, or servers is no positive integer.

    Source: Sevastyanov (1957), Theory of Probability and its Applications 2(1), for the insensitivity.
    """
    arrival_rate, service_rate = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
    servers = integer("servers", servers, 1)
    customers = np.arange(servers + 1)
    law = stationary(np.full(servers, arrival_rate), service_rate * customers[1:])
    number = float(law @ customers)
    return {
        "number_in_system": number,
        "number_variance": float(law @ (customers - number) ** 2),
        "probability_empty": float(law[0]),
        "probability_block": float(law[-1]),
        "utilisation": number / servers,
    }
