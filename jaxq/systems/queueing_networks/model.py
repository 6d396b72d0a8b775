"""Open multi-class queueing networks: customers go from station to station, and are of another class at each visit.

Harrison, Brownian Models of Queueing Networks with Heterogeneous Customer Populations, 1988; Dai, Annals of Applied
Probability 5(1), 1995. Notation: class k arrives from outside Poisson(alpha_k), is served at station s(k) at rate mu_k by
one of its c_j servers, and becomes class l with probability P_kl; with the rest it leaves. n_k customers are of class k.
"""

from typing import Any

import numpy as np

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.checks import FieldError
from jaxq.engine.described import Axis, told
from jaxq.engine.fields import choice, nonnegative, positive, real
from jaxq.engine.model import Model
from jaxq.engine.orders import Preferences, orders_field
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.systems.queueing_networks.network.library import NETWORKS, network_field
from jaxq.systems.queueing_networks.network.network import OpenNetwork, check_leads_out
from jaxq.systems.queueing_networks.network.routes import OUTSIDE
from jaxq.systems.queueing_networks.policy import POLICIES, PolicyInputs
from jaxq.systems.queueing_networks.processes.counts import Counts

METRICS = (
    Quantity("number_in_system", "customers in the system", "customers", primary=True),
    Quantity("holding_cost", "sum h_k x customers of class k", "money/time", primary=True),
    Quantity("sojourn_time", "time of a customer from its arrival from outside until it leaves (Little)", "time"),
    Quantity("number_<class>", "customers of a class, served or not", "customers"),
    Quantity("sojourn_time_<class>", "time of a customer in a class, for each visit (Little)", "time"),
    Quantity("throughput_<class>", "services of a class, which balance what comes to it", "1/time"),
    Quantity("station_number_<station>", "customers at a station, served or not", "customers"),
    Quantity("utilisation_<station>", "share of the servers of a station that are busy", "share"),
)
SHARPNESS = 16
"""Exponent of the norm that stands for the fastest rate of a station in the bound on the total rate: smooth where two are
equal, so that derivatives exist, and at most 4 % above it then."""
WASTE = 1.5
"""Uniformised events for each that happens from which the embedded chain is run: an event of it costs little more."""


class QueueingNetwork(Model):
    """An open network of multi-class stations with Markov routing: tandems, Jackson networks, criss-cross, re-entrant lines.

    A network is a name, a .toml file, or the table of one. At each station ``policy`` shares the servers among the classes,
    at every moment anew: ``sharing`` evenly among all customers (product form), the others by class and preemptive, within a
    class in the order of arrival; of two classes that tie the first. ``priorities``: of the policy priority.
    ``softmax`` draws the order by ``weights`` and ``offsets``, which can be tuned.

    First come first served across classes is left out, as it is no function of the numbers. At a station of one class every
    order has the same numbers; where the classes of each station have one rate, their stationary law is that of ``sharing``.

    ``routing`` has a row a class: the probabilities of becoming one of each class and, last, of leaving. Where the network
    has 0 it has 0.
    """

    network: OpenNetwork = network_field(default="criss-cross")
    policy: str = choice("policy", {name: known.doc for name, known in POLICIES.items()}, default="sharing")
    load: float | None = positive(
        "utilisation of the busiest station, to which arrival rates are scaled; none: the network's own",
        default=None,
        optional=True,
        momentary=True,
    )
    service_rates: Any = positive(
        "service rate of one server, one a class, 1/time; none: the network's own",
        default=None,
        optional=True,
        listed=True,
        momentary=True,
    )
    routing: Any = real(
        "probabilities that a customer is then of each class and, last, leaves, a row a class; none: the network's own",
        low=0.0,
        rows=True,
        default=None,
        optional=True,
        momentary=True,
    )
    weights: Any = nonnegative(
        "w_k of softmax, one a class, 1/customers; none: the holding costs",
        default=None,
        optional=True,
        listed=True,
        momentary=True,
    )
    offsets: Any = real(
        "b_k of softmax, one a class; none: 0", default=None, optional=True, listed=True, momentary=True
    )
    priorities: Preferences | None = orders_field(
        "priorities", "order of the classes, 3 > 1, or by station, 1: 3 > 1; 2: 4 > 2"
    )

    name = "queueing-network"
    metric_table = METRICS

    def check_fields(self):
        for name in ("service_rates", "weights", "offsets"):
            Axis("class", self.network.classes).check_size(name, getattr(self, name))
        if self.routing is not None:
            self._check_routing(np.asarray(self.routing))
        inputs = self._inputs()
        if self.priorities is not None:
            inputs.priority()
        POLICIES[self.policy].build(inputs)

    def _check_routing(self, given: np.ndarray) -> None:
        classes, own = self.network.classes, self.network.probabilities
        if given.shape != own.shape:
            rule = f"must be {len(classes)} rows, one a class ({', '.join(classes)}), of {len(classes) + 1} numbers, one a "
            raise FieldError("routing", given, f"{rule}class and the last of leaving")
        for k, m in np.argwhere((given > 0) & (own == 0)):
            rule = "must be 0, as in the network"
            to = "leaving" if m == len(classes) else f"class {classes[m]}"
            place = f" row {k + 1} (class {classes[k]}), {to}"
            raise FieldError("routing", given[k, m], rule, place, short=True)
        check_leads_out(classes, given)

    def _probabilities(self) -> np.ndarray:
        """P_kl and, last, of leaving, shape (K, K + 1)."""
        if self.routing is None:
            return self.network.probabilities
        given = np.asarray(self.routing, np.float64)
        return given / given.sum(axis=1, keepdims=True)

    def rates(self) -> Rates:
        """The rates of this system."""
        routing = None if self.routing is None else self._probabilities()[:, :-1]
        return self.network.at(self.load, self.service_rates, routing)

    def _inputs(self) -> PolicyInputs:
        weights = self.network.holding_costs if self.weights is None else np.asarray(self.weights, np.float64)
        offsets = np.zeros_like(weights) if self.offsets is None else np.asarray(self.offsets, np.float64)
        return PolicyInputs(self.network, self.rates(), self.priorities, weights, offsets)

    def parameters(self):
        """The fields by name; a network that has no name of `NETWORKS` as its table, from which it can be made again."""
        return {**super().parameters(), "network": told(self.network, NETWORKS)}

    def stationarity(self):
        return Stationarity(self._check_load)

    def _check_load(self):
        rates = self.rates()
        if not rates.arrival_rates.any():
            raise FieldError("network", self.network, "must have an arrival rate > 0 (nobody arrives)")
        busy = rates.utilisations()
        j = int(np.argmax(busy))
        if busy[j] >= 1:
            field, value = ("network", self.network) if self.load is None else ("load", self.load)
            raise FieldError(
                field,
                value,
                f"has utilisation {busy[j]:.6g} at station {self.network.station_names[j]}: must be < 1 (no stationary "
                "regime under any policy)",
            )

    def process(self):
        rates, routes, shares = self.rates(), self.network.routes, self._probabilities()
        return Counts(
            arrival_rates=rates.arrival_rates[list(routes.entries)],
            service_rates=rates.service_rates,
            probabilities=np.array([shares[move] for move in routes.moves]),
            servers=rates.servers,
            allocation=POLICIES[self.policy].build(self._inputs()),
            bound=self._bound(rates),
            routes=routes,
        )

    def _bound(self, rates: Rates) -> np.float64 | None:
        """Of the total rate; None where most of its events would change nothing, were the busiest station just full. Whether
        they would is asked of the network's own routing, so that all values of ``routing`` share a program."""
        unit = rates.service_rates.max()  # powers of small and of large rates are 0 and infinite
        speeds = [rates.service_rates[rates.of_station(j)] / unit for j in range(len(rates.servers))]
        fastest = unit * np.array([np.linalg.norm(here, SHARPNESS) for here in speeds])
        arrivals, most = rates.arrival_rates.sum(), rates.servers @ fastest
        own = self.network.at(self.load, self.service_rates)
        moves = own.arrival_rates.sum() + own.throughputs() @ (1 - np.diag(own.routing))
        events = own.arrival_rates.sum() + own.utilisations().max() * most
        return None if events > WASTE * moves else np.float64(arrivals + most)

    def metrics(self, sums):
        rates, routes, time = self.rates(), self.network.routes, sums.time
        through, costs = rates.throughputs().tolist(), self.network.holding_costs.tolist()
        numbers = [sums[f"number_{name}"] / time for name in routes.classes]
        busy = [sums[f"busy_{name}"] / time for name in routes.classes]
        total = sum(numbers)
        found = {
            "number_in_system": total,
            "holding_cost": sum(h * n for h, n in zip(costs, numbers, strict=True)),
            "sojourn_time": total / float(rates.arrival_rates.sum()),
        }
        for name, n, z, mu, rate in zip(
            routes.classes, numbers, busy, rates.service_rates.tolist(), through, strict=True
        ):
            found[f"number_{name}"] = n
            if rate > 0:
                found[f"sojourn_time_{name}"] = n / rate
                found[f"throughput_{name}"] = mu * z
        for j, name in enumerate(routes.stations):
            here = routes.of_station(j)
            found[f"station_number_{name}"] = sum(numbers[k] for k in here)
            found[f"utilisation_{name}"] = sum(busy[k] for k in here) / float(rates.servers[j])
        return found

    def _control(self):
        from jaxq.systems.queueing_networks import oracle

        policy, routes, inputs = POLICIES[self.policy], self.network.routes, self._inputs()
        may_idle = {routes.station_of[k] for k, following in routes.moves if policy.idles and following != OUTSIDE}
        works = tuple(j for j in range(len(routes.stations)) if j not in may_idle)
        return oracle.Control(works, policy.shares, policy.places(inputs), policy.weights(inputs), policy.idles)

    def oracle(self):
        from jaxq.systems.queueing_networks import oracle

        names = self.network.classes, self.network.station_names
        return oracle.queueing_network(self.rates(), *names, self.network.holding_costs, self._control())

    @property
    def _product_form(self) -> bool:
        """Whether the stations are known to be independent: customers share, or each station has one class."""
        policy, alone = POLICIES[self.policy], len(self.network.classes) == len(self.network.station_names)
        return policy.shares or (alone and not policy.idles)

    def tails(self):
        from jaxq.systems.queueing_networks import tails

        return tails.queueing_network(self.rates(), self.network.classes, self._product_form)

    def theory(self):
        from jaxq.systems.queueing_networks import theory

        network, places = self.network, POLICIES[self.policy].places(self._inputs())
        names = network.classes, network.station_names
        return theory.network(self.rates(), *names, network.holding_costs, self.policy, places)

    def objectives(self):
        from jaxq.systems.queueing_networks.objectives import objectives

        if not self._product_form or self.load is not None:
            return {}
        return objectives(self.rates(), self._probabilities(), self.network.holding_costs)
