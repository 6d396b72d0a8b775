"""Networks by name, and the text or table that stands for a network."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.described import described
from jaxq.engine.fields import compound
from jaxq.systems.queueing_networks.network.network import OpenNetwork


def routing(classes: int, *routes: str) -> np.ndarray:
    """P of routes such as ``1 > 4 > 2``, each customer to the next class and out at the end."""
    found = np.zeros((classes, classes))
    for route in routes:
        places = [int(name) - 1 for name in route.split(">")]
        found[places[:-1], places[1:]] = 1.0
    return found


ENTRY = 9 / 140
"""Customers a unit of time on each route of the six-class networks, whose stations then have utilisation .9."""

NETWORKS: dict[str, OpenNetwork] = {
    "tandem": OpenNetwork([0.6, 0], [1.0, 0.8], [1, 2], routing(2, "1 > 2")),
    "jackson-feedback": OpenNetwork(
        [0.8, 0.4, 0], [1.5, 1.0, 2.0], [1, 2, 3], [[0, 0.6, 0.4], [0, 0, 0.5], [0.3, 0, 0.2]], [1, 2, 1]
    ),
    "criss-cross": OpenNetwork([0.9, 0, 0.9], [2.0, 1.0, 2.0], [1, 2, 1], routing(3, "1 > 2")),
    "reentrant-2": OpenNetwork(
        [ENTRY, 0, ENTRY, 0, 0, 0],
        [1 / 8, 1 / 2, 1 / 4, 1 / 6, 1 / 7, 1],
        [1, 1, 1, 2, 2, 2],
        routing(6, "1 > 4 > 2 > 5", "3 > 6"),
    ),
    "re-reentrant-2": OpenNetwork(
        [ENTRY, 0, 0, 0, 0, 0],
        [1 / 8, 1 / 2, 1 / 4, 1 / 6, 1 / 7, 1],
        [1, 1, 1, 2, 2, 2],
        routing(6, "1 > 4 > 2 > 5 > 3 > 6"),
    ),
    "rybko-stolyar": OpenNetwork([1, 0, 1, 0], [10, 1 / 0.6, 10, 1 / 0.6], [1, 2, 2, 1], routing(4, "1 > 2", "3 > 4")),
    "lu-kumar": OpenNetwork([1, 0, 0, 0], [10, 1 / 0.6, 10, 1 / 0.6], [1, 2, 2, 1], routing(4, "1 > 2 > 3 > 4")),
}
NETWORKS = {name: OpenNetwork(**{**network.to_dict(), "name": name}) for name, network in NETWORKS.items()}
"""``tandem``: two queues in a row (Jackson 1957). ``jackson-feedback``: three stations, one of two servers, with feedback
(Jackson 1963). ``criss-cross``: Harrison and Wein, Queueing Systems 5, 1989, with the rates of Martins, Shreve and Soner,
SIAM Journal on Control and Optimization 34, 1996, as QGym has them (criss_cross_bh): balanced, utilisation .9 at both
stations; balanced medium and light are ``load`` .6 and .3. ``reentrant-2`` and ``re-reentrant-2``: two stations and six
classes, two routes and one, as QGym has them (reentrant_2, re-reentrant_2); Dai and Gluzman, Stochastic Systems 12(1), 2022.
``rybko-stolyar``: two routes in opposite directions, Rybko and Stolyar, Problems of Information Transmission 28(3), 1992,
mean services .1 and .6; ``lu-kumar``: one route there and back, Lu and Kumar, IEEE Transactions on Automatic Control 36(12),
1991: of utilisation .7 both, and unstable if classes 2 and 4 are served first, who are then never served at the same
time."""


def parse_network(given: str | Mapping[str, Any] | OpenNetwork) -> OpenNetwork:
    """A network from its name, the path of a TOML file, or the table of one. Raises ValueError."""
    return described("network", given, OpenNetwork, NETWORKS)


def network_field(*, default: str) -> Any:
    """A field that holds a network, given by name, file or table; ``default``: a name."""
    return compound(
        f"{', '.join(NETWORKS)} or a .toml file",
        parse_network,
        OpenNetwork,
        default=NETWORKS[default],
        static=True,
        table=True,
        momentary=("arrival_rates", "service_rates"),
    )
