"""Several servers, first come first served: GI/M/c, M/D/c, and a bound for GI/G/c."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.distributions.batch_sizes import BatchLaw
from jaxq.analytic.distributions.transforms import Law, scv
from jaxq.analytic.stations.batches import batch_moments
from jaxq.analytic.stations.gg1 import gaps, root
from jaxq.checks import integer, positive, stable_load

_TERMS = 1000
_LOG_TAIL = 46.0
_NEAR = 1e-5


def _utilisation(arrival_rate: float, service_rate: float, servers: int) -> float:
    load = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(load, integer("servers", servers, 1))
    return load / servers


def _measures(arrival_rate: float, service_rate: float, servers: int, wait: float, waits: float) -> dict[str, float]:
    return {
        "waiting_time": wait,
        "sojourn_time": wait + 1 / service_rate,
        "queue_length": arrival_rate * wait,
        "probability_wait": waits,
        "utilisation": arrival_rate / service_rate / servers,
    }


def gmc(
    arrival_rate: float, service_rate: float, servers: int, arrival_law: Law, batch_mean: float = 1.0
) -> dict[str, float]:
    """Stationary performance of GI/M/c, in geometric batches too.

    Formula: with A* the Laplace transform of the time between customers and sigma the root in (0, 1) of
    sigma = A*(c mu (1-sigma)), P(W > t) = P(W > 0) exp(-c mu (1-sigma) t) and 1 / P(W > 0) = 1 + (1-sigma) S,
    S = sum_{j=1..c} binom(c, j) / (C_j (1-a_j)) [c (1-a_j) - j] / [c (1-sigma) - j], a_j = A*(j mu),
    C_j = prod_{i<=j} a_i / (1-a_i). Every term is positive; where the last factor is 0/0 it is 1 + c d a_j / d j.

    Args:
        arrival_rate: lambda, of customers, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.
        arrival_law: (name, parameter) of the law between arrivals, see `laws`; that time is m X / lambda.
        batch_mean: m, customers in a mean batch of geometric law; 1: one by one.

    Returns:
        waiting_time: mean time in queue.
        sojourn_time: mean time in the system.
        queue_length: mean customers waiting, a time average.
        probability_wait: an arriving customer finds all servers busy.
        utilisation: rho = lambda / (c mu).

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, the law is unknown, rho >= 1 (no
            stationary regime), or rho is too near 1 to find sigma.

    Source: Takacs (1962), Introduction to the Theory of Queues, Chapter 2, Theorem 3.
    """
    from scipy.special import gammaln, logsumexp

    rho = _utilisation(arrival_rate, service_rate, servers)
    busy, idle = gaps(arrival_law, batch_mean)
    _, complement = root(rho, busy, idle)
    j = np.arange(1, servers + 1)
    a, rest = (np.array([f(i / (servers * rho)) for i in j.tolist()]) for f in (busy, idle))
    apart = servers * complement - j
    near = np.abs(apart) < _NEAR
    factor = (servers * rest - j) / np.where(near, 1.0, apart)
    for i in np.flatnonzero(near):
        factor[i] = 1 - servers * _slope(idle, (i + 1 + apart[i] / 2) / (servers * rho)) / (servers * rho)
    log_terms = gammaln(servers + 1) - gammaln(j + 1) - gammaln(servers - j + 1)
    with np.errstate(divide="ignore", over="ignore"):  # a is 0 where gaps are so long that nobody waits, to float64
        log_terms += np.cumsum(np.log(rest / a)) - np.log(rest) + np.log(factor)
    log_sum: Any = logsumexp(log_terms)
    waits = 1 / (1 + math.exp(math.log(complement) + log_sum)) if log_sum < 700 else math.exp(-log_sum) / complement
    wait = waits / (servers * service_rate * complement)
    return _measures(arrival_rate, service_rate, servers, wait, waits)


def gmc_wait_tail(
    arrival_rate: float, service_rate: float, servers: int, arrival_law: Law, batch_mean: float = 1.0
) -> Callable[[float], float]:
    """The tail of the stationary wait in GI/M/c, in geometric batches too.

    Formula: P(W > t) = P(W > 0) exp(-c mu (1-sigma) t), see `gmc`.

    Args:
        arrival_rate, service_rate, servers, arrival_law, batch_mean: as `gmc`.

    Returns:
        t -> P(W > t), for t >= 0, time.

    Raises:
        ValueError: as `gmc`.

    Source: Takacs (1962), Introduction to the Theory of Queues, Chapter 2, Theorem 3.
    """
    known = gmc(arrival_rate, service_rate, servers, arrival_law, batch_mean)
    waits = known["probability_wait"]
    rate = waits / known["waiting_time"] if waits else 0.0
    return lambda t: waits * math.exp(-rate * t)


def gmc_sojourn_tail(
    arrival_rate: float, service_rate: float, servers: int, arrival_law: Law, batch_mean: float = 1.0
) -> Callable[[float], float]:
    """The tail of the stationary time in GI/M/c, in geometric batches too.

    Formula: of the wait and an exponential service that does not depend on it, with eta = c mu (1-sigma), see `gmc`:
    P(T > t) = exp(-mu t) + P(W > 0) mu int_0^t exp(-eta u - mu (t-u)) du.

    Args:
        arrival_rate, service_rate, servers, arrival_law, batch_mean: as `gmc`.

    Returns:
        t -> P(T > t), for t >= 0, time.

    Raises:
        ValueError: as `gmc`.

    Source: Takacs (1962), Introduction to the Theory of Queues, Chapter 2, Theorem 3, for the wait.
    """
    known = gmc(arrival_rate, service_rate, servers, arrival_law, batch_mean)
    waits, wait = known["probability_wait"], known["waiting_time"]
    apart = service_rate - (waits / wait if waits else 0.0)

    def tail(t: float) -> float:
        served, x = math.exp(-service_rate * t), apart * t
        if abs(x) < 1:
            both = served * t * (math.expm1(x) / x if x else 1.0)
        else:
            both = (math.exp((apart - service_rate) * t) - served) / apart
        return served + waits * service_rate * both

    return tail


def _slope(function: Callable[[float], float], s: float) -> float:
    """The derivative at s > 0: central differences, extrapolated; relative error below 1e-10."""
    wide, fine = ((function(s + h) - function(s - h)) / (2 * h) for h in (2e-3 * s, 1e-3 * s))
    return (4 * fine - wide) / 3


def mdc(arrival_rate: float, service_rate: float, servers: int) -> dict[str, float]:
    """Stationary performance of M/D/c.

    Formula: the queue seen every 1/mu is a random walk kept at or above 0, Q' = (Q + A - c)^+ with A Poisson of mean
    a = lambda/mu; with S_n Poisson of mean n a, less n c (Spitzer), E[Q] = sum_n E[S_n^+] / n and
    P(W = 0) = exp(-sum_n P(S_n >= 0) / n).

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu of one server, 1/time; a service takes 1/mu.
        servers: c, customers.

    Returns:
        As `gmc`.

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, or rho >= 1 (no stationary
            regime).

    Source: Crommelin (1932), Post Office Electrical Engineers' Journal 25; Spitzer (1956), Transactions of the AMS 82.
    """
    rho = _utilisation(arrival_rate, service_rate, servers)
    # P(S_n >= 0) <= exp(-n c (rho - 1 - log rho)) <= exp(-n c (1 - rho)^2 / 2)
    last = 2 * _LOG_TAIL / servers / (1 - rho) ** 2

    def terms(n: NDArray[np.float64]) -> NDArray[np.float64]:
        room = n * servers
        exactly, reached = _poisson_tail(room, rho)
        return np.stack([room * (exactly - (1 - rho) * reached), reached]) / n

    queue, log_free = _series(terms, last)
    waits = -math.expm1(-log_free)
    return _measures(arrival_rate, service_rate, servers, queue / arrival_rate, waits)


def _poisson_tail(n: NDArray[np.float64], rho: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(N = n) and P(N >= n) of a Poisson variable N of mean n rho, n up to 1e15.

    The first by Stirling's series from 30 on; the second by Temme's expansion (DLMF 8.12) where n is above 1e5 and rho
    above 0.99: the incomplete gamma function of scipy breaks its own series off there.
    """
    from scipy.special import erfc, gammainc, gammaln

    gap = 1 - rho
    distance = sum(gap**i / i for i in range(2, 10)) if gap < 0.01 else -gap - math.log(rho)
    small = np.minimum(n, 30.0)
    stirling = gammaln(small + 1) - small * np.log(small) + small - np.log(2 * math.pi * small) / 2
    stirling = np.where(n < 30, stirling, (1 / 12 - (1 / 360 - 1 / 1260 / n**2) / n**2) / n)
    peak = np.exp(-n * distance) / np.sqrt(2 * math.pi * n)
    eta = -math.sqrt(2 * distance)
    first = -1 / 3 + eta / 12 - 2 * eta**2 / 135 + eta**3 / 864 + eta**4 / 2835
    second = -1 / 540 - eta / 288
    far = (n > 1e5) & (gap < 0.01)
    reached = np.where(
        far, erfc(np.sqrt(n * distance)) / 2 - peak * (first + second / n), gammainc(n, np.where(far, 0.0, n * rho))
    )
    return peak * np.exp(-stirling), reached


def _series(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], last: float) -> list[float]:
    """Sums over n = 1, 2, ... to ``last`` of smooth functions (the first axis): a thousand terms, and Euler-Maclaurin's
    integral, over log n, for the others; relative error below 1e-10."""
    total = function(np.arange(1.0, _TERMS + 1)).sum(axis=1)
    if last > _TERMS:
        nodes, weights = np.polynomial.legendre.leggauss(20)
        edges = np.linspace(math.log(_TERMS), math.log(last), 2 + math.ceil(math.log(last / _TERMS)))
        half = np.diff(edges)[:, None] / 2
        n = np.exp(edges[:-1, None] + half * (1 + nodes))
        total = total + (function(n.ravel()) * (n * half * weights).ravel()).sum(axis=1)
        before, here, after = function(np.array([_TERMS - 1.0, _TERMS, _TERMS + 1.0])).T
        total = total - here / 2 - (after - before) / 24
    return total.tolist()


def ggc_bound(
    arrival_rate: float,
    service_rate: float,
    servers: int,
    arrival_law: Law,
    service_law: Law,
    batch_law: BatchLaw = ("fixed", 1),
) -> float:
    """Upper bound on the mean waiting time of GI/G/c, in batches too.

    Formula: with X the customers of a batch, which come at rate b = lambda / E X, A the time between batches and S a service
    time, b [Var A + (E X Var S + Var X (E S)^2) / c] / (2 (1-rho)) + E X (X-1) / (2 E X) E S: Kingman's bound for one of c
    servers that take batches in turn, and the services of those before a customer in its own. First come first served never
    waits longer: with services given out in the order in which they begin, each begins as early as it can.

    Args:
        arrival_rate: lambda, of customers, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.
        arrival_law: (name, parameter) of the law between batches, see `laws`; A is that times E X / lambda.
        service_law: (name, parameter) of the service time's law; S is that over mu.
        batch_law: (name, parameter) of X, see `distributions.batch_sizes`.

    Returns:
        Mean time in queue at most; infinite where a variance is.

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, a law is unknown, or rho >= 1 (no
            stationary regime).

    Source: Wolff (1977), Journal of Applied Probability 14, 884-888; Kingman (1962), Proc. Cambridge Phil. Soc. 58.
    """
    rho = _utilisation(arrival_rate, service_rate, servers)
    mean, pairs = batch_moments(batch_law)
    work = mean * scv(*service_law) + (mean + 2 * pairs - mean**2)
    variances = scv(*arrival_law) / (arrival_rate / mean) ** 2 + work / servers / service_rate**2
    return arrival_rate / mean * variances / (2 * (1 - rho)) + pairs / mean / service_rate
