"""Several servers, first come first served, Poisson arrivals and constant services: the law of the wait in M/D/c."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jaxq.checks import integer, positive, stable_load

_LOG_TAIL = 46.0
_MOST_TERMS = 10_000_000


def mdc_wait_tail(arrival_rate: float, service_rate: float, servers: int) -> Callable[[float], float] | None:
    """The tail of the stationary wait in M/D/c.

    Formula: with a = lambda/mu, k the whole number with (k-1)/mu <= t < k/mu, N Poisson of mean lambda (k/mu - t) and Q the
    customers who wait, P(W > t) = P(Q + N >= k c). The law of Q, the maximum of a random walk with steps Poisson(a) - c, by
    Spitzer's identity: with c_i = sum_n P(S_n = i) / n, P(Q = 0) = exp(-sum_i c_i) and
    j P(Q = j) = sum_{i<=j} i c_i P(Q = j-i). No term is negative.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu of one server, 1/time; a service takes 1/mu.
        servers: c, customers.

    Returns:
        t -> P(W > t), for t >= 0, time; None where rho is so near 1 that the sums have more than 10 million terms.

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, or rho >= 1 (no stationary
            regime).

    Source: Franx (2001), Operations Research Letters 29, 221-229, for the wait; Spitzer (1956), Transactions of the AMS 82.
    """
    load = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(load, integer("servers", servers, 1))
    queue = _queue(load, servers)
    if queue is None:
        return None
    above = np.append(np.cumsum(queue[:0:-1])[::-1], 0.0)  # P(Q > m)

    def tail(t: float) -> float:
        from scipy.special import pdtr, pdtrc

        if (t * service_rate - 1) * servers > 2 * len(above):
            return 0.0
        k = math.floor(t * service_rate) + 1
        mean = max(k - t * service_rate, 0.0) * load
        arrived = np.arange(min(k * servers, int(load + 12 * math.sqrt(load)) + 60))
        law = np.diff(pdtr(arrived, mean), prepend=0.0)
        queued = above[np.minimum(k * servers - 1 - arrived, len(above) - 1)]
        return float(law @ queued + pdtrc(arrived[-1], mean))

    return tail


def _queue(load: float, servers: int) -> NDArray[np.float64] | None:
    """The law of the queue, from 0 on to where its tail is e^-46; None where that takes too many terms."""
    from scipy.optimize import brentq
    from scipy.special import gammaln

    rho = load / servers
    steps = math.ceil(_LOG_TAIL / servers / (rho - 1 - math.log(rho)))
    # E e^(s S_1) = 1: the tail of Q decays as e^(-s j)
    high = 1.0
    while load * math.expm1(high) <= servers * high:
        high *= 2
    decay = float(brentq(lambda s: load * math.expm1(s) / s - servers, 1e-12, high))  # pyright: ignore[reportArgumentType]
    size = math.ceil(_LOG_TAIL / decay) + 1
    if steps * size > _MOST_TERMS:
        return None
    i, terms = np.arange(1.0, size + 1), np.zeros(size)
    for n in range(1, steps + 1):
        terms += np.exp((n * servers + i) * math.log(n * load) - n * load - gammaln(n * servers + i + 1)) / n
    queue = np.zeros(size + 1)
    queue[0] = math.exp(-terms.sum())
    weighted = i * terms
    for j in range(1, size + 1):
        queue[j] = weighted[:j] @ queue[j - 1 :: -1] / j
    return queue
