"""Load balancing on heterogeneous servers: one dispatcher, n parallel first-come-first-served queues.

Paper: Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497. Notation: n servers of M types, N_j of rate mu_j, fastest first;
Poisson arrivals; Q_{j,i} type-j servers with at least i jobs. Halfin-Whitt regime: arrival rate
(1 - beta/sqrt n) x capacity.
"""

import math
import warnings
from typing import Any

import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.fields import choice, compound, positive, real, whole
from jaxq.engine.model import Model
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.systems.load_balancing import planning, response
from jaxq.systems.load_balancing.policy import POLICIES, Policy, parse_policy, ranking
from jaxq.systems.load_balancing.processes import small_system
from jaxq.systems.load_balancing.processes.dedicated import Dedicated
from jaxq.systems.load_balancing.processes.level_counts import LevelCounts
from jaxq.systems.load_balancing.processes.lower_bound import LowerBoundSystem
from jaxq.systems.load_balancing.processes.server_queues import ServerQueues, first_servers
from jaxq.systems.load_balancing.speeds import Speeds, parse_speeds

MOST_SERVERS = 2**24
QUEUED = 2**20
"""Servers up to which queues are kept one by one."""
MOST_SOLVED, MOST_OF_ONE = 2**14, 256
"""Turns of a cycle, and of a server in it, up to which its exact law is worked out."""
DEEP = 12
"""Levels kept where busy servers are chosen at random."""
MOST_LEVELS = 1000

METRICS = (
    Quantity("number_in_system", "jobs in the system", "jobs", primary=True),
    Quantity("number_observed", "the same without the rate identity as a control variate", "jobs"),
    Quantity("waiting_jobs", "jobs that wait", "jobs"),
    Quantity("response_time", "time of an admitted job in the system (Little)", "time"),
    Quantity("response_<p>", "quantile of the time of an admitted job in the system", "time"),
    Quantity("waiting_time", "wait of an admitted job (Little)", "time"),
    Quantity("all_busy", "no server is idle, as an arriving job sees it", "probability"),
    Quantity("idle_servers", "idle servers", "servers"),
    Quantity("idle_servers_<type>", "idle servers of a type", "servers"),
    Quantity("busy_capacity", "sum mu_j Q_j1, which is the rate of admitted jobs", "1/time"),
    Quantity("probability_lost", "an arriving job is lost", "probability"),
    Quantity("y_plus_1", "(number_in_system - n) / sqrt n", "jobs/sqrt n"),
    Quantity("y_plus_2", "waiting_jobs / sqrt n", "jobs/sqrt n"),
    Quantity("y_<type>_1", "(Q_j1 - N_j) / sqrt n", "servers/sqrt n"),
    Quantity("y_1_2", "Q_12 / sqrt n", "servers/sqrt n"),
    Quantity("level_<type>_<jobs>", "Q_ji, servers of type j with at least i jobs", "servers"),
    Quantity("joins_<type>_<jobs>", "an arriving job joins a server of type j with i jobs", "probability"),
)


class LoadBalancing(Model):
    """One dispatcher, parallel queues: a policy says which one a job joins (sa-jsq: the shortest, ties to the fastest).

    The arrival rate is ``load`` x capacity, or (1 - beta/sqrt n) x capacity if ``beta`` is given. Policies that see all
    queues run on counts, an event costing the same for any n; random ones, and servers in turn, on the queues themselves.
    A cycle of turns begins at a random one, so that all servers are alike from the start. With a ``buffer``
    jobs that are routed to a full server are lost; one for each type, 2 for the fastest and 1 elsewhere, makes the
    truncated system of Section 5.

    busy_capacity is the rate of admitted jobs; number_in_system, response_time, idle_servers and the y of the slowest type
    use that identity as a control variate (number_observed and busy_capacity do not). With ``laws`` on counts there are the
    levels Q_ji, where jobs join, and quantiles of the response time, which is Erlang(i + 1, mu_j) where i jobs are found.
    """

    servers: int = whole("servers n", default=100, high=MOST_SERVERS)
    speeds: Speeds = compound(
        "speed:fraction of each type of server, fastest first", parse_speeds, Speeds, default=Speeds([1.0], [1.0])
    )
    policy: Policy = compound(
        " or ".join(", ".join(POLICIES).rsplit(", ", 1)),
        parse_policy,
        Policy,
        default=Policy("sa-jsq"),
        meanings=tuple((name, rule.doc) for name, rule in POLICIES.items()),
    )
    load: float | None = positive("arrival rate / capacity", default=None, optional=True, momentary=True)
    beta: float | None = real(
        "arrival rate (1 - beta/sqrt n) x capacity; none: by the load, 0.9 unless given",
        default=None,
        optional=True,
        momentary=True,
    )
    routing: Any = positive(
        "probabilities of the types where servers are drawn at random; none: by capacity for random, by number otherwise",
        default=None,
        optional=True,
        simplex=True,
        momentary=True,
    )
    buffer: Any = whole(
        "jobs at a server at most, or a list of them, one a type; none: no limit",
        default=None,
        optional=True,
        static=True,
        listed=True,
        high=1000,
    )
    levels: int | None = whole(
        "jobs at a server that are counted, more being an overflow; none: enough for the load",
        default=None,
        optional=True,
        static=True,
        high=1000,
    )
    laws: str = choice("whether levels and response-time quantiles are estimated", ("no", "yes"), default="no")

    name = "load-balancing"
    metric_table = METRICS

    def check_fields(self):
        n = int(self.servers)
        self.speeds.servers(n)
        if self.load is not None and self.beta is not None:
            raise FieldError(
                "load", self.load, f"must be none where beta = {self.beta:g} gives the arrival rate", short=True
            )
        if self.beta is not None and self.beta >= math.sqrt(n):
            raise FieldError(
                "beta", self.beta, f"must be < sqrt(servers) = {math.sqrt(n):g} (arrival rate > 0)", short=True
            )
        if self.policy.draws > n:
            raise FieldError("policy", self.policy, f"must draw at most servers = {n} servers")
        if self.policy.rule.cyclic:
            if self.buffer is not None or self.levels is not None:
                raise FieldError("buffer", ..., f"must be none, and levels too, with policy {self.policy}")
            self._order()
        if self.routing is not None:
            if np.size(self.routing) != self.speeds.types:
                raise FieldError(
                    "routing", np.asarray(self.routing), f"must be {self.speeds.types} probabilities, one a type"
                )
            if not self.policy.rule.routed:
                routed = " or ".join(", ".join(name for name, rule in POLICIES.items() if rule.routed).rsplit(", ", 1))
                raise FieldError("routing", ..., f"must go with policy {routed}, not {self.policy}")
            if self.policy.draws > 1 and not self.policy.rule.replacement:
                if self.buffer is not None or self.levels is not None:
                    raise FieldError("routing", ..., f"must be none with policy {self.policy} and a buffer or levels")
                fewest = int(self.speeds.servers(n).min())
                if fewest < self.policy.draws:
                    raise FieldError(
                        "routing",
                        ...,
                        f"must be none with policy {self.policy} where a type has {fewest} servers only: all "
                        "draws may be of that type",
                    )
        if self.buffer is not None and np.size(self.buffer) not in (1, self.speeds.types):
            given = ",".join(map(str, self.buffer))
            raise FieldError("buffer", given, f"must be one number, or {self.speeds.types}, one a type")
        if self.buffer is not None and self.levels is not None:
            limits = ",".join(map(str, np.atleast_1d(self.buffer)))
            raise FieldError("levels", self.levels, f"must be none where buffer = {limits} limits the queues")
        if self.laws == "yes" and self._layout() not in ("counts", "few"):
            raise FieldError(
                "laws", "yes", f"must be no with policy {self.policy}, whose queues are not counted by their lengths"
            )
        if self._layout() == "queues" and n > QUEUED:
            raise FieldError("servers", n, f"must be <= {QUEUED} with policy {self.policy}, whose queues are all kept")
        if self._layout() == "queues":
            servers, weights = self.speeds.servers(n), self._weights()
            services = self.speeds.rates * servers
            random.check_drawn("speeds", self.speeds, services / (self.arrival_rate + self.capacity))
            if weights is not None and not self.policy.rule.cyclic:
                random.check_drawn("policy", self.policy, weights * servers / (weights @ servers))
        why = {"shared": "whose queues hold two jobs", "pooled": "which has a queue a type"}.get(self._layout())
        if why and not (self.buffer is None and self.levels is None):
            raise FieldError("buffer", ..., f"must be none, and levels too, with policy {self.policy}, {why}")

    def _layout(self) -> str:
        if self.policy.rule.queues != "own":
            return self.policy.rule.queues
        if not (self.policy.draws == 0 or self.buffer or self.levels):  # drawn servers' queues grow deep
            return "queues"
        return "few" if self.servers <= small_system.MOST and self.laws == "no" else "counts"

    @property
    def capacity(self) -> float:
        """sum_j mu_j N_j, 1/time."""
        return float(self.speeds.rates @ self.speeds.servers(int(self.servers)))

    @property
    def arrival_rate(self) -> float:
        """Jobs per time."""
        if self.beta is not None:
            return self.capacity * (1 - float(self.beta) / math.sqrt(int(self.servers)))
        return self.capacity * (0.9 if self.load is None else float(self.load))

    def stationarity(self):
        return Stationarity(self._check_load)

    def _check_load(self):
        if self.buffer is not None or self._layout() == "shared":
            return
        if self.arrival_rate >= self.capacity:
            raise FieldError(
                "load",
                self.arrival_rate / self.capacity,
                "must be < 1 (no stationary regime without a buffer)",
                short=True,
            )
        growth = self.predicted_growth()
        if growth is not None and growth >= 0:
            warnings.warn(
                f"policy {self.policy} is unstable here: {growth:.4g} jobs more per unit of time (drift of the types "
                "that overflow)",
                stacklevel=3,
            )

    def predicted_growth(self) -> float | None:
        """Jobs per time by which the worst set of types grows (negative where it is stable) under a policy that draws
        servers; None for others, which are stable below capacity as n grows."""
        from jaxq.systems.load_balancing import oracle

        return oracle.growth(self._control())

    def _control(self):
        from jaxq.systems.load_balancing import oracle

        policy, servers = self.policy, self.speeds.servers(int(self.servers))
        # types that are drawn by routing probabilities are independent, whether or not their servers are distinct
        independent = policy.rule.replacement or self.routing is not None
        rule = (str(policy), policy.rule.rank, policy.draws, independent, self._weights())
        return oracle.Control(*rule, self.arrival_rate, self.speeds.rates, servers, self.limits(), self._gaps())

    def theory(self):
        from jaxq.systems.load_balancing import theory

        return theory.load_balancing(self._control())

    def objectives(self):
        from jaxq.systems.load_balancing.objectives import objectives

        if self.buffer is not None:  # jobs are lost
            return {}
        return objectives(self.policy, self.speeds, int(self.servers), self.arrival_rate)

    def oracle(self):
        from jaxq.systems.load_balancing import oracle

        return oracle.load_balancing(self._control(), self.beta)

    def _weights(self) -> np.ndarray | None:
        """Relative weight of one server of each type in a draw; None where all are alike."""
        if self.routing is not None:
            return np.asarray(self.routing) / self.speeds.servers(int(self.servers))
        return self.speeds.rates if self.policy.rule.by_speed else None

    def _order(self) -> np.ndarray | None:
        """The server of each turn, shape (turns,), where servers come in turn and not one after the other; None."""
        if not (self.policy.rule.cyclic and self.policy.rule.by_speed):
            return None
        rates, servers = self.speeds.rates, self.speeds.servers(int(self.servers))
        return planning.speed_cycle(tuple(rates.tolist()), tuple(servers.tolist()))

    def _gaps(self) -> list | None:
        """`planning.gaps_of` the cycle, () where that is too long; None where servers do not come in turn."""
        if not self.policy.rule.cyclic:
            return None
        order, servers = self._order(), self.speeds.servers(int(self.servers))
        if order is None:
            return [{(int(self.servers),): int(count)} for count in servers]
        solved = order.size <= MOST_SOLVED and np.bincount(order).max() <= MOST_OF_ONE
        return planning.gaps_of(order, servers) if solved else []

    def limits(self) -> tuple[int, ...] | None:
        """Jobs at a server of each type at most; None without a buffer."""
        if self.buffer is None:
            return None
        return tuple(np.broadcast_to(self.buffer, self.speeds.types).tolist())

    def counted_levels(self) -> int:
        """Jobs at a server that are counted. Under policies that join the shortest queue a level beyond the first is reached
        with probability of order load**n; enough levels are kept to leave out a probability of 1e-12."""
        limits = self.limits()
        if limits or self.levels:
            return max(limits) if limits else int(self.levels or 0)
        if not self.policy.balances:
            return DEEP
        load = min(self.arrival_rate / self.capacity, 1 - 1e-9)
        levels = 3 + math.ceil(math.log(1e-12) / (int(self.servers) * math.log(load)))
        # a slow server gets its last job only when the fastest have as many, or more (led)
        rank, (fastest, slowest) = self.policy.rule.rank, self.speeds.rates[[0, -1]]
        deepest = (i for i in range(levels, MOST_LEVELS) if rank(i, fastest) > rank(levels - 1, slowest))
        return next(deepest, MOST_LEVELS)

    def process(self):
        servers = self.speeds.servers(int(self.servers))
        rates, weights = self.speeds.rates, self._weights()
        layout = self._layout()
        if layout == "shared":
            return LowerBoundSystem(self.arrival_rate, rates, servers)
        if layout == "pooled":
            return Dedicated(self.arrival_rate, rates, servers, self.policy)
        limits = self.limits() or (self.counted_levels(),) * self.speeds.types
        if layout == "queues":
            total, drawn = self.arrival_rate + self.capacity, weights is not None and not self.policy.rule.cyclic
            return ServerQueues(
                arrival_rate=self.arrival_rate,
                total_rate=total,
                rates_of_types=rates,
                first=first_servers(servers),
                kinds=random.edges(rates * servers / total),
                routing=random.edges((weights * servers / (weights @ servers))[:-1]) if drawn else None,
                order=self._order(),
                policy=self.policy,
                servers=int(self.servers),
            )
        if layout == "few":
            types = np.repeat(np.arange(self.speeds.types), servers)
            return small_system.SmallSystem(
                arrival_rate=self.arrival_rate,
                speeds=rates[types],
                weights=None if weights is None else weights[types],
                policy=self.policy,
                types=tuple(types.tolist()),
                limits=tuple(limits[j] for j in types),
                blocking=int(self.buffer is not None),
            )
        return LevelCounts(
            arrival_rate=self.arrival_rate,
            rates_of_types=rates,
            servers=servers,
            weights=weights,
            policy=self.policy,
            groups=ranking(self.policy.rule.rank, rates, self.counted_levels()),
            levels=self.counted_levels(),
            limits=limits,
            observed=int(self.laws == "yes"),
            blocking=int(self.buffer is not None),
        )

    def metrics(self, sums):
        time, n, types = sums.time, int(self.servers), self.speeds.types
        servers, mu, root = self.speeds.servers(n), self.speeds.rates, math.sqrt(n)
        modified = self._layout() == "shared"
        waiting, all_busy = sums["waiting"] / time, sums["all_busy"] / time
        lost = sums["lost"] / time if "lost" in sums and (modified or self.buffer) else 0.0
        admitted = self.arrival_rate - lost
        found = {}
        if modified:
            number = sums["busy"] / time + waiting
            idle = float(n) - sums["busy"] / time
        else:
            observed = [sums[f"busy_{j + 1}"] / time for j in range(types)]
            # of the slowest type as many are busy as serve what the others do not: a control variate
            fast = sum((float(m) * b for m, b in zip(mu[:-1], observed[:-1], strict=True)), 0.0)
            busy = [*observed[:-1], (admitted - fast) / float(mu[-1])]
            number = sum(busy) + waiting
            idle = float(n) - sum(busy)
            found |= {f"idle_servers_{j + 1}": float(servers[j]) - busy[j] for j in range(types)} if types > 1 else {}
            found |= {f"y_{j + 1}_1": (busy[j] - float(servers[j])) / root for j in range(types)}
            if "two_1" in sums:
                found["y_1_2"] = sums["two_1"] / time / root
            found |= {
                "busy_capacity": fast + float(mu[-1]) * observed[-1],
                "number_observed": sum(observed) + waiting,
            }
        if modified or self.buffer:
            found["probability_lost"] = lost / self.arrival_rate
        if self.laws == "yes":
            found |= self._laws(sums, time)
        return {
            "number_in_system": number,
            "waiting_jobs": waiting,
            "response_time": number / admitted,
            "waiting_time": waiting / admitted,
            "all_busy": all_busy,
            "idle_servers": idle,
            "y_plus_1": (number - float(n)) / root,
            "y_plus_2": waiting / root,
            **found,
        }

    def _laws(self, sums, time):
        found = {name: sums[name] / time for name in sums if name.startswith(("level_", "joins_"))}
        cells = {(j, i): f"joins_{j + 1}_{i}" for j in range(self.speeds.types) for i in range(self.counted_levels())}
        return found | response.quantiles({cell: found[name] for cell, name in cells.items()}, self.speeds.rates)
