"""Multi-class multi-pool networks: classes of customers that wait and may abandon, pools of servers of several skills.

Papers: Stolyar and Tezcan, Operations Research 59(6), 2011, electronic companion (overload, c-mu/theta, shadow routing);
Hmedi, Arapostathis and Pang, arXiv 2009.01942 (staffing of tree networks). Notation: class i arrives Poisson(lambda_i), the
N_j servers of pool j serve it at rate mu_ij, it abandons its line at rate theta_i, a completion earns g_i; psi_ij servers of
pool j are busy with class i, Y_i customers of class i wait.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.checks import FieldError
from jaxq.engine.described import told
from jaxq.engine.fields import choice, compound, nonnegative, positive, real
from jaxq.engine.model import Model
from jaxq.engine.orders import Preferences, orders_field
from jaxq.engine.reference import Reference
from jaxq.engine.stationarity import Stationarity
from jaxq.systems.parallel_servers.network.library import NETWORKS, network_field
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.network.schedule import Changes, Schedule, parse_changes
from jaxq.systems.parallel_servers.observables import METRICS, metrics
from jaxq.systems.parallel_servers.policies.by_name import POLICIES, PolicyInputs
from jaxq.systems.parallel_servers.policies.preemptive import Allocation
from jaxq.systems.parallel_servers.processes.allocation import Allocated
from jaxq.systems.parallel_servers.processes.dispatch import Dispatch
from jaxq.systems.parallel_servers.processes.renewal import (
    POISSON,
    ArrivalLaws,
    Phases,
    Renewal,
    arrival_laws_field,
    variations,
)
from jaxq.systems.parallel_servers.safety_staffing import is_tree, prices

REFUSING = ("shadow-rm", "shadow-tandem")
"""Policies that drop customers."""


class ParallelServers(Model):
    """A network of classes and pools under a control policy, with or without abandonment, in or out of overload.

    ``priority``, ``c-mu``, ``c-mu-theta``, ``max-weight`` (-preemptive or not), ``lqfs`` and ``fsf`` keep one line a class;
    ``softmax-preemptive`` draws priorities by ``weights`` and ``offsets``, which can be tuned.
    ``random`` splits arrivals by ``routing``; ``shadow-...`` routes by virtual queues with step ``eta``, which start at
    ``initial_prices``. A network is a name, a .toml file, or the table of one; ``scale`` is its n. Arrivals are Poisson, or
    renewal processes of phase type (``arrival_laws``), whose phases join the state.

    After ``changes`` of the arrival rates the metrics are of the last ones. ``safety``, ``staffing_costs``,
    ``safety_target``: of balanced saturation and tuning.
    """

    network: Network = network_field(default="x-model", table=True)
    policy: str = choice("policy", {name: known.doc for name, known in POLICIES.items()}, default="c-mu-theta")
    scale: float | None = positive("n, the size of the network; none: its own", default=None, optional=True)
    priorities: Preferences | None = orders_field(
        "priorities", "order of the classes, 2 > 1, or by pool, 3: 2 > 1; 4: 1 > 2"
    )
    preferences: Preferences | None = orders_field(
        "preferences", "order of the pools, 3 > 4, or by class, 1: 3 > 4; 2: 4 > 3; none: the fastest first"
    )
    eta: float = positive("step of shadow routing; prices are eta x virtual queues", default=0.1, momentary=True)
    routing: Any = real(
        "p_ij, probability that class i is sent to pool j, a row a class; none: even over its pools",
        low=0.0,
        rows=True,
        default=None,
        optional=True,
        momentary=True,
    )
    weights: Any = nonnegative(
        "w_i of softmax, one a class, 1/customers; none: the holding costs",
        default=None,
        optional=True,
        listed=True,
        momentary=True,
    )
    offsets: Any = real(
        "b_i of softmax, one a class; none: 0", default=None, optional=True, listed=True, momentary=True
    )
    initial_prices: str = choice(
        "prices that shadow routing starts with, those of the planning problem or 0",
        ("planned", "zero"),
        default="planned",
    )
    staffing: Any = real(
        "second-order staffing nh_j, servers/sqrt(n) of each pool; none: the network's own",
        default=None,
        optional=True,
        listed=True,
    )
    arrival_laws: ArrivalLaws | None = arrival_laws_field()
    changes: Changes | None = compound(
        "new arrival rates from given times on, 20: 300,500; 40: 250,600 (at scale n)",
        parse_changes,
        Changes,
        default=None,
        optional=True,
    )
    safety: Any = positive(
        "p, how classes share the safety staffing of a tree; none: evenly",
        default=None,
        optional=True,
        simplex=True,
    )
    staffing_costs: Any = positive(
        "c_j, money a server of each pool, for tuning; none: 1", default=None, optional=True, listed=True
    )
    safety_target: float = real("theta^n that a tuned staffing must have", default=1.0)

    name = "parallel-servers"

    @property
    def metric_table(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        """Rewards are primary where customers abandon."""
        loses = bool(self.network.abandonment_rates.any())
        return tuple(row._replace(primary=loses) if row.name == "reward_rate" else row for row in METRICS)

    def check_fields(self):
        network = self.network
        for name in ("staffing", "staffing_costs"):
            network.check_size(name, getattr(self, name), "pool")
        for name in ("safety", "weights", "offsets"):
            network.check_size(name, getattr(self, name), "class")
        if self.routing is not None:
            self._check_routing(np.asarray(self.routing))
        self.phases()
        if self.changes is not None:
            self.changes.check(network.classes)
        self.rates()
        inputs = self.policy_inputs()
        if self.priorities is not None:
            inputs.priority()
        if self.preferences is not None:
            inputs.preference()
        if not self.policy.startswith("shadow"):  # those solve a linear program, when they are prepared
            POLICIES[self.policy].build(inputs)

    def _check_routing(self, routing: np.ndarray) -> None:
        classes, pools, served = self.network.classes, self.network.pools, self.network.service_rates > 0
        if routing.shape != served.shape:
            raise FieldError(
                "routing",
                routing,
                f"must be {len(classes)} rows, one a class ({', '.join(classes)}), of {len(pools)} "
                f"numbers, one a pool ({', '.join(pools)})",
            )
        for i, j in np.argwhere((routing > 0) & ~served):
            raise FieldError(
                "routing",
                routing[i, j],
                "must be 0, as the pool does not serve the class",
                f" row {i + 1} (class {classes[i]}), pool {pools[j]}",
                short=True,
            )

    def rates(self) -> Rates:
        """The rates at the scale of this system, before any change."""
        return self.network.at(self.scale, self.staffing)

    @property
    def size(self) -> float:
        """n."""
        return self.network.scale if self.scale is None else float(self.scale)

    @property
    def staffed(self) -> bool:
        """Whether the theory of safety staffing applies: a tree, no abandonment, and no customer is refused."""
        network = self.network
        loses = network.abandonment_rates.any() or self.policy in REFUSING
        return not loses and is_tree(network.graph)

    def shares(self) -> Float[np.ndarray, " classes"]:
        """p, shape (I,)."""
        classes = len(self.network.classes)
        return np.full(classes, 1 / classes) if self.safety is None else np.asarray(self.safety)

    def phases(self) -> tuple[Phases, ...]:
        """The arrival process of each class."""
        classes = self.network.classes
        return (POISSON,) * len(classes) if self.arrival_laws is None else self.arrival_laws.phases(classes)

    def last_rates(self) -> Rates:
        """The rates after the last change."""
        rates = self.rates()
        return rates if self.changes is None else rates._replace(arrival_rates=np.array(self.changes.rates[-1]))

    def policy_inputs(self) -> PolicyInputs:
        """What the policy is built from."""
        from jaxq.systems.parallel_servers import planning

        rates, network = self.rates(), self.network
        zero = self.initial_prices == "zero"
        return PolicyInputs(
            network,
            rates,
            self.priorities,
            self.preferences,
            self.routing,
            *self._softmax(),
            float(self.eta),
            lambda: np.zeros(len(network.pools)) if zero else planning.plan(rates)[1],
            lambda: np.zeros(len(network.pools)) if zero else planning.load_prices(rates),
            lambda: planning.saturation_targets(rates, self.shares()),
        )

    def _softmax(self) -> tuple[np.ndarray, np.ndarray]:
        """w_i and b_i."""
        weights = self.network.holding_costs if self.weights is None else self.weights
        offsets = np.zeros(len(self.network.classes)) if self.offsets is None else self.offsets
        return np.atleast_1d(np.asarray(weights, np.float64)), np.atleast_1d(np.asarray(offsets, np.float64))

    def parameters(self):
        """The fields by name; a network that has no name of `NETWORKS` as its table, from which it can be made again."""
        return {**super().parameters(), "network": told(self.network, NETWORKS)}

    def stationarity(self):
        # what SHADOW-RM admits just fills the pools, so the virtual queues of the load behind it walk together
        loads = tuple(f"load_price_{pool}" for pool in self.network.pools)
        return Stationarity(
            self._check_load,
            switches=() if self.changes is None else tuple(self.changes.times),
            wandering=loads if self.policy == "shadow-tandem" else (),
            # pools of one size fall together, and what is charged to them may be multiples of one number
            phased=(*(f"price_{pool}" for pool in self.network.pools), *loads),
        )

    def _check_load(self):
        from jaxq.systems.parallel_servers import planning

        rates = self.last_rates()
        if not rates.arrival_rates.any():
            raise FieldError("network", self.network, "must have an arrival rate > 0 (in the end nobody arrives)")
        patient = rates.abandonment_rates == 0
        if not patient.any() or self.policy in REFUSING:
            return
        waits = rates._replace(arrival_rates=rates.arrival_rates[patient], service_rates=rates.service_rates[patient])
        load = planning.load(waits)
        if load >= 1:
            names = ", ".join(c for c, never in zip(self.network.classes, patient, strict=True) if never)
            raise FieldError(
                "network",
                self.network,
                f"has load {load:.6g} of classes that never abandon ({names}): must be < 1 (no stationary "
                "regime under any policy)",
            )

    def process(self):
        network, rates = self.network, self.rates()
        inputs = self.policy_inputs()
        built = POLICIES[self.policy].build(inputs)
        phases = [rates.arrival_rates] if self.changes is None else [rates.arrival_rates, *self.changes.rates]
        durations = np.diff([0.0, *([] if self.changes is None else self.changes.times)])
        common: dict[str, Any] = {
            "schedule": Schedule(np.array(phases, np.float64), durations),
            "renewal": Renewal(self.phases()),
            "service_rates": inputs.services,
            "servers": rates.servers,
            "abandonment_rates": rates.abandonment_rates,
            "graph": network.graph,
        }
        if isinstance(built, Allocation):
            return Allocated(allocation=built, **common)
        impatient = tuple(q for q, i in enumerate(built.lines) if network.abandonment_rates[i] > 0)
        return Dispatch(**built._asdict(), impatient=impatient, **common)

    def oracle(self):
        from jaxq.systems.parallel_servers import oracle

        rates, (classes, pools, _) = self.last_rates(), self.network.graph
        poisson = all(law == POISSON for law in self.phases())
        found = oracle.parallel_servers(rates, classes, pools, self._control(), poisson)
        if self.staffed:
            spare = oracle.weighted_idle(*rates[:3])
            found["weighted_idle"] = Reference(spare, "identity")
        return found

    def _control(self):
        from jaxq.systems.parallel_servers import oracle

        inputs, policy = self.policy_inputs(), POLICIES[self.policy]

        def by_pair(values):
            return None if values is None else inputs.graph.to_matrix(values(inputs))

        return oracle.Control(
            self.policy,
            policy.preemptive,
            self.network.holding_costs,
            by_pair(policy.index),
            by_pair(policy.weight),
            by_pair(policy.prefers),
            inputs.shares() if self.policy == "random" else None,
            np.stack([inputs.weights, inputs.offsets]) if self.policy == "softmax-preemptive" else None,
        )

    def theory(self):
        from jaxq.systems.parallel_servers import oracle, theory

        network, rates, control = self.network, self.last_rates(), self._control()
        if self.staffing is not None:
            network = network.replace(staffing=np.atleast_1d(self.staffing))
        if self.changes is not None:
            network = network.replace(arrival_rates=rates.arrival_rates / self.size, second_order_arrivals=None)
        noise = variations(self.arrival_laws, network.classes)
        return (
            theory.planning(network, rates)
            | theory.load(network, rates)
            | theory.overload(network, rates)
            | theory.fluid_of(network, rates, oracle.fluid_rest(rates, control), control)
            | theory.staffing(network, rates, self.size, self.shares(), noise, self.policy in REFUSING)
        )

    def objectives(self):
        from jaxq.systems.parallel_servers import planning
        from jaxq.systems.parallel_servers.objectives import (
            routing_objectives,
            shadow_objectives,
            staffing_objectives,
        )

        rates = self.last_rates()
        if self.policy == "random" and self.priorities is None:
            return routing_objectives(rates, self.policy_inputs().shares())
        if self.policy.startswith("shadow-rm"):
            return shadow_objectives(rates, *planning.plan(rates))
        if not self.staffed:
            return {}
        return staffing_objectives(
            self.network, self.size, self.rates(), self.shares(), self.staffing_costs, float(self.safety_target)
        )

    def metrics(self, sums):
        rates, worth = self.rates(), None
        if self.staffed:
            values = prices(self.network.graph, rates.service_rates, self.shares())[1]
            worth = values / values[-1]
        arrivals, leave = self.last_rates().arrival_rates, self.policy != "shadow-rm-tag"
        return metrics(sums, self.network, rates.service_rates, arrivals, worth, float(self.eta), leave)
