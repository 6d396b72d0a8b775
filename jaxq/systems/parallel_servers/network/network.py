"""A bipartite network: which pool serves which class, how fast, and with how many servers.

Notation of both papers: class i arrives at rate lambda_i, pool j has N_j servers, service rate mu_ij (0: not served),
patience rate theta_i, reward g_i a completion, holding cost h_i a customer and unit of time. At scale n a network has

    lambda_i^n = n lambda_i + sqrt(n) lh_i,   N_j^n = n nu_j + sqrt(n) nh_j (rounded),   mu_ij^n = mu_ij + mh_ij / sqrt(n),

Equations (1)-(2) of Hmedi, Arapostathis and Pang (arXiv 2009.01942); the second-order terms are 0 unless given.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.checks import FieldError, positive
from jaxq.engine.described import Axis, column, names, rows
from jaxq.systems.parallel_servers.network.graph import Graph


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
        arrivals = column("arrival_rates", self.arrival_rates, None)
        servers = column("servers", self.servers, None, positive=True)
        classes = Axis("class", names("classes", self.classes, len(arrivals), "arrival_rates"))
        pools = Axis("pool", names("pools", self.pools, len(servers), "servers"))
        found: dict[str, Any] = {
            "arrival_rates": arrivals,
            "servers": servers,
            "classes": classes.names,
            "pools": pools.names,
            "service_rates": rows("service_rates", self.service_rates, classes, pools),
            "staffing": column("staffing", self.staffing, pools, signed=True, default=0.0),
        }
        second = self.second_order_arrivals, self.second_order_services
        found["second_order_arrivals"] = column("second_order_arrivals", second[0], classes, signed=True, default=0.0)
        found["second_order_services"] = rows(
            "second_order_services", second[1], classes, pools, signed=True, default=0.0
        )
        for name, default in (("abandonment_rates", 0.0), ("rewards", 1.0)):
            found[name] = column(name, getattr(self, name), classes, default=default)
        theta = found["abandonment_rates"]
        costs = np.where(theta > 0, found["rewards"] * theta, 1.0) if self.holding_costs is None else self.holding_costs
        found["holding_costs"] = column("holding_costs", costs, classes)
        for name, value in found.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "scale", positive("scale", self.scale))
        for i, row in enumerate(found["service_rates"] > 0):
            if not row.any():
                raise FieldError(
                    "service_rates", ..., f"no pool serves class {self.classes[i]}: a class needs a rate > 0"
                )
        for j, serves in enumerate((found["service_rates"] > 0).T):
            if not serves.any():
                raise FieldError("service_rates", ..., f"pool {self.pools[j]} serves no class: a pool needs a rate > 0")
        pairs = self.graph.names()
        for pair in pairs:
            if pairs.count(pair) > 1:
                raise FieldError("classes", ", ".join(self.classes), f"{pair} must stand for one class and pool only")
        if not isinstance(self.name, str):
            raise FieldError("name", self.name, "must be text")

    @property
    def graph(self) -> Graph:
        """Classes, pools, and the pairs (i, j) with mu_ij > 0."""
        edges = tuple((int(i), int(j)) for j, i in zip(*np.nonzero(self.service_rates.T > 0), strict=True))
        return Graph(self.classes, self.pools, edges)

    def check_size(self, field: str, value: Any, one: str) -> None:
        """FieldError unless a value is None or a number for each ``class`` or ``pool``."""
        Axis(one, {"class": self.classes, "pool": self.pools}[one]).check_size(field, value)

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
