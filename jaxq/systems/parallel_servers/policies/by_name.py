"""Policies by name. Each is built on the host from a `PolicyInputs`; to add one, add it here.

A policy is an `Allocation` (preemptive: busy servers are a function of the numbers in system) or a `Discipline` (which line
an arrival joins, and which line a freed server takes from).
"""

import graphlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxq.checks import FieldError
from jaxq.systems.parallel_servers.network.network import Network, Rates
from jaxq.systems.parallel_servers.policies.orders import Preferences
from jaxq.systems.parallel_servers.policies.preemptive import Allocation, DrawnPriorities, Greedy
from jaxq.systems.parallel_servers.policies.routers import JoinIdlePool, RandomRouting, Router
from jaxq.systems.parallel_servers.policies.saturation import Saturation
from jaxq.systems.parallel_servers.policies.selection_rules import InOrder, Largest, Rule
from jaxq.systems.parallel_servers.policies.shadow import ShadowLB, ShadowRM, ShadowTandem

MOST_DRAWN = 4
"""Classes whose orders, 24 of 4, are all in the program of drawn priorities."""


class PolicyInputs(NamedTuple):
    """What a policy is built from."""

    network: Network
    rates: Rates
    priorities: Preferences | None  # of the classes, by pool
    preferences: Preferences | None  # of the pools, by class
    routing: Any  # p_ij, shape (I, J), or None
    weights: np.ndarray  # w_i of drawn priorities, shape (I,)
    offsets: np.ndarray  # b_i, shape (I,)
    eta: float
    prices: Callable[[], np.ndarray]  # nu_j to start with, shape (J,)
    load_prices: Callable[[], np.ndarray]  # of the load, to start with, shape (J,)
    targets: Callable[[], np.ndarray]  # Nt_ij, servers that balanced saturation keeps for each class, shape (I, J)

    def by_edge(self, matrix: np.ndarray) -> np.ndarray:
        """The entries of an (I, J) matrix on the edges."""
        return np.array([matrix[i, j] for i, j in self.network.edges])

    def by_pair(self, values: Sequence) -> np.ndarray:
        """Numbers by edge as an (I, J) matrix, infinity where there is no edge."""
        matrix = np.full(self.network.service_rates.shape, np.inf)
        for (i, j), value in zip(self.network.edges, values, strict=True):
            matrix[i, j] = value
        return matrix

    def shares(self) -> np.ndarray:
        """p_ij of random splitting, shape (I, J): ``routing``, or even over the pools of a class."""
        served = self.network.service_rates > 0
        return served / served.sum(axis=1, keepdims=True) if self.routing is None else np.asarray(self.routing)

    @property
    def services(self) -> np.ndarray:
        """mu_ij by edge."""
        return self.by_edge(self.rates.service_rates)

    def of_class(self, values: np.ndarray) -> np.ndarray:
        """A number a class, by edge."""
        return np.array([values[i] for i, _ in self.network.edges])

    def priority(self) -> list[int]:
        """The place of each edge's class in the list of its pool. ValueError without ``priorities`` if there is a choice."""
        network = self.network
        if self.priorities is None and len(network.edges) == len(network.pools):
            return [0] * len(network.edges)
        if self.priorities is None:
            raise FieldError(
                "priorities", ..., "this policy needs an order of the classes, such as 2 > 1 or 3: 2 > 1; 4: 1 > 2"
            )
        served = {
            pool: [network.classes[i] for i, q in network.edges if q == j] for j, pool in enumerate(network.pools)
        }
        ranks = self.priorities.ranks("priorities", network.pools, served)
        return [ranks[j][network.classes[i]] for i, j in network.edges]

    def preference(self) -> list[float]:
        """The place of each edge's pool in the list of its class; without ``preferences`` the fastest comes first."""
        network = self.network
        if self.preferences is None:
            return (-self.services).tolist()
        open_to = {
            name: [network.pools[j] for k, j in network.edges if k == i] for i, name in enumerate(network.classes)
        }
        ranks = self.preferences.ranks("preferences", network.classes, open_to)
        return [ranks[i][network.pools[j]] for i, j in network.edges]

    def reward_index(self) -> list[float]:
        """-g_i mu_ij by edge: the reward of a server's time, the best first."""
        return (-self.of_class(self.network.rewards) * self.services).tolist()

    def cost_index(self) -> list[float]:
        """-h_i mu_ij by edge (c-mu)."""
        return (-self.of_class(self.network.holding_costs) * self.services).tolist()

    def impatient_index(self) -> list[float]:
        """-h_i mu_ij/theta_i by edge (c-mu/theta). ValueError for a class that never abandons."""
        theta = self.network.abandonment_rates
        for name, rate in zip(self.network.classes, theta, strict=True):
            if rate == 0:
                raise FieldError("policy", "c-mu-theta", f"abandonment_rates of class {name} = 0: must be > 0")
        return (np.array(self.cost_index()) / self.of_class(theta)).tolist()


class Discipline(NamedTuple):
    """How lines are joined and served; the fields of `Dispatch` of the same names."""

    takes: Rule
    router: Router
    lines: tuple[int, ...]
    activities: tuple[tuple[int, int], ...]


class Policy(NamedTuple):
    """``build(inputs)`` raises ValueError where the inputs lack something."""

    doc: str
    build: Callable[[PolicyInputs], Allocation | Discipline]


def class_queues(inputs: PolicyInputs, takes: Rule, joins: Rule) -> Discipline:
    """Classes wait on their own."""
    edges = inputs.network.edges
    lines = tuple(range(len(inputs.network.classes)))
    return Discipline(takes, JoinIdlePool(joins), lines, tuple((i, e) for e, (i, _) in enumerate(edges)))


def by_index(index: Callable[[PolicyInputs], Sequence]) -> Callable[[PolicyInputs], Discipline]:
    """Freed servers take the smallest index, arrivals the preferred pool."""
    return lambda s: class_queues(s, InOrder.by(index(s)), InOrder.by(s.preference()))


def preemptive(index: Callable[[PolicyInputs], Sequence], prefers=None) -> Callable[[PolicyInputs], Allocation]:
    """Pools fill by the smallest index, and a class goes where ``prefers`` (default: the index) is smallest."""

    def build(s: PolicyInputs) -> Allocation:
        keys = index(s)
        order = one_order(s.network, keys, keys if prefers is None and s.preferences is None else s.preference())
        return Greedy(InOrder(tuple(order.index(e) for e in range(len(order)))), ())

    return build


def one_order(network: Network, pools_say: Sequence, classes_say: Sequence) -> list[int]:
    """An order of all edges in which each pool's and each class's own order holds; on a tree there always is one.

    Raises:
        ValueError: the orders go round in a circle.
    """
    edges, after = network.edges, graphlib.TopologicalSorter()
    keys = [(pools_say[e], classes_say[e], e) for e in range(len(edges))]
    for e, (i, j) in enumerate(edges):
        earlier = [f for f, (k, q) in enumerate(edges) if q == j and (pools_say[f], f) < (pools_say[e], e)]
        earlier += [f for f, (k, q) in enumerate(edges) if k == i and (classes_say[f], f) < (classes_say[e], e)]
        after.add(e, *earlier)
    try:
        after.prepare()
    except graphlib.CycleError as error:
        round_ = ", ".join(f"{network.classes[edges[e][0]]} at {network.pools[edges[e][1]]}" for e in error.args[1])
        raise FieldError(
            "preferences", ..., f"inconsistent with the priorities (cycle: {round_}); the two must admit a common order"
        ) from None
    ready, found = list(after.get_ready()), []
    while ready:
        first = min(ready, key=lambda e: keys[e])
        ready.remove(first)
        found.append(first)
        after.done(first)
        ready += after.get_ready()
    return found


def longest(inputs: PolicyInputs, joins: Rule) -> Discipline:
    """Freed servers take the longest line."""
    return class_queues(inputs, Largest(np.ones(len(inputs.network.edges))), joins)


def max_weight(inputs: PolicyInputs) -> Discipline:
    """Freed servers take the largest h_i mu_ij x line."""
    return class_queues(inputs, Largest(-np.array(inputs.cost_index())), InOrder.by(inputs.preference()))


def max_weight_preemptive(inputs: PolicyInputs) -> Allocation:
    """Edges fill by the largest h_i mu_ij x number in system."""
    ties = sorted(range(len(inputs.network.edges)), key=lambda e: (-inputs.services[e], inputs.network.edges[e]))
    return Greedy(Largest(-np.array(inputs.cost_index())), tuple(ties))


def drawn(inputs: PolicyInputs) -> Allocation:
    """Classes take the pools that they prefer, in an order that is drawn. ValueError for more classes than `MOST_DRAWN`."""
    count = len(inputs.network.classes)
    if count > MOST_DRAWN:
        rule = f"draws an order of the classes, of which there are {count} here: at most {MOST_DRAWN}"
        raise FieldError("policy", "softmax-preemptive", rule)
    places, edges = inputs.preference(), inputs.network.edges
    mine = [[e for e, (k, _) in enumerate(edges) if k == i] for i in range(count)]
    own = tuple(tuple(sorted(of, key=lambda e: (places[e], e))) for of in mine)
    return DrawnPriorities(inputs.weights, inputs.offsets, own)


def saturation(inputs: PolicyInputs) -> Saturation:
    """Classes go to their pools in the order of ``preferences``, and leave idle servers at the last."""
    places, targets = inputs.preference(), inputs.by_edge(inputs.targets())
    return Saturation(targets, tuple(sorted(range(len(places)), key=lambda e: (places[e], e))))


def routed_queues(inputs: PolicyInputs, router: Router, tagged: bool = False) -> Discipline:
    """Routed customers wait at their pool, which serves the line of the best index first, and the tagged last."""
    edges = inputs.network.edges
    index = inputs.reward_index() if inputs.priorities is None else inputs.priority()
    keys = [(again, key) for again in range(1 + tagged) for key in index]
    lines = tuple(i for _ in range(1 + tagged) for i, _ in edges)
    return Discipline(InOrder.by(keys), router, lines, tuple((q, q % len(edges)) for q in range(len(lines))))


def fastest_first(inputs: PolicyInputs) -> tuple[tuple[int, ...], ...]:
    """The edges of each class, the fastest pool first."""
    edges = inputs.network.edges
    mine = [[e for e, (k, _) in enumerate(edges) if k == i] for i in range(len(inputs.network.classes))]
    return tuple(tuple(sorted(of, key=lambda e: (-inputs.services[e], e))) for of in mine)


def split(inputs: PolicyInputs) -> Discipline:
    """Arrivals are split by ``routing``, evenly over the pools of a class unless given."""
    return routed_queues(inputs, RandomRouting(inputs.by_edge(inputs.shares())))


def revenue(inputs: PolicyInputs, keep: bool = False) -> ShadowRM:
    """SHADOW-RM from the given prices."""
    return ShadowRM(
        inputs.services,
        inputs.rates.servers.astype(np.float64),
        inputs.network.rewards,
        inputs.eta,
        inputs.prices() / inputs.eta,
        fastest_first(inputs),
        keep,
    )


def balance(inputs: PolicyInputs) -> ShadowLB:
    """SHADOW-LB from the given prices."""
    servers = inputs.rates.servers.astype(np.float64)
    return ShadowLB(inputs.services, servers, inputs.eta, inputs.load_prices() / inputs.eta, fastest_first(inputs))


POLICIES: dict[str, Policy] = {
    "priority": Policy("a freed server takes the first class of its list", by_index(PolicyInputs.priority)),
    "c-mu": Policy("a freed server takes the largest h_i mu_ij", by_index(PolicyInputs.cost_index)),
    "c-mu-theta": Policy("a freed server takes the largest h_i mu_ij/theta_i", by_index(PolicyInputs.impatient_index)),
    "max-weight": Policy("a freed server takes the largest h_i mu_ij x line", max_weight),
    "lqfs": Policy("longest queue, freest pool", lambda s: longest(s, Largest(np.ones(len(s.network.edges))))),
    "fsf": Policy("fastest server first, longest queue", lambda s: longest(s, InOrder.by(s.preference()))),
    "priority-preemptive": Policy(
        "static priorities, preemptive", preemptive(PolicyInputs.priority, PolicyInputs.preference)
    ),
    "c-mu-preemptive": Policy("the largest h_i mu_ij first, preemptive", preemptive(PolicyInputs.cost_index)),
    "c-mu-theta-preemptive": Policy(
        "the largest h_i mu_ij/theta_i first, preemptive", preemptive(PolicyInputs.impatient_index)
    ),
    "max-weight-preemptive": Policy(
        "the largest h_i mu_ij x number in system first, preemptive", max_weight_preemptive
    ),
    "softmax-preemptive": Policy(
        "priorities drawn anew at every moment, the next class by softmax of w_i x number in system + b_i; preemptive",
        drawn,
    ),
    "balanced-saturation": Policy("every class is kept servers of its own, on trees; preemptive", saturation),
    "random": Policy("arrivals split by routing probabilities", split),
    "shadow-rm": Policy("shadow routing by prices, the tagged dropped", lambda s: routed_queues(s, revenue(s))),
    "shadow-rm-tag": Policy(
        "shadow routing by prices, the tagged served last", lambda s: routed_queues(s, revenue(s, True), True)
    ),
    "shadow-lb": Policy("shadow routing that balances the load", lambda s: routed_queues(s, balance(s))),
    "shadow-tandem": Policy(
        "SHADOW-RM admits, SHADOW-LB routes", lambda s: routed_queues(s, ShadowTandem(revenue(s), balance(s)))
    ),
}
