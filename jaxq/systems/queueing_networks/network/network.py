"""An open multi-class network: customers of a class are at one station, and are then of another class or leave.

Notation of Harrison and of Dai: class k arrives from outside at rate alpha_k, is served at station s(k) at rate mu_k by one
of c_j servers, and becomes class l with probability P_kl; with the rest it leaves.
"""

import dataclasses
from typing import Any

import numpy as np

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.checks import FieldError, integer
from jaxq.engine.described import Axis, column, names, rows
from jaxq.systems.queueing_networks.network.routes import OUTSIDE, Routes

MOST_SERVERS = 2**24
SLACK = 1e-9
"""How far above 1 the sum of a row of probabilities may be."""
TAKEN = "in_system"
"""No name of a class, as number_in_system counts all of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class OpenNetwork:
    """Classes, stations, rates and routing; immutable.

    Args:
        arrival_rates: alpha_k from outside, shape (K,), >= 0, 1/time.
        service_rates: mu_k of one server, shape (K,), > 0, 1/time.
        stations: s(k), the station of each class, 1 to J, shape (K,).
        routing: P_kl, a row a class, shape (K, K), >= 0; with what a row lacks to 1 a customer leaves (default: all leave).
        servers: c_j of each station, whole numbers >= 1, shape (J,) (default 1).
        holding_costs: h_k, money a customer of the class and unit of time, shape (K,), >= 0 (default 1).
        classes, station_names: letters, digits and underscores (default 1, 2, ...).
        name: what results call it.

    Raises:
        ValueError: naming the field, the row and the value; also for a station without a class, a row of ``routing`` that
            sums to more than 1, and a class whose customers never leave.
    """

    arrival_rates: Any
    service_rates: Any
    stations: Any
    routing: Any = None
    servers: Any = None
    holding_costs: Any = None
    classes: tuple[str, ...] = ()
    station_names: tuple[str, ...] = ()
    name: str = "network"

    def __post_init__(self):
        arrivals = column("arrival_rates", self.arrival_rates, None)
        classes = Axis("class", names("classes", self.classes, len(arrivals), "arrival_rates"))
        if TAKEN in classes.names:
            raise FieldError("classes", TAKEN, "must be another name, as number_in_system counts all customers")
        at = column("stations", self.stations, classes).tolist()
        listed = [len(x) for x in (self.servers, self.station_names) if np.ndim(x) == 1 and len(x)]
        count = listed[0] if listed else max(1, int(min(max(at), len(classes.names))))
        at = [integer(f"stations[{k}]", x, 1, count) for k, x in enumerate(at, 1)]
        stations = Axis("station", names("station_names", self.station_names, count, "servers"))
        servers = column("servers", self.servers, stations, positive=True, default=1.0).tolist()
        found = {
            "arrival_rates": arrivals,
            "service_rates": column("service_rates", self.service_rates, classes, positive=True),
            "stations": np.array(at),
            "routing": rows("routing", self.routing, classes, classes, default=0.0),
            "servers": np.array([integer(f"servers[{j}]", x, 1, MOST_SERVERS) for j, x in enumerate(servers, 1)]),
            "holding_costs": column("holding_costs", self.holding_costs, classes, default=1.0),
            "classes": classes.names,
            "station_names": stations.names,
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)
        for j, name in enumerate(stations.names, 1):
            if j not in self.stations:
                raise FieldError("stations", found["stations"], f"must have a class at each station, also at {name}")
        self._check_routing()
        if not isinstance(self.name, str):
            raise FieldError("name", self.name, "must be text")

    def _check_routing(self) -> None:
        for k, total in enumerate(self.routing.sum(axis=1).tolist()):
            if total > 1 + SLACK:
                rule = f"must sum to at most 1, not {total:.9g}"
                raise FieldError("routing", ..., rule, f" row {k + 1} (class {self.classes[k]})")
        check_leads_out(self.classes, self.probabilities)

    @property
    def routes(self) -> Routes:
        """Where customers come from and go to."""
        # who comes from outside alone stays an entry while a schedule has closed it
        entries = tuple(np.flatnonzero((self.arrival_rates > 0) | ~self.routing.any(axis=0)).tolist())
        moves = []
        for k, row in enumerate(self.probabilities):
            moves += [(k, int(m)) for m in np.flatnonzero(row[:-1] > 0) if m != k]
            if row[OUTSIDE] > 0:
                moves.append((k, OUTSIDE))
        return Routes(self.classes, self.station_names, tuple((self.stations - 1).tolist()), entries, tuple(moves))

    @property
    def probabilities(self) -> np.ndarray:
        """P_kl and, last (`OUTSIDE`), that a customer leaves, shape (K, K + 1)."""
        rest = 1 - self.routing.sum(axis=1)
        return np.column_stack([self.routing, np.where(rest > SLACK, rest, 0.0)])

    def at(self, load: float | None = None, service_rates: Any = None, routing: Any = None) -> Rates:
        """The rates, with the arrival rates scaled to a utilisation of the busiest station, other service rates and other
        probabilities P_kl if they are given. FieldError where nobody arrives who could be scaled."""
        services = self.service_rates if service_rates is None else np.asarray(service_rates, np.float64)
        routing = self.routing if routing is None else routing
        rates = Rates(self.arrival_rates, services, self.stations - 1, self.servers, routing)
        if load is None:
            return rates
        busiest = rates.utilisations().max()
        if busiest == 0:
            raise FieldError("load", load, "must be none in a network without arrivals", short=True)
        return rates._replace(arrival_rates=self.arrival_rates * (float(load) / busiest))

    def __str__(self) -> str:
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as a network file has it."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: x if name == "name" else np.asarray(x).tolist() for name, x in values.items()}


def check_leads_out(classes: tuple[str, ...], probabilities: np.ndarray) -> None:
    """FieldError unless every customer leaves in the end; ``probabilities``: as `OpenNetwork.probabilities`."""
    # backwards from those who can leave at once
    leaves = probabilities[:, OUTSIDE] > 0
    for _ in classes:
        leaves = leaves | (probabilities[:, :-1][:, leaves] > 0).any(axis=1)
    if not leaves.all():
        inside = ", ".join(name for name, out in zip(classes, leaves, strict=True) if not out)
        raise FieldError("routing", ..., f"must lead out in the end: from class {inside} nobody ever leaves")
