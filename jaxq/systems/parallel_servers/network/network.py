"""A bipartite network: which pool serves which class, how fast, and with how many servers.

Notation of both papers: class i arrives at rate lambda_i, pool j has N_j servers, service rate mu_ij (0: not served),
patience rate theta_i, reward g_i a completion, holding cost h_i a customer and unit of time. At scale n a network has

    lambda_i^n = n lambda_i + sqrt(n) lh_i,   N_j^n = n nu_j + sqrt(n) nh_j (rounded),   mu_ij^n = mu_ij + mh_ij / sqrt(n),

Equations (1)-(2) of Hmedi, Arapostathis and Pang (arXiv 2009.01942); the second-order terms are 0 unless given.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.checks import FieldError, positive, shown, vector, within
from jaxq.engine.host_numbers import host_column, host_numbers
from jaxq.systems.parallel_servers.network.graph import Graph

NAME = re.compile(r"\w+")


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Classes, pools and rates; immutable.

    Args:
        arrival_rates: lambda_i, shape (I,), >= 0, 1/time.
        service_rates: mu_ij, a row a class, shape (I, J), >= 0, 1/time; 0 where pool j does not serve class i.
        servers: nu_j, shape (J,), > 0; servers where ``scale`` is 1.
        abandonment_rates: theta_i, shape (I,), >= 0, 1/time (default 0).
        rewards: g_i, shape (I,), >= 0, money a completion (default 1).
        holding_costs: h_i, shape (I,), >= 0, money a customer and unit of time (default g_i theta_i, the reward that
            abandonments cost, and 1 for a class that never abandons).
        classes, pools: names, letters, digits and underscores (default 1, 2, ...).
        second_order_arrivals, second_order_services, staffing: lh_i, mh_ij, nh_j, of the shapes above (default 0).
        scale: n unless the system says otherwise, > 0.
        name: what results call it.

    Raises:
        ValueError: naming the field, the row and the value; also for a class that no pool serves and a pool that serves
            no class.
    """

    arrival_rates: Any
    service_rates: Any
    servers: Any
    abandonment_rates: Any = None
    rewards: Any = None
    holding_costs: Any = None
    classes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    second_order_arrivals: Any = None
    second_order_services: Any = None
    staffing: Any = None
    scale: float = 1.0
    name: str = "network"

    def __post_init__(self):
        arrivals = _vector("arrival_rates", self.arrival_rates, None, "")
        servers = _vector("servers", self.servers, None, "", positive=True)
        classes = _names("classes", self.classes, len(arrivals))
        pools = _names("pools", self.pools, len(servers))
        for_classes, for_pools = f"one a class ({', '.join(classes)})", f"one a pool ({', '.join(pools)})"
        found = {
            "arrival_rates": arrivals,
            "servers": servers,
            "classes": classes,
            "pools": pools,
            "service_rates": _matrix("service_rates", self.service_rates, classes, pools),
            "second_order_services": _matrix("second_order_services", self.second_order_services, classes, pools, True),
            "second_order_arrivals": _vector(
                "second_order_arrivals",
                self.second_order_arrivals,
                len(arrivals),
                for_classes,
                signed=True,
                default=0.0,
            ),
            "staffing": _vector("staffing", self.staffing, len(servers), for_pools, signed=True, default=0.0),
        }
        for name, default in (("abandonment_rates", 0.0), ("rewards", 1.0)):
            found[name] = _vector(name, getattr(self, name), len(arrivals), for_classes, default=default)
        theta = found["abandonment_rates"]
        costs = np.where(theta > 0, found["rewards"] * theta, 1.0) if self.holding_costs is None else self.holding_costs
        found["holding_costs"] = _vector("holding_costs", costs, len(arrivals), for_classes)
        for name, value in found.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "scale", positive("scale", self.scale))
        for i, row in enumerate(found["service_rates"] > 0):
            if not row.any():
                raise FieldError("service_rates", ..., f"no pool serves class {classes[i]}: a class needs a rate > 0")
        for j, column in enumerate((found["service_rates"] > 0).T):
            if not column.any():
                raise FieldError("service_rates", ..., f"pool {pools[j]} serves no class: a pool needs a rate > 0")
        pairs = self.graph.names()
        for pair in pairs:
            if pairs.count(pair) > 1:
                raise FieldError("classes", ", ".join(classes), f"{pair} must stand for one class and pool only")
        if not isinstance(self.name, str):
            raise FieldError("name", self.name, "must be text")

    @property
    def graph(self) -> Graph:
        """Classes, pools, and the pairs (i, j) with mu_ij > 0."""
        edges = tuple((int(i), int(j)) for j, i in zip(*np.nonzero(self.service_rates.T > 0), strict=True))
        return Graph(self.classes, self.pools, edges)

    def check_size(self, field: str, value: Any, one: str) -> None:
        """FieldError unless a value is None or a number for each ``class`` or ``pool``."""
        names = {"class": self.classes, "pool": self.pools}[one]
        if value is not None and np.size(value) != len(names):
            raise FieldError(
                field, np.asarray(value), f"must be {len(names)} numbers, one a {one} ({', '.join(names)})"
            )

    def at(self, scale: float | None = None, staffing: Any = None) -> Rates:
        """The rates at scale n; ``staffing``: nh_j in place of the network's own.

        Raises:
            ValueError: a pool has no server left, or a rate is negative, at that scale.
        """
        n = self.scale if scale is None else float(scale)
        root = math.sqrt(n)
        arrivals = n * self.arrival_rates + root * self.second_order_arrivals
        services = self.service_rates + np.where(self.service_rates > 0, self.second_order_services, 0.0) / root
        extra = self.staffing if staffing is None else np.asarray(staffing, np.float64)
        exact = n * self.servers + root * extra
        for j, count in enumerate(self.servers):
            if n == 1 and not extra.any() and count % 1:
                raise FieldError("servers", count, "must be a whole number where scale is 1", f"[{j + 1}]", short=True)
        servers = np.round(exact).astype(np.int64)
        for i, rate in enumerate(arrivals):
            if rate < 0:
                raise FieldError(
                    "scale", n, f"must leave class {self.classes[i]} an arrival rate >= 0, not {rate:g}", short=True
                )
        for i, j in self.graph.edges:
            if services[i, j] <= 0:
                raise FieldError(
                    "scale",
                    n,
                    f"must leave class {self.classes[i]} at pool {self.pools[j]} a service rate > 0, not "
                    f"{services[i, j]:g}",
                    short=True,
                )
        for j, count in enumerate(servers):
            if not 1 <= count <= 2**24:
                raise FieldError(
                    "scale", n, f"must leave pool {self.pools[j]} from 1 to 2**24 servers, not {count}", short=True
                )
        return Rates(arrivals, services, servers, self.abandonment_rates, self.rewards)

    def replace(self, **fields) -> "Network":
        """A copy with other fields, checked."""
        return dataclasses.replace(self, **fields)

    def __str__(self) -> str:
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as a network file has it."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: np.asarray(x).tolist() if name not in ("name", "scale") else x for name, x in values.items()}


def _names(field: str, given: Sequence[str], count: int) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)):
        raise FieldError(field, given, "must be a list of names")
    names = tuple(map(str, given)) or tuple(str(k + 1) for k in range(count))
    if len(names) != count:
        rates = "arrival_rates" if field == "classes" else "servers"
        raise FieldError(field, ", ".join(names), f"must be {count} names, as {rates} has {count} numbers")
    for name in names:
        if not NAME.fullmatch(name) or names.count(name) > 1:
            raise FieldError(field, name, "must be different names of letters, digits and underscores")
    return names


def _vector(field, given, size, meaning, *, positive=False, signed=False, default=None) -> np.ndarray:
    """A checked vector; ``size`` None: any size from 1."""
    if given is None and default is not None:
        return np.full(size, default)
    array = host_column(field, given, "a list of numbers")
    return vector(field, array, size, -math.inf if signed else 0.0, open_low=positive, meaning=meaning)


def _matrix(field, given, classes, pools, signed=False) -> np.ndarray:
    if given is None and signed:
        return np.zeros((len(classes), len(pools)))
    given = host_numbers(given)
    if not isinstance(given, (list, tuple, np.ndarray)) or len(given) != len(classes):
        count = len(given) if isinstance(given, (list, tuple, np.ndarray)) else shown(given)
        raise FieldError(field, ..., f"must be {len(classes)} rows, one a class ({', '.join(classes)}), not {count}")
    rows = []
    for i, row in enumerate(given):
        place, rule = f" row {i + 1} (class {classes[i]})", f"{len(pools)} numbers, one a pool ({', '.join(pools)})"
        numbers = host_column(field, row, rule, place)
        if numbers.shape != (len(pools),):
            raise FieldError(field, row, f"must be {rule}", place)
        for j, x in enumerate(numbers):
            if not within(x, -math.inf if signed else 0.0):
                raise FieldError(
                    field, x, f"must be {'a number' if signed else '>= 0'}", f"{place}, pool {pools[j]}", short=True
                )
        rows.append(numbers)
    return np.stack(rows)


def read_network(data: Mapping[str, Any], name: str = "network") -> Network:
    """A network from the table of a TOML file; keys are the fields of `Network`. ValueError for an unknown key."""
    known = [field.name for field in dataclasses.fields(Network)]
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {close[0]}?" if close else f"a network has {', '.join(known)}"
            raise FieldError("network", ..., f"unknown key {key}; {hint}")
    for key in ("arrival_rates", "service_rates", "servers"):
        if key not in data:
            raise FieldError(
                "network", ..., f"{key} is missing; a network needs arrival_rates, service_rates and servers"
            )
    return Network(**{"name": name, **data})
