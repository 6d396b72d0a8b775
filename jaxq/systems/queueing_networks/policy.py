"""Policies by name: how the servers of a station are shared among the classes there, at every moment anew.

Each is built on the host from a network and its rates; to add one, add a row to `POLICIES`. A policy is an `Allocation`, a
pure function of the numbers in system. Static orders are numbers by class, the smallest served first.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.checks import FieldError
from jaxq.engine.drawn_orders import drawn_orders
from jaxq.engine.orders import Preferences
from jaxq.systems.queueing_networks.network.network import OpenNetwork
from jaxq.systems.queueing_networks.network.routes import Routes

Classes = Float[np.ndarray, " classes"]
GRID = 4096.0
"""Scores are rounded to this share of the largest weight: what ties does so whatever a sum is rounded to, in 32 bits too."""
MOST_DRAWN = 5
"""Classes of a station of which an order is drawn: their 120 orders are written out."""


class Allocation(eqx.Module):
    """How many servers work on each class."""

    @abstractmethod
    def busy(self, numbers: tuple, servers: Any, routes: Routes) -> list:
        """Busy servers by class, int32, or float32 where they are shared; ``numbers``: customers by class, int32,
        ``servers``: c_j, shape (J,)."""


class Sharing(Allocation):
    """The customers at a station share its servers evenly: class k has min(n, c) n_k/n of them, n all customers there."""

    def busy(self, numbers, servers, routes):
        found: list = list(numbers)
        for j in range(len(routes.stations)):
            here = routes.of_station(j)
            total = sum(numbers[k] for k in here[1:]) + numbers[here[0]]
            working = jnp.minimum(total, servers[j])
            if len(here) == 1:
                found[here[0]] = working
                continue
            share = working / jnp.maximum(total, 1)
            for k in here:
                found[k] = numbers[k] * share
        return found


class InOrder(Allocation):
    """Servers go to the customers of the class with the smallest rank, then to those of the next; preemptive."""

    ranks: tuple[int, ...] = eqx.field(static=True)

    def busy(self, numbers, servers, routes):
        def first(m: int, k: int) -> bool:
            return self.ranks[m] < self.ranks[k]

        return _filled(numbers, servers, routes, first)


class ByScore(Allocation):
    """Servers go to the class with the largest score, a linear function of the numbers in system, rounded, then to the next;
    of two equal ones the first. Preemptive. With ``idles`` none goes to a class whose score is negative."""

    weights: Any  # by term
    terms: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """(k, m): a weight times the number of class m is in the score of class k."""
    idles: bool = eqx.field(static=True)

    @classmethod
    def of(cls, matrix: Float[np.ndarray, "classes classes"], idles: bool = False) -> "ByScore":
        """Of the weights by (k, m), shape (K, K)."""
        terms = tuple((int(k), int(m)) for k, m in np.argwhere(matrix != 0))
        return cls(np.array([matrix[term] for term in terms]), terms, idles)

    def busy(self, numbers, servers, routes):
        scores = [jnp.floor(score + 0.5) for score in _linear(self.weights, self.terms, numbers)]
        there = numbers
        if self.idles:
            there = [jnp.where(score >= 0, n, 0) for score, n in zip(scores, numbers, strict=True)]

        def first(m: int, k: int):
            return scores[m] > scores[k] if m > k else scores[m] >= scores[k]

        return _filled(there, servers, routes, first)


class Drawn(Allocation):
    """An order of the classes of a station that is drawn anew at every moment: of those that are left the next one is k with
    probability exp(s_k) / sum exp(s_m), s_k a linear function of the numbers in system + b_k (Plackett and Luce). The busy
    servers are the mean over the draws, in which the law of the numbers is that of the draws themselves; smooth in all
    weights."""

    weights: Any  # by term
    offsets: Any  # b_k, shape (K,)
    terms: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """As of `ByScore`."""

    def busy(self, numbers, servers, routes):
        linear = _linear(self.weights, self.terms, numbers)
        scores = [score + b for score, b in zip(linear, [*self.offsets], strict=True)]
        found: list = list(numbers)
        for j in range(len(routes.stations)):
            here = routes.of_station(j)
            if len(here) == 1:
                found[here[0]] = jnp.minimum(numbers[here[0]], servers[j])
                continue
            for k in here:
                found[k] = jnp.float32(0)
            for order, chance in drawn_orders(here, scores):
                free = servers[j]
                for k in order:
                    taken = jnp.minimum(numbers[k], free)
                    found[k], free = found[k] + chance * taken, free - taken
        return found


def _linear(weights, terms: tuple[tuple[int, int], ...], numbers) -> list:
    """The score of each class: the sum of its weights times numbers in system."""
    scores: list = [jnp.float32(0)] * len(numbers)
    for weight, (k, m) in zip(weights, terms, strict=True):
        scores[k] = scores[k] + weight * numbers[m]
    return scores


def _filled(numbers, servers, routes: Routes, first: Callable[[int, int], Any]) -> list:
    """Each class has what is left by those that come ``first``: at most a server a customer."""
    found: list = list(numbers)
    for j in range(len(routes.stations)):
        here = routes.of_station(j)
        for k in here:
            ahead = [jnp.where(first(m, k), numbers[m], 0) for m in here if m != k]
            found[k] = jnp.clip(servers[j] - sum(ahead), 0, numbers[k])
    return found


# --- by name ------------------------------------------------------------------------------------------------------------


class PolicyInputs(NamedTuple):
    """What a policy is built from."""

    network: OpenNetwork
    rates: Rates
    priorities: Preferences | None  # of the classes, by station
    weights: Classes  # w_k of softmax
    offsets: Classes  # b_k of softmax

    def priority(self) -> Classes:
        """The place of each class in the list of its station. FieldError without ``priorities`` where there is a choice."""
        classes, stations, station_of = self.network.routes[:3]
        if self.priorities is None:
            if len(classes) == len(stations):
                return np.zeros(len(classes))
            rule = "this policy needs an order of the classes at each station, such as 3 > 1 or 1: 3 > 1; 2: 4 > 2"
            raise FieldError("priorities", ..., rule)
        served = {name: [classes[k] for k in self.network.routes.of_station(j)] for j, name in enumerate(stations)}
        ranks = self.priorities.ranks("priorities", "station", stations, served)
        return np.array([ranks[j][name] for name, j in zip(classes, station_of, strict=True)], np.float64)

    def cost_rate(self) -> Classes:
        """-h_k mu_k (c-mu)."""
        return -self.network.holding_costs * self.rates.service_rates

    def services_left(self) -> Classes:
        """Mean number of services until a customer of the class leaves, this one included."""
        size = len(self.rates.routing)
        return np.linalg.solve(np.eye(size) - self.rates.routing, np.ones(size)).round(9)

    def cost_weight(self) -> Classes:
        """h_k mu_k (MaxWeight)."""
        return -self.cost_rate()

    def pressure(self) -> Float[np.ndarray, "classes classes"]:
        """mu_k (I - P)_kl h_l: the score of class k is mu_k (h_k n_k - sum_l P_kl h_l n_l)."""
        size = len(self.rates.routing)
        return self.rates.service_rates[:, None] * (np.eye(size) - self.rates.routing) * self.network.holding_costs

    def drawn(self) -> Drawn:
        """By softmax of w_k n_k - sum_l P_kl w_l n_l + b_k. FieldError for more classes at a station than `MOST_DRAWN`."""
        most = max(np.bincount(self.rates.stations))
        if most > MOST_DRAWN:
            rule = f"draws an order of the classes of a station, of which there are {most} here: at most {MOST_DRAWN}"
            raise FieldError("policy", "softmax", rule)
        size = len(self.rates.routing)
        scores = (np.eye(size) - self.rates.routing) * self.weights
        # whatever the weights and the routing are, as these may be tuned
        terms = tuple((int(k), int(m)) for k, m in np.argwhere(np.eye(size) + self.network.routing > 0))
        return Drawn(np.array([scores[term] for term in terms]), self.offsets, terms)


class Policy(NamedTuple):
    """A row of `POLICIES`: what it does, and one of ``order`` (a static order), ``score`` (of the numbers in system),
    ``draws`` (by lot) and none (the customers share the servers); ``idles``: see `ByScore`."""

    doc: str
    order: Callable[[PolicyInputs], Classes] | None = None
    score: Callable[[PolicyInputs], Float[np.ndarray, "classes classes"]] | None = None
    idles: bool = False
    draws: bool = False

    @property
    def shares(self) -> bool:
        """Whether the customers at a station share its servers."""
        return self.order is None and self.score is None and not self.draws

    def places(self, inputs: PolicyInputs) -> Int[np.ndarray, " classes"] | None:
        """The place of each class in the static order, of two equal ones the first first; None of another policy."""
        if self.order is None:
            return None
        return np.argsort(np.argsort(self.order(inputs), kind="stable"))

    def weights(self, inputs: PolicyInputs) -> Float[np.ndarray, "classes classes"] | None:
        """S_kl of the scores, the largest `GRID`, shape (K, K); None of another policy."""
        if self.score is None:
            return None
        found = self.score(inputs)
        return found * (GRID / (np.abs(found).max() or 1.0))

    def build(self, inputs: PolicyInputs) -> Allocation:
        """What the process is stepped with."""
        if self.draws:
            return inputs.drawn()
        places, weights = self.places(inputs), self.weights(inputs)
        if places is not None:
            return InOrder(tuple(places.tolist()))
        return Sharing() if weights is None else ByScore.of(weights, self.idles)


POLICIES: dict[str, Policy] = {
    "sharing": Policy("the customers at a station share its servers evenly (processor sharing, random order)"),
    "priority": Policy("preemptive: the first class of the list of its station", PolicyInputs.priority),
    "c-mu": Policy("preemptive: the largest holding cost x service rate", PolicyInputs.cost_rate),
    "first-buffer": Policy(
        "FBFS, preemptive: the class with the most services still to come", lambda s: -s.services_left()
    ),
    "last-buffer": Policy("LBFS, preemptive: the class with the fewest services to come", PolicyInputs.services_left),
    "longest-queue": Policy(
        "preemptive: the class with the most customers", score=lambda s: np.eye(len(s.rates.routing))
    ),
    "max-weight": Policy(
        "preemptive: the largest holding cost x service rate x number", score=lambda s: np.diag(s.cost_weight())
    ),
    "max-pressure": Policy(
        "preemptive: the largest service rate x (cost x number here - that of the class to come); idle if all are negative",
        score=PolicyInputs.pressure,
        idles=True,
    ),
    "softmax": Policy(
        "preemptive: an order drawn at every moment, the next class by softmax of w_k n_k - that of the class to come + b_k",
        draws=True,
    ),
}
