"""Naor's queue: M/M/1, alike customers who see its length and may balk."""

import numpy as np
from jaxtyping import Float

from jaxq.analytic.tolled_queues.customers import accepted
from jaxq.checks import number, positive

_MOST_CUSTOMERS = 10_000_000


def naor(arrival_rate: float, service_rate: float, reward: float, waiting_cost: float) -> dict[str, float]:
    """Queue lengths at which customers, society and the toll collector want arrivals to stop, and what each is worth.

    Formula: a customer who finds n - 1 others joins if R - theta >= C n / mu. With threshold n (an arrival joins if it
    makes at most n) the law of the length is truncated geometric, T_n = lambda (1 - p_n), welfare is R T_n - C E[N_n]
    and the highest toll that leaves the threshold at n is theta_n = R - C n / mu, so the revenue is theta_n T_n. Hence
    n_s = floor(R mu / C), and n_o and n_r are the smallest maximisers over n <= n_s.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.
        reward: R of a service, money.
        waiting_cost: C of time in the system, money/time.

    Returns:
        n_s: customers present at most without a toll.
        n_o: with most welfare.
        n_r: with most revenue; n_r <= n_o <= n_s.
        toll_o, toll_r: theta at n_o and n_r, money.
        welfare, welfare_s: at n_o and n_s, money/time.
        revenue: at n_r, money/time.

    Raises:
        ValueError: a rate or the cost is not positive and finite, or R mu / C is not between 1 and 1e7.

    Source: Naor (1969), Econometrica 37(1), 15-24.
    """
    arrival_rate, service_rate = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
    cost = positive("waiting_cost", waiting_cost)
    most = float(accepted(np.array(float(reward)), np.array(cost), service_rate, 0.0))
    number("reward x service_rate / waiting_cost", most, 1, _MOST_CUSTOMERS, open_high=True)
    lengths = np.arange(1, int(most) + 1)
    throughput, jobs = thresholds(arrival_rate, service_rate, lengths.size)
    tolls = reward - cost * lengths / service_rate
    welfare, revenue = reward * throughput - cost * jobs, tolls * throughput
    social, selfish = int(np.argmax(welfare)), int(np.argmax(revenue))
    return {
        "n_s": lengths.size,
        "n_o": social + 1,
        "n_r": selfish + 1,
        "toll_o": float(tolls[social]),
        "toll_r": float(tolls[selfish]),
        "welfare": float(welfare[social]),
        "welfare_s": float(welfare[-1]),
        "revenue": float(revenue[selfish]),
    }


def thresholds(
    arrival_rate: float, service_rate: float, most: int
) -> tuple[Float[np.ndarray, " levels"], Float[np.ndarray, " levels"]]:
    """Throughput and mean customers of M/M/1/n for n = 1, ..., most.

    Formula: lambda (1 - p_n) and sum_k k p_k, p_k proportional to rho^k for k <= n.

    Args:
        arrival_rate: lambda, 1/time, positive.
        service_rate: mu, 1/time, positive.
        most: the largest n, 1 or more.

    Returns:
        Two arrays of shape (most,): 1/time, and customers.

    Source: the truncated geometric law of M/M/1/n.
    """
    rho = arrival_rate / service_rate
    n = np.arange(most + 1.0)
    # From the likelier end, so that no power overflows: k customers, or n - k empty places.
    ratio = min(rho, 1 / rho)
    powers = ratio**n
    total, first = np.cumsum(powers)[1:], np.cumsum(n * powers)[1:] / np.cumsum(powers)[1:]
    if rho <= 1:
        return service_rate * (rho * np.cumsum(powers)[:-1]) / total, first
    return service_rate * (1 - powers[1:] / total), n[1:] - first
