"""Policies by name. Each is built on the host from a `PolicyInputs`; to add one, add a row to `POLICIES`.

A policy is an `Allocation` (preemptive: busy servers are a function of the numbers in system) or a `Discipline` (which line
an arrival joins, and which line a freed server takes from). A static order is one function, its index, and a row of
`INDICES`: the steps, preemptive and not, the exact laws and the fluid limits read that.
"""

import graphlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.checks import FieldError
from jaxq.engine.orders import Preferences
from jaxq.systems.parallel_servers.network.graph import Graph
from jaxq.systems.parallel_servers.network.network import Network
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

    @property
    def graph(self) -> Graph:
        """Of the network."""
        return self.network.graph

    def shares(self) -> Float[np.ndarray, "classes pools"]:
        """p_ij of random splitting, shape (I, J): ``routing``, or even over the pools of a class."""
        served = self.network.service_rates > 0
        return served / served.sum(axis=1, keepdims=True) if self.routing is None else np.asarray(self.routing)

    @property
    def services(self) -> np.ndarray:
        """mu_ij by edge."""
        return self.graph.by_edge(self.rates.service_rates)

    def of_class(self, values: np.ndarray) -> np.ndarray:
        """A number a class, by edge."""
        return np.array([values[i] for i, _ in self.graph.edges])

    def priority(self) -> list[int]:
        """The place of each edge's class in the list of its pool. ValueError without ``priorities`` if there is a choice."""
        classes, pools, edges = self.graph
        if self.priorities is None and len(edges) == len(pools):
            return [0] * len(edges)
        if self.priorities is None:
            raise FieldError(
                "priorities", ..., "this policy needs an order of the classes, such as 2 > 1 or 3: 2 > 1; 4: 1 > 2"
            )
        served = {pool: [classes[i] for i, q in edges if q == j] for j, pool in enumerate(pools)}
        ranks = self.priorities.ranks("priorities", "pool", pools, served)
        return [ranks[j][classes[i]] for i, j in edges]

    def preference(self) -> list[float]:
        """The place of each edge's pool in the list of its class; without ``preferences`` the fastest comes first."""
        classes, pools, edges = self.graph
        if self.preferences is None:
            return (-self.services).tolist()
        open_to = {name: [pools[j] for k, j in edges if k == i] for i, name in enumerate(classes)}
        ranks = self.preferences.ranks("preferences", "class", classes, open_to)
        return [ranks[i][pools[j]] for i, j in edges]

    def reward_index(self) -> list[float]:
        """-g_i mu_ij by edge: the reward of a server's time, the best first."""
        return (-self.of_class(self.network.rewards) * self.services).tolist()

    def routed_index(self) -> list:
        """The order of a pool's own lines: ``priorities``, or the best reward first."""
        return self.reward_index() if self.priorities is None else self.priority()

    def cost_weight(self) -> np.ndarray:
        """h_i mu_ij by edge (MaxWeight)."""
        return self.of_class(self.network.holding_costs) * self.services

    def cost_index(self) -> list[float]:
        """-h_i mu_ij by edge (c-mu)."""
        return (-self.cost_weight()).tolist()

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


Index = Callable[[PolicyInputs], Any]
"""Numbers by edge."""


class Policy(NamedTuple):
    """A row of `POLICIES`.

    Attributes:
        doc: what it does, in a few words.
        build: of the inputs; raises ValueError where they lack something.
        index: of a static order, by edge: the smallest is served first.
        weight: of an order by length, by edge: the largest weight x line is served first.
        prefers: by edge: an arrival goes to the smallest; None: to the freest pool.
        preemptive: whether services are interrupted.
    """

    doc: str
    build: Callable[[PolicyInputs], Allocation | Discipline]
    index: Index | None = None
    weight: Index | None = None
    prefers: Index | None = None
    preemptive: bool = False


def class_queues(inputs: PolicyInputs, takes: Rule, joins: Rule) -> Discipline:
    """Classes wait on their own."""
    lines = tuple(range(len(inputs.graph.classes)))
    return Discipline(takes, JoinIdlePool(joins), lines, tuple((i, e) for e, (i, _) in enumerate(inputs.graph.edges)))


def by_index(what: str, index: Index) -> Policy:
    """Freed servers take the smallest index, arrivals the preferred pool."""

    def build(s: PolicyInputs) -> Discipline:
        return class_queues(s, InOrder.by(index(s)), InOrder.by(s.preference()))

    return Policy(f"a freed server takes {what}", build, index, prefers=PolicyInputs.preference)


def by_index_preemptive(what: str, index: Index, comparable: bool = True) -> Policy:
    """Pools fill by the smallest index.

    Args:
        what: is served first.
        index: by edge.
        comparable: whether indices of several pools compare, so that a class goes where its own is the smallest unless
            ``preferences`` say otherwise.
    """

    def prefers(s: PolicyInputs) -> Sequence:
        return index(s) if comparable and s.preferences is None else s.preference()

    def build(s: PolicyInputs) -> Allocation:
        order = one_order(s.graph, index(s), prefers(s))
        return Greedy(InOrder(tuple(order.index(e) for e in range(len(order)))), ())

    return Policy(f"preemptive: {what}", build, index, prefers=prefers, preemptive=True)


def by_length(doc: str, weight: Index, prefers: Index | None = PolicyInputs.preference) -> Policy:
    """Freed servers take the largest weight x line."""

    def build(s: PolicyInputs) -> Discipline:
        joins = Largest(_ones(s)) if prefers is None else InOrder.by(prefers(s))
        return class_queues(s, Largest(np.array(weight(s))), joins)

    return Policy(doc, build, weight=weight, prefers=prefers)


def _ones(inputs: PolicyInputs) -> np.ndarray:
    return np.ones(len(inputs.graph.edges))


def one_order(graph: Graph, pools_say: Sequence, classes_say: Sequence) -> list[int]:
    """An order of all edges in which each pool's and each class's own order holds; on a tree there always is one.

    Raises:
        ValueError: the orders go round in a circle.
    """
    edges, after = graph.edges, graphlib.TopologicalSorter()
    keys = [(pools_say[e], classes_say[e], e) for e in range(len(edges))]
    for e, (i, j) in enumerate(edges):
        earlier = [f for f, (k, q) in enumerate(edges) if q == j and (pools_say[f], f) < (pools_say[e], e)]
        earlier += [f for f, (k, q) in enumerate(edges) if k == i and (classes_say[f], f) < (classes_say[e], e)]
        after.add(e, *earlier)
    try:
        after.prepare()
    except graphlib.CycleError as error:
        round_ = ", ".join(f"{graph.classes[edges[e][0]]} at {graph.pools[edges[e][1]]}" for e in error.args[1])
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


def max_weight_preemptive(inputs: PolicyInputs) -> Allocation:
    """Edges fill by the largest h_i mu_ij x number in system."""
    ties = sorted(range(len(inputs.graph.edges)), key=lambda e: (-inputs.services[e], inputs.graph.edges[e]))
    return Greedy(Largest(inputs.cost_weight()), tuple(ties))


def drawn(inputs: PolicyInputs) -> Allocation:
    """Classes take the pools that they prefer, in an order that is drawn. ValueError for more classes than `MOST_DRAWN`."""
    count = len(inputs.network.classes)
    if count > MOST_DRAWN:
        rule = f"draws an order of the classes, of which there are {count} here: at most {MOST_DRAWN}"
        raise FieldError("policy", "softmax-preemptive", rule)
    places, mine = inputs.preference(), map(inputs.graph.of_class, range(count))
    own = tuple(tuple(sorted(of, key=lambda e: (places[e], e))) for of in mine)
    return DrawnPriorities(inputs.weights, inputs.offsets, own)


def saturation(inputs: PolicyInputs) -> Saturation:
    """Classes go to their pools in the order of ``preferences``, and leave idle servers at the last."""
    places, targets = inputs.preference(), inputs.graph.by_edge(inputs.targets())
    return Saturation(targets, tuple(sorted(range(len(places)), key=lambda e: (places[e], e))))


def routed_queues(inputs: PolicyInputs, router: Router, tagged: bool = False) -> Discipline:
    """Routed customers wait at their pool, which serves the line of the best index first, and the tagged last."""
    edges, index = inputs.graph.edges, inputs.routed_index()
    keys = [(again, key) for again in range(1 + tagged) for key in index]
    lines = tuple(i for _ in range(1 + tagged) for i, _ in edges)
    return Discipline(InOrder.by(keys), router, lines, tuple((q, q % len(edges)) for q in range(len(lines))))


def fastest_first(inputs: PolicyInputs) -> tuple[tuple[int, ...], ...]:
    """The edges of each class, the fastest pool first."""
    mine = map(inputs.graph.of_class, range(len(inputs.graph.classes)))
    return tuple(tuple(sorted(of, key=lambda e: (-inputs.services[e], e))) for of in mine)


def split(inputs: PolicyInputs) -> Discipline:
    """Arrivals are split by ``routing``, evenly over the pools of a class unless given."""
    return routed_queues(inputs, RandomRouting(inputs.graph.by_edge(inputs.shares())))


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


INDICES: dict[str, tuple[str, Index]] = {
    "priority": ("the first class of its list", PolicyInputs.priority),
    "c-mu": ("the largest h_i mu_ij", PolicyInputs.cost_index),
    "c-mu-theta": ("the largest h_i mu_ij/theta_i", PolicyInputs.impatient_index),
}
"""Static orders: what is served first, and the index whose smallest value that is. Each makes two policies."""
POLICIES: dict[str, Policy] = {
    **{name: by_index(what, index) for name, (what, index) in INDICES.items()},
    "max-weight": by_length("a freed server takes the largest h_i mu_ij x line", PolicyInputs.cost_weight),
    "lqfs": by_length("longest queue, freest pool", _ones, None),
    "fsf": by_length("fastest server first, longest queue", _ones),
    **{
        f"{name}-preemptive": by_index_preemptive(what, index, comparable=name != "priority")
        for name, (what, index) in INDICES.items()
    },
    "max-weight-preemptive": Policy(
        "preemptive: the largest h_i mu_ij x number in system",
        max_weight_preemptive,
        weight=PolicyInputs.cost_weight,
        preemptive=True,
    ),
    "softmax-preemptive": Policy(
        "preemptive: priorities drawn anew at every moment, the next class by softmax of w_i x number in system + b_i",
        drawn,
        prefers=PolicyInputs.preference,
        preemptive=True,
    ),
    "balanced-saturation": Policy("every class is kept servers of its own, on trees; preemptive", saturation),
    "random": Policy("arrivals split by routing probabilities", split, PolicyInputs.routed_index),
    "shadow-rm": Policy("shadow routing by prices, the tagged dropped", lambda s: routed_queues(s, revenue(s))),
    "shadow-rm-tag": Policy(
        "shadow routing by prices, the tagged served last", lambda s: routed_queues(s, revenue(s, True), True)
    ),
    "shadow-lb": Policy("shadow routing that balances the load", lambda s: routed_queues(s, balance(s))),
    "shadow-tandem": Policy(
        "SHADOW-RM admits, SHADOW-LB routes", lambda s: routed_queues(s, ShadowTandem(revenue(s), balance(s)))
    ),
}
