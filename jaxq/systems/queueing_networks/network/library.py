"""Networks by name, and the text or table that stands for a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxq.engine.described import described
from jaxq.engine.fields import compound
from jaxq.systems.queueing_networks.network.network import OpenNetwork

THERE_AND_BACK = {"service_rates": [10, 1 / 0.6, 10, 1 / 0.6], "stations": [1, 2, 2, 1]}
"""Mean services .1 and .6 at one station, and at another."""
VISITS = ((8, 2, 4), (6, 7, 1))
"""Mean services of the three visits to a station, in turn, of QGym's lines."""
LINES = range(2, 11)
"""Stations of QGym's lines."""


def routing(classes: int, *routes: Sequence[int]) -> np.ndarray:
    """P of routes such as 1, 4, 2: each customer to the next class, and out at the end."""
    found = np.zeros((classes, classes))
    for route in routes:
        found[np.array(route[:-1]) - 1, np.array(route[1:]) - 1] = 1.0
    return found


def line(stations: int, *routes: Sequence[int]) -> dict[str, Any]:
    """A line of QGym: class 3 (j - 1) + r is the r-th visit to station j. Each route goes through all stations once for each
    of the visits that it has; 9/140 customers a unit of time come to it, of which every station has utilisation .9."""
    classes = 3 * stations
    through = [[3 * j + visit for visit in route for j in range(stations)] for route in routes]
    entries = [route[0] for route in through]
    return {
        "arrival_rates": [9 / 140 if k in entries else 0.0 for k in range(1, classes + 1)],
        "service_rates": [1 / mean for j in range(stations) for mean in VISITS[j % 2]],
        "stations": [1 + k // 3 for k in range(classes)],
        "routing": routing(classes, *through),
    }


TABLES: dict[str, dict[str, Any]] = {
    "tandem": {
        "arrival_rates": [0.6, 0],
        "service_rates": [1.0, 0.8],
        "stations": [1, 2],
        "routing": routing(2, [1, 2]),
    },
    "jackson-feedback": {
        "arrival_rates": [0.8, 0.4, 0],
        "service_rates": [1.5, 1.0, 2.0],
        "stations": [1, 2, 3],
        "routing": [[0, 0.6, 0.4], [0, 0, 0.5], [0.3, 0, 0.2]],
        "servers": [1, 2, 1],
    },
    "criss-cross": {
        "arrival_rates": [0.9, 0, 0.9],
        "service_rates": [2.0, 1.0, 2.0],
        "stations": [1, 2, 1],
        "routing": routing(3, [1, 2]),
    },
    "rybko-stolyar": {"arrival_rates": [1, 0, 1, 0], "routing": routing(4, [1, 2], [3, 4]), **THERE_AND_BACK},
    "lu-kumar": {"arrival_rates": [1, 0, 0, 0], "routing": routing(4, [1, 2, 3, 4]), **THERE_AND_BACK},
    **{f"reentrant-{stations}": line(stations, [1, 2], [3]) for stations in LINES},
    **{f"re-reentrant-{stations}": line(stations, [1, 2, 3]) for stations in LINES},
}
NETWORKS: dict[str, OpenNetwork] = {name: OpenNetwork(**table, name=name) for name, table in TABLES.items()}
"""``tandem``: two queues in a row (Jackson 1957). ``jackson-feedback``: three stations, one of two servers, with feedback
(Jackson 1963). ``criss-cross``: Harrison and Wein, Queueing Systems 5, 1989, with the rates of Martins, Shreve and Soner,
SIAM Journal on Control and Optimization 34, 1996, as QGym has them (criss_cross_bh): balanced, utilisation .9 at both
stations; balanced medium and light are ``load`` .6 and .3. ``rybko-stolyar``: two routes in opposite directions, Rybko and
Stolyar, Problems of Information Transmission 28(3), 1992; ``lu-kumar``: one route there and back, Lu and Kumar, IEEE
Transactions on Automatic Control 36(12), 1991: of utilisation .7 both, and unstable if classes 2 and 4 are served first, who
are then never served at the same time. ``reentrant-2`` to ``-10``, ``re-reentrant-2`` to ``-10``: lines of so many stations
with three visits to each, the third a route of its own, or all three one route, as QGym has them (reentrant_2, ...), after
Dai and Gluzman, Stochastic Systems 12(1), 2022."""


def parse_network(given: str | Mapping[str, Any] | OpenNetwork) -> OpenNetwork:
    """A network from its name, the path of a TOML file, or the table of one. Raises ValueError."""
    return described("network", given, OpenNetwork, NETWORKS)


def network_field(*, default: str) -> Any:
    """A field that holds a network, given by name, file or table; ``default``: a name."""
    short = [name for name in NETWORKS if "reentrant" not in name]
    return compound(
        f"{', '.join(short)}, reentrant-2 to -{LINES[-1]}, re-reentrant-2 to -{LINES[-1]} or a .toml file",
        parse_network,
        OpenNetwork,
        default=NETWORKS[default],
        static=True,
        table=True,
        momentary=("arrival_rates", "service_rates"),
    )
