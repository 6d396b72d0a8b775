"""M/D/1 with balking: one class in closed form."""

import math

import numpy as np
from scipy.special import gammainc

_FAR = 1e250
_TAIL = 1e-18


def balking(arrival_rate: float, service_rate: float, threshold: float) -> dict[str, float]:
    """Stationary M/D/1 whose customers join if the work they find is at most a threshold.

    Formula: P(idle) = 1 / (1 + rho G(w)), T = mu rho G(w) / (1 + rho G(w)), where G(x) = sum_{k <= x} e^{-rho (k-x)}
    (rho (k-x))^k / k! = P(W <= x) / P(W = 0). Its alternating terms are replaced by positive ones, as in Franx's form
    for M/D/c: with k - 1 <= x < k, G(x) = sum_{j < k} Poisson(j; rho (k-x)) (p_0 + ... + p_{k-j}), p_n the law of the
    number in the system of M/D/1 over p_0, from e^{-rho} p_{n+1} = P(A > n) + sum_{i=1}^n p_i P(A > n+1-i),
    A Poisson of mean rho (flow across n customers between departures). Every digit is kept, for any rho.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time; the unit of work is a customer.
        threshold: w >= 0, work.

    Returns:
        throughput: T, 1/time.
        join: probability that an arrival joins.
        utilisation: T / mu.

    Source: Franx (2001), Operations Research Letters 29(5), 221-229; the law up to w is that of M/D/1 up to a factor.
    """
    rho = arrival_rate / service_rate
    odds = rho * _growth(rho, threshold)
    busy = 1 / (1 + 1 / odds)
    return {"throughput": service_rate * busy, "join": busy / rho, "utilisation": busy}


def _growth(rho: float, x: float) -> float:
    """G(x); infinity where it is beyond 1e250."""
    steps = math.floor(x) + 1
    above: list[float] = []  # P(A > n)
    while not above or above[-1] > _TAIL:
        above.append(float(gammainc(len(above) + 1, rho)))
    tail = np.array(above)
    law = np.zeros(steps + 1)
    law[0] = 1.0
    for n in range(steps):
        reach = min(n, tail.size - 1)
        flow = law[n - reach + 1 : n + 1] @ tail[reach:0:-1] if reach else 0.0
        law[n + 1] = (flow + (tail[n] if n < tail.size else 0.0)) * math.exp(rho)
        if law[n + 1] > _FAR:
            return math.inf
    mean = rho * (steps - x)
    terms = np.arange(steps)
    weights = np.exp(terms * np.log(mean) - mean - np.cumsum(np.log(np.maximum(terms, 1))))
    return float(weights @ np.cumsum(law)[steps - terms])
