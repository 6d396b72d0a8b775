"""Identities of parallel queues that hold for every finite n: balance of expected rates, no policy solved.

Source: Bhambay, Bueke and Mukhopadhyay, Lemma 6.1 and Eq. 3.15.
"""

from collections.abc import Sequence

import numpy as np


def mean_slowest_idle(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int], faster_idle: Sequence[float]
) -> float:
    """Mean idle servers of the slowest type from those of the others: sum_j mu_j E Q_{j,1} = Lambda (of the admitted)."""
    rates, faster = np.array(service_rates), np.array(faster_idle)
    return float((rates @ np.array(servers) - arrival_rate - rates[:-1] @ faster) / rates[-1])


def mean_jobs(
    arrival_rate: float,
    service_rates: Sequence[float],
    servers: Sequence[int],
    faster_idle: Sequence[float],
    waiting: float,
) -> float:
    """Mean jobs n - sum_j E I_j + E[waiting], with waiting = sum_{j, i >= 2} Q_{j,i}."""
    slowest = mean_slowest_idle(arrival_rate, service_rates, servers, faster_idle)
    return float(sum(servers)) - float(sum(faster_idle)) - slowest + waiting


def level_two_rates(
    arrival_rate: float,
    service_rates: Sequence[float],
    levels: np.ndarray,
    probability_full: float,
    loss_probability: float = 0.0,
) -> tuple[float, float]:
    """Both sides of the balance of jobs beyond level one (beyond two in the fastest type) under speed-aware JSQ.

    Formula: E[sum_{j >= 2} mu_j Q_{j,2} + mu_1 Q_{1,3}] = Lambda P(all servers busy, each of type 1 with two jobs),
    less what is lost; levels are E Q_{j,i}, shape (M, B).
    """
    rates = np.array(service_rates)
    left = float(rates[1:] @ levels[1:, 1] + rates[0] * levels[0, 2])
    return left, arrival_rate * (probability_full - loss_probability)
