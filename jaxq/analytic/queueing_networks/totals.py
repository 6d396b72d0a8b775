"""Mean numbers that do not depend on who is served first, and what follows of them for the classes of a priority.

Where the classes of a station are served at one rate and go on to each other station with one probability, who of them is
served makes no difference to the numbers at the stations, as long as no server idles while somebody waits: those are a
Jackson network. Of a preemptive priority this holds of the first classes by themselves, as the others do not exist for them.
"""

from collections.abc import Collection

import numpy as np
from jaxtyping import Int

from jaxq.analytic.queueing_networks.priority import preemptive
from jaxq.analytic.queueing_networks.product_form import station_number
from jaxq.analytic.queueing_networks.rates import Rates

Totals = dict[int, dict[frozenset[int], float]]
"""By station, the mean numbers of sets of its classes together."""


def station_totals(rates: Rates, works: Collection[int], among: Collection[int] | None = None) -> dict[int, float]:
    """Mean numbers at stations, by station, where they are those of M/M/c: sum of ``among`` alone if that is given.

    Formula: a station counts if no server idles there while somebody waits, its classes have one rate, and what comes to it
    from inside comes from stations that count, each class of which goes there with the same probability. The numbers at
    these stations are then a Jackson network's.

    Args:
        rates: of a stable network.
        works: stations that never idle while somebody waits.
        among: classes that evolve by themselves: nobody comes to them from others, nor is served before them.

    Source: Jackson (1963), Management Science 10(1); lumping as in Kemeny and Snell (1960), Finite Markov Chains, Chapter 6.
    """
    classes = sorted(range(len(rates.service_rates)) if among is None else among)
    here = {int(j): [k for k in classes if rates.stations[k] == j] for j in np.unique(rates.stations[classes])}
    to = np.zeros((len(rates.routing), len(rates.servers)))
    for k in classes:
        to[:, rates.stations[k]] += rates.routing[:, k]
    good = {j for j, own in here.items() if j in works and np.ptp(rates.service_rates[own]) == 0}
    left = good | {-1}
    while left > good:
        left = set(good)
        good = {j for j in left if all(_even(to[own, j], i in left) for i, own in here.items())}
    loads = rates.loads()
    return {j: station_number(float(loads[here[j]].sum()), int(rates.servers[j])) for j in sorted(good)}


def _even(shares: np.ndarray, counts: bool) -> bool:
    """Whether classes of a station that go somewhere with these probabilities bring no class into it."""
    return not shares.any() or (counts and bool(np.ptp(shares) < 1e-12))


def before(rates: Rates, order: Int[np.ndarray, " classes"], k: int) -> frozenset[int]:
    """The classes on which class k depends under a preemptive priority, itself included: those that are served before one
    of them, and those whose customers become one of them. ``order``: places, the smallest served first, shape (K,)."""
    found, todo = {k}, [k]
    for one in todo:
        first = (rates.stations == rates.stations[one]) & (order < order[one])
        more = set(np.flatnonzero(first | (rates.routing[:, one] > 0)).tolist()) - found
        found |= more
        todo += sorted(more)
    return frozenset(found)


def class_numbers(
    rates: Rates, works: Collection[int], order: Int[np.ndarray, " classes"] | None = None
) -> dict[int, float]:
    """Mean numbers of classes, by class, where they are known: of a class that is alone at its station, or under a priority.

    Formula: `station_totals` of the classes up to each, and differences between two of them; the first classes of a single
    server to which customers come from outside alone are `preemptive`.

    Args:
        rates, works: as `station_totals`.
        order: of a preemptive priority, places, the smallest served first, shape (K,); None of another policy.
    """
    every = frozenset(range(len(rates.service_rates)))
    sets = [every] if order is None else [every, *(before(rates, order, k) for k in sorted(every))]
    known: dict[frozenset[int], float] = {}
    for among in sets:
        for j, number in station_totals(rates, works, among).items():
            known[among & frozenset(rates.of_station(j))] = number
    found = {}
    for classes, number in known.items():
        for less, smaller in [*known.items(), (frozenset(), 0.0)]:
            if less < classes and len(classes) == len(less) + 1:
                found[next(iter(classes - less))] = number - smaller
    if order is not None:
        for j in np.flatnonzero(rates.servers == 1).tolist():
            found |= _fed_from_outside(rates, order, j)
    return found


def _fed_from_outside(rates: Rates, order: np.ndarray, j: int) -> dict[int, float]:
    """Mean numbers of the first classes of a single server, as far as customers come to them from outside alone."""
    first = []
    for k in sorted(rates.of_station(j), key=lambda k: order[k]):
        if rates.routing[:, k].any():
            break
        first.append(k)
    numbers = preemptive(rates.arrival_rates[first], rates.service_rates[first])
    return dict(zip(first, numbers.tolist(), strict=True))
