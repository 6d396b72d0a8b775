"""What is known of a network without simulating it: traffic equations, product forms, totals, chains of small ones."""

from typing import NamedTuple

import numpy as np

from jaxq.analytic.queueing_networks.chain import Scores, small_numbers
from jaxq.analytic.queueing_networks.product_form import shared_numbers
from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.analytic.queueing_networks.totals import class_numbers, station_totals
from jaxq.engine.reference import Reference


class Control(NamedTuple):
    """A policy in plain numbers.

    Attributes:
        works: stations, counted from 0, that never idle while somebody waits.
        shares: whether the customers at a station share its servers.
        order: of a static order, the smallest is served first, shape (K,); None of another policy.
        weights: of scores, the largest is served first: sum_l S_kl n_l, rounded, shape (K, K); None of another policy.
        idles: whether a class of a negative score is not served.
    """

    works: tuple[int, ...]
    shares: bool
    order: np.ndarray | None = None
    weights: np.ndarray | None = None
    idles: bool = False


def queueing_network(
    rates: Rates, classes: tuple[str, ...], stations: tuple[str, ...], holding_costs: np.ndarray, control: Control
) -> dict[str, Reference]:
    """References of the metrics of `QueueingNetwork`.

    Under every policy the services of a class balance what comes to it. Shared stations have product form; else totals at
    stations are known where they do not depend on who is served, and numbers of classes where they are alone or follow from
    totals of the first ones of a priority; of a small network all are, from its chain.

    Args:
        rates: of a stable network.
        classes, stations: names.
        holding_costs: h_k, shape (K,).
        control: the policy.
    """
    through = rates.throughputs()
    found = {f"throughput_{name}": Reference(float(x), "identity") for name, x in zip(classes, through, strict=True)}
    for name, x in zip(stations, rates.utilisations(), strict=True):
        found[f"utilisation_{name}"] = Reference(float(x), "identity")
    totals = {}
    if control.shares:
        numbers = dict(enumerate(shared_numbers(rates).tolist()))
    else:
        numbers = class_numbers(rates, control.works, control.order)
        totals = station_totals(rates, control.works)
        static = control.order is not None or control.weights is not None
        if static and len(numbers) < len(classes):
            solved = small_numbers(rates, Scores(control.weights, control.order, control.idles))
            numbers = ({} if solved is None else dict(enumerate(solved.tolist()))) | numbers
    for j in range(len(stations)):
        here = rates.of_station(j)
        if all(k in numbers for k in here):
            totals[j] = sum(numbers[k] for k in here)
    means = {f"station_number_{stations[j]}": x for j, x in totals.items()}
    for k, x in numbers.items():
        means[f"number_{classes[k]}"] = x
        means[f"sojourn_time_{classes[k]}"] = x / through[k] if through[k] > 0 else np.nan
    if len(totals) == len(stations):
        means["number_in_system"] = sum(totals.values())
        means["sojourn_time"] = means["number_in_system"] / rates.arrival_rates.sum()
        worth = [_cost(holding_costs, rates.of_station(j), totals[j], numbers) for j in totals]
        means["holding_cost"] = sum(worth)
    found |= {name: Reference(float(x)) for name, x in means.items() if np.isfinite(x)}
    idle = [name for name, x in zip(classes, through, strict=True) if x == 0]
    return {name: x for name, x in found.items() if name not in {f"throughput_{of}" for of in idle}}


def _cost(costs: np.ndarray, here: list[int], total: float, numbers: dict[int, float]) -> float:
    """Cost of the customers at a station of which the total is known; nan where those of its classes are needed too."""
    if np.ptp(costs[here]) == 0:
        return float(costs[here[0]]) * total
    return sum(float(costs[k]) * numbers.get(k, np.nan) for k in here)
