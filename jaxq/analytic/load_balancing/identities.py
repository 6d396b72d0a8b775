"""Identities of parallel queues that hold for every finite n: balance of expected rates, no policy solved."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.analytic.load_balancing.pools import pools
from jaxq.checks import integer, nonnegative, positive


def mean_slowest_idle(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int], faster_idle: Sequence[float]
) -> float:
    """Mean idle servers of the slowest type from those of the other types, under any stable policy.

    Formula: sum_j mu_j E Q_{j,1} = Lambda, hence sum_j mu_j E I_j = sum_j mu_j N_j - Lambda for the idle servers I_j =
    N_j - Q_{j,1}. Scaled, at capacity n: sum_j mu_j E Y_{j,1} = -beta.

    Args:
        arrival_rate: Lambda of the whole system (of the admitted jobs if some are lost), 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        faster_idle: E I_j of the types but the slowest, shape (M-1,).

    Returns:
        E I_M.

    Raises:
        ValueError: an argument is out of its range, faster_idle has another length, or the slowest type would have
            fewer than 0 or more than N_M idle servers.

    Source: Bhambay, Bueke and Mukhopadhyay, Lemma 6.1(1).
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    faster = np.array([nonnegative(f"faster_idle[{j}]", idle) for j, idle in enumerate(faster_idle)])
    if faster.size != rates.size - 1:
        raise ValueError(f"faster_idle has length {faster.size}: it must be {rates.size - 1}, one type less")
    idle = float((rates @ counts - arrival_rate - rates[:-1] @ faster) / rates[-1])
    slack = 1e-9 * float(counts.sum())
    if not -slack <= idle <= counts[-1] + slack:
        raise ValueError(f"arrival_rate = {arrival_rate}, faster_idle = {list(faster_idle)} leave {idle} idle servers")
    return min(max(idle, 0.0), float(counts[-1]))


def mean_jobs(
    arrival_rate: float,
    service_rates: Sequence[float],
    servers: Sequence[int],
    faster_idle: Sequence[float],
    waiting: float,
) -> float:
    """Mean jobs from the idle servers of the faster types and the waiting jobs, under any stable policy.

    Formula: n - sum_j E I_j + E[waiting], E I_M from `mean_slowest_idle`. Scaled, at capacity n: E Y_{+1} = -beta /
    mu_M - sum_{j<M} (mu_j / mu_M - 1) E Y_{j,1} + E Y_{+2}. The sum is over the idle servers that cost most, so as an
    estimator it has a far smaller variance than the jobs counted.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        faster_idle: E I_j of the types but the slowest, shape (M-1,).
        waiting: E sum_{j, i >= 2} Q_{j,i}.

    Returns:
        Mean jobs in the system.

    Raises:
        ValueError: as `mean_slowest_idle`, or waiting is negative or not finite.

    Source: Bhambay, Bueke and Mukhopadhyay, Lemma 6.1(1) and Eq. 3.15.
    """
    waiting = nonnegative("waiting", waiting)
    slowest = mean_slowest_idle(arrival_rate, service_rates, servers, faster_idle)
    return float(sum(servers)) - float(sum(faster_idle)) - slowest + waiting


def level_two_rates(
    arrival_rate: float,
    service_rates: Sequence[float],
    servers: Sequence[int],
    levels: Any,
    probability_full: float,
    loss_probability: float = 0.0,
) -> tuple[float, float]:
    """Both sides of the balance of jobs beyond level one (beyond two in the fastest type) under speed-aware JSQ.

    Formula: E[sum_{j >= 2} mu_j Q_{j,2} + mu_1 Q_{1,3}] = Lambda P(all servers busy, each of type 1 with two jobs),
    less what is lost.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        levels: E Q_{j,i}, shape (M, B), i = 1, ..., B with B >= 3.
        probability_full: probability on the right.
        loss_probability: an arrival is lost.

    Returns:
        left and right side, 1/time.

    Raises:
        ValueError: an argument is out of its range or levels has another shape.

    Source: Bhambay, Bueke and Mukhopadhyay, Lemma 6.1(2).
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, _ = pools(service_rates, servers)
    occupied = np.asarray(levels, dtype=np.float64)
    if occupied.ndim != 2 or occupied.shape[0] != rates.size or occupied.shape[1] < 3:
        raise ValueError(f"levels has shape {occupied.shape}: it must be ({rates.size}, B) with B of at least 3")
    left = float(rates[1:] @ occupied[1:, 1] + rates[0] * occupied[0, 2])
    return left, arrival_rate * (probability_full - loss_probability)


def scaled_levels(levels: Any, servers: Sequence[int]) -> Any:
    """Scaled occupancy.

    Formula: Y_{j,1} = (Q_{j,1} - N_j) / sqrt(n), Y_{j,i} = Q_{j,i} / sqrt(n) for i >= 2.

    Args:
        levels: Q_{j,i} or its mean, shape (M, B).
        servers: N_j.

    Returns:
        Y_{j,i}, shape (M, B).

    Raises:
        ValueError: levels has another number of rows than servers has entries.

    Source: Bhambay, Bueke and Mukhopadhyay, Eq. 2.1.
    """
    scaled = np.array(levels, dtype=np.float64)
    if scaled.ndim != 2 or scaled.shape[0] != len(servers):
        raise ValueError(f"levels has shape {scaled.shape}: it must be ({len(servers)}, B)")
    scaled[:, 0] -= np.asarray(servers)
    return scaled / math.sqrt(sum(servers))


def idle_moment_bound(slowest_share: float, slowest_rate: float, power: int = 1) -> float:
    """The paper's bound on the moments of the idle servers of all types but the slowest, for large n.

    Formula: 2^m + (16 / (gamma_M mu_M))^m m!. True, and far from sharp.

    Args:
        slowest_share: gamma_M = N_M / n.
        slowest_rate: mu_M, in the time unit in which the capacity per server is 1.
        power: m, 1 or more.

    Returns:
        Bound on E[(sum_{j<M} (N_j - Q_{j,1}))^m].

    Raises:
        ValueError: an argument is out of its range.

    Source: Bhambay, Bueke and Mukhopadhyay, Eq. 6.17.
    """
    power = integer("power", power, 1)
    slack = positive("slowest_share", slowest_share) * positive("slowest_rate", slowest_rate)
    return 2.0**power + (16 / slack) ** power * math.factorial(power)
