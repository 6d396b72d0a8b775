"""Networks of product form: Jackson's, and those of Baskett, Chandy, Muntz and Palacios whose servers are shared."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.analytic.stations.mmc import mmc, number_tail


def station_number(load: float, servers: int) -> float:
    """Mean number at a station of product form: that of M/M/c of offered load ``load``; 0 without load. ValueError where
    load >= servers."""
    return mmc(load, 1.0, servers)["number_in_system"] if load > 0 else 0.0


def shared_numbers(rates: Rates) -> Float[np.ndarray, " classes"]:
    """Mean number of each class where the customers at a station share its servers evenly, shape (K,).

    Formula: with a_k = lambda_k/mu_k and a = sum of a_k at the station, the stations are independent, the number at each is
    that of M/M/c of load a, and each of its customers is of class k with probability a_k/a.

    Args:
        rates: of a stable network.

    Raises:
        ValueError: a station is overloaded.

    Source: Baskett, Chandy, Muntz and Palacios (1975), Journal of the ACM 22(2), centres of type 2; for several servers
    Kelly (1979), Reversibility and Stochastic Networks, Section 3.3 (a symmetric queue with phi(n) = min(n, c)).
    """
    loads, found = rates.loads(), np.zeros(len(rates.service_rates))
    for j, servers in enumerate(rates.servers.tolist()):
        here = rates.of_station(j)
        load = float(loads[here].sum())
        if load > 0:
            found[here] = loads[here] / load * station_number(load, servers)
    return found


def shared_tail(load: float, others: float, servers: int) -> Callable[[float], float] | None:
    """The tail of the number of a class whose station is shared; None of one of several classes at several servers.

    Formula: alone it is that of M/M/c; at one server geometric with ratio a_k/(1 - a + a_k), as of a geometric number each
    is of class k with probability a_k/a.

    Args:
        load: a_k.
        others: a - a_k, of the other classes at the station.
        servers: c.
    """
    if others > 0 and servers > 1:
        return None
    number, ratio = number_tail(load, 1.0, servers), load / (1 - others)

    def tail(x: float) -> float:
        if x < 0:
            return 1.0
        if x == math.inf:
            return 0.0
        return ratio ** (math.floor(x) + 1) if others > 0 else number(x)

    return tail
