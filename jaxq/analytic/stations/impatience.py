"""Several servers and customers with limited patience: M/M/c+G."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.distributions.transforms import Law, stopped_mean
from jaxq.analytic.stations.erlang import erlang_b
from jaxq.checks import integer, positive

_LOG_TAIL = 46.0
"""Where the integrand is e^-46 of its maximum the rest of it is left out."""
_PANELS, _NODES = 512, 8
"""Gauss-Legendre nodes on each of so many panels, between two kinks."""


def mmcg(
    arrival_rate: float, service_rate: float, servers: int, abandonment_rate: float, patience_law: Law
) -> dict[str, float]:
    """Stationary performance of M/M/c+G, first come first served; a customer leaves once it has waited its patience.

    Formula: with H(x) = E min(patience, x), g(x) = lambda H(x) - c mu x, J = int_0^inf e^g(x) dx, K = int_0^inf H(x) e^g(x)
    dx and 1/e = B(c - 1, lambda/mu) of Erlang's loss formula (e = 1 for c = 1),

        P(wait) = lambda J / (e + lambda J),  P(abandon) = (1 + (lambda - c mu) J) / (e + lambda J),
        E W = lambda K / (e + lambda J),

    W the time in queue of all customers, those who leave it included. The integrals by Gauss-Legendre on panels between the
    kinks of H, e^g over its maximum, which lies where c mu = lambda P(patience > x) as g is concave.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.
        abandonment_rate: theta, 1 / mean patience, 1/time.
        patience_law: (name, parameter) of the law of patience, see `distributions.transforms`; patience is X / theta.

    Returns:
        waiting_time: mean time in queue of all customers.
        sojourn_time: mean time in the system of all customers.
        queue_length: mean customers waiting, a time average.
        probability_wait: an arriving customer finds all servers busy.
        probability_abandon: a customer leaves unserved.
        utilisation: share of the servers that are busy.

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, or the law is unknown.

    Source: Baccelli and Hebuterne (1981), On queues with impatient customers; Zeltyn and Mandelbaum (2005), Queueing
    Systems 51, 361-402, Theorem 3.1 and Section 4 (J, J_H and P(Ab)).
    """
    arrival_rate, service_rate = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
    servers, theta = integer("servers", servers, 1), positive("abandonment_rate", abandonment_rate)
    mean, kinks = stopped_mean(*patience_law)
    drain = servers * service_rate

    def exponent(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return arrival_rate * mean(theta * x) / theta - drain * x

    top, low, high = _range(exponent, 1 / max(arrival_rate, drain))
    x, weights = _nodes(np.array([low, *sorted(k / theta for k in kinks if low < k / theta < high), high]))
    values = weights * np.exp(exponent(x) - top)
    busy, waited = arrival_rate * values.sum(), arrival_rate * (values @ mean(theta * x)) / theta
    idle = (1.0 if servers == 1 else 1 / erlang_b(servers - 1, arrival_rate / service_rate)) * np.exp(-top)
    total = idle + busy
    wait, abandon = waited / total, (np.exp(-top) + (1 - drain / arrival_rate) * busy) / total
    served = 1 - abandon
    return {
        "waiting_time": float(wait),
        "sojourn_time": float(wait + served / service_rate),
        "queue_length": float(arrival_rate * wait),
        "probability_wait": float(busy / total),
        "probability_abandon": float(abandon),
        "utilisation": float(arrival_rate * served / drain),
    }


def _range(exponent, scale: float) -> tuple[float, float, float]:
    """(maximum, from, to): of a concave function that is 0 at 0, and where it is more than `_LOG_TAIL` below it."""
    high = scale
    while exponent(np.array([high]))[0] > -_LOG_TAIL:
        high *= 2.0
    low, right = 0.0, high
    for _ in range(60):  # golden thirds of a concave function
        first, second = low + (right - low) / 3, right - (right - low) / 3
        smaller = exponent(np.array([first, second]))
        low, right = (first, right) if smaller[0] < smaller[1] else (low, second)
    at = 0.5 * (low + right)
    top = max(float(exponent(np.array([at]))[0]), 0.0)
    ends = []
    for inside, outside in ((at, 0.0), (at, high)):
        for _ in range(60):
            middle = 0.5 * (inside + outside)
            inside, outside = (
                (middle, outside) if exponent(np.array([middle]))[0] > top - _LOG_TAIL else (inside, middle)
            )
        ends.append(outside)
    return top, ends[0], ends[1]


def _nodes(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of Gauss-Legendre on panels of each stretch, shape (nodes,)."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    panels = max(1, _PANELS // (len(edges) - 1))
    cuts = np.concatenate([np.linspace(a, b, panels + 1)[:-1] for a, b in pairwise(edges)] + [edges[-1:]])
    half = np.diff(cuts)[:, None] / 2
    return (cuts[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()
