"""What is known of an open network without simulating it: loads, visits, stability. Nothing here is stepped with."""

import numpy as np

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.analytic.queueing_networks.stability import feeds_forward, re_entrant, virtual_stations
from jaxq.engine.reference import Statement

TRAFFIC = "Jackson 1963, traffic equations"
ROUND_THERE_AND_BACK = "first-buffer", "last-buffer"


def network(
    rates: Rates,
    classes: tuple[str, ...],
    stations: tuple[str, ...],
    holding_costs: np.ndarray,
    policy: str,
    order: np.ndarray | None,
) -> dict[str, Statement]:
    """Loads, visits and stability.

    Args:
        rates: of the network.
        classes, stations: names.
        holding_costs: h_k, shape (K,).
        policy: its name.
        order: of a static order, the smallest is served first, shape (K,); None of another policy.
    """
    busy, arrivals = rates.utilisations(), float(rates.arrival_rates.sum())
    names = f"station {', '.join(stations)}"
    neck = tuple(name for name, x in zip(stations, busy, strict=True) if x > busy.max() * (1 - 1e-9))
    found = {
        "utilisation": Statement(busy, f"share of the servers of {names} that are busy", TRAFFIC),
        "bottleneck": Statement(neck, "stations of the largest utilisation", TRAFFIC),
    }
    if arrivals > 0:
        visits, growth = rates.throughputs() / arrivals, float(1 / busy.max())
        found |= {
            "headroom": Statement(growth, "factor by which all arrival rates together may rise, at most", TRAFFIC),
            "visits": Statement(visits, f"mean visits of a customer to class {', '.join(classes)}", TRAFFIC),
        }
    pairs = [] if order is None else virtual_stations(rates, order)
    for k, m, load in pairs:
        meaning = (
            f"load of classes {classes[k]} and {classes[m]}, which are never served at the same time; > 1: unstable"
        )
        source = "Dai, Vande Vate 2000, virtual stations"
        found[f"virtual_load_{classes[k]}_{classes[m]}"] = Statement(load, meaning, source)
    virtual = max((x for *_, x in pairs), default=0.0)
    return found | {"stable": _stable(rates, policy, bool((holding_costs > 0).all()), virtual)}


def _stable(rates: Rates, policy: str, costly: bool, virtual: float) -> Statement:
    """Whether there is a stationary regime, as far as theorems say."""
    if rates.utilisations().max() >= 1:
        return Statement(False, "a station has more work than it can do", TRAFFIC)
    if virtual > 1:
        return Statement(
            False, "classes that are never served together have more work than one can do", "Dai, Vande Vate 2000"
        )
    if policy == "sharing":
        return Statement(True, "product form", "Baskett, Chandy, Muntz, Palacios 1975")
    if policy == "max-pressure" and not costly:
        return Statement(
            None, "who costs nothing has no pressure: max pressure needs holding costs > 0", "Dai, Lin 2005"
        )
    if policy == "max-pressure":
        return Statement(True, "max pressure is stable wherever a policy is", "Dai, Lin 2005")
    if len(rates.stations) == len(rates.servers):
        return Statement(True, "one class a station: a Jackson network", "Jackson 1963")
    if feeds_forward(rates):
        return Statement(True, "customers do not come back, and no server idles while somebody waits", "Chen 1995")
    if policy in ROUND_THERE_AND_BACK and re_entrant(rates):
        return Statement(True, "a re-entrant line under a buffer priority", "Dai, Weiss 1996; Kumar, Kumar 1996")
    return Statement(
        None, "not known from utilisation alone: several classes a station can starve each other", "Dai 1995"
    )
