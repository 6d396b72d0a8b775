"""Parallel servers that get the jobs of a Poisson stream in turn, in a cycle that comes again and again."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxq.analytic.load_balancing.pools import pools
from jaxq.checks import FieldError, integer, positive, stable_load

MOST_STEPS, ACCURATE = 200, 1e-15
"""Of the search for a root, and the step from which on there is nothing to gain."""


@functools.lru_cache(maxsize=1024)
def periodic_queue(arrival_rate: float, service_rate: float, gaps: tuple[int, ...]) -> tuple[float, float]:
    """One exponential server that gets some jobs of a Poisson stream, in turns that repeat themselves.

    Formula: m gaps, of k_1, ..., k_m jobs of the stream, L in all. With phi(s) = Lambda / (Lambda + mu (1 - s)) the job
    before gap r finds n jobs with probability x_r(n) = sum_i c_i u_{r,i} s_i^n: s_i are the m roots of s^m = phi(s)^L in
    the unit disc, u_{r+1,i} = u_{r,i} phi(s_i)^k_r / s_i, and c is such that every x_r sums to 1; m = 1 is E_k/M/1.

    Args:
        arrival_rate: Lambda of the stream, 1/time.
        service_rate: mu, 1/time.
        gaps: k_r, whole numbers >= 1.

    Returns:
        Mean wait of its jobs, and the probability that one waits.

    Raises:
        ValueError: an argument is out of its range, or m Lambda / L >= mu (no stationary regime).

    Source: the embedded chain of GI/M/1 (Kleinrock 1975, Queueing Systems I, Section 6.1) in an environment that repeats
    itself; the roots as in Janssen and van Leeuwaarden (2005), Queueing Systems 50(1), 17-52.
    """
    rate, mu = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
    k = np.array([integer(f"gaps[{r}]", x) for r, x in enumerate(gaps)], np.float64)
    if not k.size:
        raise FieldError("gaps", ..., "must be at least one")
    m, length = k.size, k.sum()
    stable_load(rate * m / length / mu, 1)
    unity, power, s = np.exp(2j * np.pi * np.arange(m) / m), length / m, np.zeros(m, complex)
    for _ in range(
        MOST_STEPS
    ):  # Newton's on s = phi(s)^(L/m) times each root of unity, each of which has one in the disc
        phi = rate / (rate + mu * (1 - s))
        value = unity * phi**power
        step = (value - s) / (1 - power * mu / rate * value * phi)
        s = s + np.where(abs(s + step) < 1, step, value - s)
        if abs(step).max() < ACCURATE:
            break
    factors = (rate / (rate + mu * (1 - s))) ** k[:, None] / s
    begins = np.concatenate([np.ones((1, m)), np.cumprod(factors[:-1], axis=0)])
    weights = begins * np.linalg.solve(begins / (1 - s), np.ones(m))
    found = (weights * s / (1 - s) ** 2).sum(axis=1).real
    return float(found.mean()) / mu, float(1 - weights.sum(axis=1).real.mean())


def servers_in_turn(
    arrival_rate: float, service_rates: Sequence[float], cycle: Sequence[Mapping[tuple[int, ...], int]]
) -> dict[str, Any]:
    """Stationary means where servers get the jobs in turn.

    Formula: each server is a `periodic_queue`; with lambda_s jobs per unit of time a job waits w_s and stays w_s + 1/mu_j,
    and two jobs or more are there lambda_s P(a job waits) / mu_j of the time.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first, shape (M,).
        cycle: of each type, by gaps how many servers come in the cycle with them: jobs of the whole stream from one of a
            server to its next, as long as they do not repeat.

    Returns:
        response_time, waiting_time: means over jobs, time.
        number_in_system, waiting_jobs: jobs.
        idle_servers: servers; ``idle``: by type, shape (M,).
        two_jobs: servers with two jobs or more, by type, shape (M,).

    Raises:
        ValueError: an argument is out of its range, the turns make no cycle, or a server gets as much work as it can do or
            more (no stationary regime).

    Source: as `periodic_queue`.
    """
    rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, [sum(mine.values()) for mine in cycle])
    each = [(j, gaps, n * len(gaps) / sum(gaps)) for j, mine in enumerate(cycle) for gaps, n in mine.items()]
    if not np.isclose(sum(share for *_, share in each), 1, rtol=1e-9):
        raise FieldError("cycle", ..., "its turns must be those of one cycle, in which every job has a server")
    waiting_time, busy, two_jobs = 0.0, np.zeros(rates.size), np.zeros(rates.size)
    for j, gaps, share in each:
        wait, waits = periodic_queue(rate, float(rates[j]), gaps)
        waiting_time += share * wait
        busy[j] += rate * share / rates[j]
        two_jobs[j] += rate * share / rates[j] * waits
    return {
        "response_time": waiting_time + float(busy.sum()) / rate,
        "waiting_time": waiting_time,
        "number_in_system": rate * waiting_time + float(busy.sum()),
        "waiting_jobs": rate * waiting_time,
        "idle_servers": float((counts - busy).sum()),
        "idle": counts - busy,
        "two_jobs": two_jobs,
    }
