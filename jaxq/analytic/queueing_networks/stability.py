"""Stability beyond utilisation: classes that are never served at the same time, and networks that are known to be stable."""

import numpy as np
from jaxtyping import Int

from jaxq.analytic.queueing_networks.rates import Rates


def virtual_stations(rates: Rates, order: Int[np.ndarray, " classes"]) -> list[tuple[int, int, float]]:
    """Pairs of classes that are never both there under a preemptive priority, in a network that starts empty, and the sum of
    their loads: above 1 there is no stationary regime.

    Formula: k and m, at two stations of one server, have no arrivals from outside, and whoever becomes k is served after m
    at the station of m, and the other way round. So nobody comes to one of them while the other is there, and a_k + a_m is
    the share of time in which one of them is served.

    Args:
        rates: of the network.
        order: places, the smallest served first.

    Returns:
        (k, m, a_k + a_m), k < m.

    Source: Rybko and Stolyar (1992), Problems of Information Transmission 28(3); Dai and Vande Vate (2000), Operations
    Research 48(5).
    """
    loads, found = rates.loads(), []
    for k in range(len(loads)):
        for m in range(k + 1, len(loads)):
            if _held_back(rates, order, k, m) and _held_back(rates, order, m, k):
                found.append((k, m, float(loads[k] + loads[m])))
    return found


def _held_back(rates: Rates, order: np.ndarray, k: int, by: int) -> bool:
    """Whether nobody comes to class k while class ``by`` is there, at another station."""
    station = rates.stations[by]
    feeders = np.flatnonzero(rates.routing[:, k] > 0)
    alone = rates.servers[station] == 1 and rates.stations[k] != station and rates.arrival_rates[k] == 0
    behind = (rates.stations[feeders] == station) & (order[feeders] > order[by])
    return bool(alone and feeders.size and behind.all())


def feeds_forward(rates: Rates) -> bool:
    """Whether customers never come back to a station that they have left, so that stations can be put in order."""
    leads = np.zeros((len(rates.servers),) * 2)
    for k, m in np.argwhere(rates.routing > 0):
        leads[rates.stations[k], rates.stations[m]] = 1
    return not np.linalg.matrix_power(leads, len(leads)).any()


def re_entrant(rates: Rates) -> bool:
    """Whether all customers take one route through all classes, each station having one server."""
    certain = np.isin(rates.routing, (0.0, 1.0)).all()
    once = (np.count_nonzero(rates.routing, axis=0) <= 1).all()
    entries = np.flatnonzero(rates.arrival_rates)
    one = bool(certain and once and len(entries) == 1 and (rates.servers == 1).all())
    return one and not rates.routing[:, entries].any() and bool((rates.throughputs() > 0).all())
