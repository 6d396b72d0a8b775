"""Exact laws of the numbers of classes."""

from jaxq.analytic.queueing_networks.product_form import shared_tail
from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.engine.reference import Tail


def queueing_network(rates: Rates, classes: tuple[str, ...], product_form: bool) -> dict[str, Tail]:
    """Laws of the numbers of classes in a network of product form; none of a class to which nobody
    comes, and of one of several at several servers."""
    if not product_form:
        return {}
    loads, found = rates.loads(), {}
    for k, name in enumerate(classes):
        j = int(rates.stations[k])
        others = float(sum(loads[m] for m in rates.of_station(j) if m != k))
        tail = shared_tail(float(loads[k]), others, int(rates.servers[j])) if loads[k] > 0 else None
        if tail is not None:
            found[f"number_{name}"] = tail
    return found
