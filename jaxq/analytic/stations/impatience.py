"""Several servers and customers with limited patience: M/M/c+G."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.distributions.transforms import Law, stopped_mean, tail
from jaxq.analytic.stations.erlang import erlang_b
from jaxq.checks import integer, positive

_LOG_TAIL = 46.0
"""Where the integrand is e^-46 of its maximum the rest of it is left out."""
_PANELS, _NODES = 512, 8
"""Gauss-Legendre nodes on each of so many panels, between two kinks."""
_LEGENDRE = np.polynomial.legendre.leggauss(_NODES)


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
    offered = _Offered.of(arrival_rate, service_rate, servers, abandonment_rate, patience_law)
    x, weights = _nodes(offered.cuts)
    values, drain = weights * offered.density(x), servers * service_rate
    mean, _ = stopped_mean(*patience_law)
    busy, waited = values.sum(), (values @ mean(abandonment_rate * x)) / abandonment_rate
    total = offered.idle + busy
    wait, abandon = waited / total, (offered.scale + (1 - drain / arrival_rate) * busy) / total
    served = 1 - abandon
    return {
        "waiting_time": float(wait),
        "sojourn_time": float(wait + served / service_rate),
        "queue_length": float(arrival_rate * wait),
        "probability_wait": float(busy / total),
        "probability_abandon": float(abandon),
        "utilisation": float(arrival_rate * served / drain),
    }


def mmcg_wait_tail(
    arrival_rate: float, service_rate: float, servers: int, abandonment_rate: float, patience_law: Law
) -> Callable[[float], float]:
    """The tail of the stationary wait in M/M/c+G, of all customers, those who leave it included.

    Formula: P(W > t) = P(patience > t) lambda int_t^inf e^g(x) dx / (e + lambda J), see `mmcg`: a customer waits the less of
    its patience and of what is offered, and the two are independent.

    Args:
        arrival_rate, service_rate, servers, abandonment_rate, patience_law: as `mmcg`.

    Returns:
        t -> P(W > t), for t >= 0, time.

    Raises:
        ValueError: as `mmcg`.

    Source: Zeltyn and Mandelbaum (2005), Queueing Systems 51, 361-402, Section 4.
    """
    offered = _Offered.of(arrival_rate, service_rate, servers, abandonment_rate, patience_law)
    patient, cuts = tail(*patience_law), _panels(offered.cuts)
    x, weights = _nodes(offered.cuts)
    beyond = np.append(np.cumsum((weights * offered.density(x)).reshape(-1, _NODES).sum(axis=1)[::-1])[::-1], 0.0)
    total = offered.idle + beyond[0]

    def waits(t: float) -> float:
        if t >= cuts[-1]:
            return 0.0
        k = max(int(np.searchsorted(cuts, t, side="right")) - 1, 0)
        node, weight = _LEGENDRE
        half = (cuts[k + 1] - max(t, cuts[k])) / 2
        here = half * (weight @ offered.density(cuts[k + 1] - half * (1 - node)))
        return float(patient(np.array([abandonment_rate * t]))[0] * (here + beyond[k + 1]) / total)

    return waits


class _Offered(NamedTuple):
    """The density of the wait that is offered to a customer, over its maximum and so far as it is not negligible."""

    density: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """x -> lambda e^(g(x) - top)."""
    scale: float
    """e^-top."""
    idle: float
    """The mass at 0, in the same units."""
    cuts: NDArray[np.float64]
    """From where to where, with the kinks between."""

    @classmethod
    def of(
        cls, arrival_rate: float, service_rate: float, servers: int, abandonment_rate: float, patience_law: Law
    ) -> "_Offered":
        arrival_rate, service_rate = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
        servers, theta = integer("servers", servers, 1), positive("abandonment_rate", abandonment_rate)
        mean, kinks = stopped_mean(*patience_law)
        drain = servers * service_rate

        def exponent(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return arrival_rate * mean(theta * x) / theta - drain * x

        top, low, high = _range(exponent, 1 / max(arrival_rate, drain))
        cuts = np.array([low, *sorted(k / theta for k in kinks if low < k / theta < high), high])
        scale = float(np.exp(-top))
        lost = 1.0 if servers == 1 else erlang_b(servers - 1, arrival_rate / service_rate)
        idle = scale / lost if lost else np.inf  # then nobody waits, to float64
        return cls(lambda x: arrival_rate * np.exp(exponent(x) - top), scale, idle, cuts)


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


def _panels(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ends of the panels, as many on each stretch."""
    panels = max(1, _PANELS // (len(edges) - 1))
    return np.concatenate([np.linspace(a, b, panels + 1)[:-1] for a, b in pairwise(edges)] + [edges[-1:]])


def _nodes(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of Gauss-Legendre on panels of each stretch, shape (nodes,)."""
    node, weight = _LEGENDRE
    cuts = _panels(edges)
    half = np.diff(cuts)[:, None] / 2
    return (cuts[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()
