"""Exact stationary law of a small network, with numbers of customers cut off, under rules written as functions."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.markov.sparse import stationary
from jaxq.analytic.parallel_servers.rates import Array, Rates
from jaxq.checks import FieldError, integer

MOST_STATES = 150_000
POISSON = [([1.0], [[-1.0]])]

Rule = Callable[[int, Sequence[int]], int | None]
"""(pool, customers of each class that wait) -> class to serve, or (class, idle servers of each pool) -> pool to join; None:
nobody waits, or no pool is idle."""
Allocation = Callable[[Rates, Int[np.ndarray, "states classes"]], Num[np.ndarray, "states classes pools"]]
"""(network, customers in the system, shape (S, I)) -> busy servers z_ij, or their mean, shape (S, I, J)."""
Phases = tuple[ArrayLike, ArrayLike]
"""(initial vector, sub-generator) of a phase-type law; times between arrivals are scaled to the mean 1/lambda_i."""


class Law(NamedTuple):
    """Stationary means.

    Attributes:
        queue: E Y_i, customers of class i that wait, shape (I,).
        busy: E Psi_ij, servers of pool j that serve class i, shape (I, J).
        abandonment: fraction of class-i arrivals that leave unserved, shape (I,).
        reward_rate: sum_ij g_i mu_ij E Psi_ij.
        lost: fraction of class-i arrivals that find the number of their class cut off and are lost, shape (I,).
        states: number of states.
    """

    queue: Float[np.ndarray, " classes"]
    busy: Float[np.ndarray, "classes pools"]
    abandonment: Float[np.ndarray, " classes"]
    reward_rate: float
    lost: Float[np.ndarray, " classes"]
    states: int


def in_order(orders: Sequence[Sequence[int]]) -> Rule:
    """The first with a positive amount in the order of the one who chooses: a static priority or preference.

    Args:
        orders: orders[k], what k may choose, best first: classes of pool k, or pools of class k.
    """
    return lambda chooser, amounts: next((k for k in orders[chooser] if amounts[k] > 0), None)


def largest(choices: Sequence[Sequence[int]], weights: ArrayLike | None = None) -> Rule:
    """The positive amount with the largest weight x amount among what the chooser may choose, ties to the first: longest
    queue, freest pool, MaxWeight.

    Args:
        choices: choices[k], what k may choose, in the order that breaks ties.
        weights: [k, what is chosen], >= 0 (default: all equal).
    """
    factor = np.ones((len(choices), 1 + max((max(c, default=0) for c in choices), default=0)))
    factor = factor if weights is None else np.asarray(weights, dtype=np.float64)

    def rule(chooser: int, amounts: Sequence[int]) -> int | None:
        there = [k for k in choices[chooser] if amounts[k] > 0]
        return max(there, key=lambda k: factor[chooser, k] * amounts[k], default=None)

    return rule


def nonpreemptive(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    abandonment_rates: ArrayLike = 0.0,
    rewards: ArrayLike = 1.0,
    *,
    join: Rule,
    serve: Rule,
    most_waiting: Sequence[int],
    arrival_phases: Sequence[Phases] | None = None,
) -> Law:
    """Classes queue separately; an arrival takes an idle server that ``join`` names, a freed server a class ``serve`` names.

    Formula: global balance of (queues, busy servers of each edge, phase of each arrival process), sparse LU; the states are
    those that can be reached from the empty system.

    Args:
        arrival_rates, service_rates, abandonment_rates, rewards: see
            `jaxq.analytic.parallel_servers.rates.Rates`.
        servers: N_j, whole.
        join: see `Rule`; it sees 0 idle servers where the class is not served.
        serve: see `Rule`; it sees queues of 0 of classes that the pool does not serve.
        most_waiting: K_i, most customers that wait; an arrival beyond is lost.
        arrival_phases: of each class (default: Poisson arrivals).

    Returns:
        A `Law`. ``lost`` tells what the cut costs.

    Raises:
        ValueError: a shape or a number is not allowed, or there are more than 150000 states.

    Source: global balance.
    """
    given = Rates.checked(arrival_rates, service_rates, servers, abandonment_rates, rewards)
    most = _limits("most_waiting", most_waiting, given)
    crew = _crew(given)
    edges = [(i, j) for i, j in np.argwhere(given.served).tolist()]
    clocks = [
        _clock(rate, *law) for rate, law in zip(given.arrival_rates, arrival_phases or POISSON * len(most), strict=True)
    ]
    chain = _Chain(given, edges, crew, most, join, serve, clocks)
    start = tuple([0] * (len(most) + len(edges) + len(most)))
    index, todo = {start: 0}, [start]
    origins, targets, rates = [], [], []
    for state in todo:
        for target, rate in chain.jumps(state):
            if target not in index:
                if len(index) == MOST_STATES:
                    raise FieldError("most_waiting", most, f"there are more than {MOST_STATES} states")
                index[target] = len(index)
                todo.append(target)
            origins.append(index[state])
            targets.append(index[target])
            rates.append(rate)
    states = np.array(todo)
    queues, busy = states[:, : len(most)], np.zeros((len(todo), *given.served.shape))
    for e, (i, j) in enumerate(edges):
        busy[:, i, j] = states[:, len(most) + e]
    law = stationary(len(todo), origins, targets, rates, _stillest(given, queues, busy))
    idle = np.asarray(crew) - busy.sum(axis=1)
    closed = [(queues[:, i] == most[i]) & ~((idle > 0) @ given.served[i]) for i in range(len(most))]
    ends = [clock[1].sum(axis=1)[states[:, i - len(most)]] for i, clock in enumerate(clocks)]
    share = np.stack(ends, axis=1) / np.where(given.arrival_rates > 0, given.arrival_rates, 1.0)
    return _means(given, law, queues, busy, np.stack(closed, axis=1) * share)


def _clock(
    rate: float, initial: ArrayLike, generator: ArrayLike
) -> tuple[Float[np.ndarray, "phases phases"], Float[np.ndarray, "phases phases"]]:
    """Rates from phase to phase without an arrival, and with one, shape (P, P)."""
    alpha, moves = np.asarray(initial, np.float64), np.array(generator, np.float64)
    moves *= rate * float(alpha @ np.linalg.solve(-moves, np.ones(len(alpha))))
    ends: Any = np.outer(-moves.sum(axis=1), alpha)
    return moves - np.diag(np.diag(moves)), ends


class _Chain:
    """The jumps of `nonpreemptive`."""

    def __init__(
        self, given: Rates, edges: list, crew: list[int], most: list[int], join: Rule, serve: Rule, clocks: list
    ):
        self.given, self.edges, self.crew, self.most = given, edges, crew, most
        self.join, self.serve, self.clocks = join, serve, clocks

    def jumps(self, state: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
        speeds, patience, served = self.given.service_rates, self.given.abandonment_rates, self.given.served
        classes = len(patience)
        queues, busy = state[:classes], dict(zip(self.edges, state[classes:-classes], strict=True))
        idle = [n - sum(z for (_, pool), z in busy.items() if pool == j) for j, n in enumerate(self.crew)]
        for i in range(classes):
            phase, (moves, ends) = state[i - classes], self.clocks[i]
            for q in np.flatnonzero(moves[phase]).tolist():
                yield self.clocked(state, i, q), float(moves[phase, q])
            for q in np.flatnonzero(ends[phase]).tolist():
                j = self.join(i, [n if served[i, pool] else 0 for pool, n in enumerate(idle)])
                enters = j is not None or queues[i] < self.most[i]
                after = self.moved(state, (i, j, 1)) if enters else state
                yield self.clocked(after, i, q), float(ends[phase, q])
            if queues[i] > 0 and patience[i] > 0:
                yield self.moved(state, (i, None, -1)), float(patience[i] * queues[i])
        for (i, j), z in busy.items():
            if z > 0:
                k = self.serve(j, [q if served[c, j] else 0 for c, q in enumerate(queues)])
                after = [(i, j, -1)] if k is None else [(i, j, -1), (k, j, 1), (k, None, -1)]
                yield self.moved(state, *after), float(speeds[i, j] * z)

    def clocked(self, state: tuple[int, ...], i: int, phase: int) -> tuple[int, ...]:
        place = len(state) - len(self.most) + i
        return (*state[:place], phase, *state[place + 1 :])

    def moved(self, state: tuple[int, ...], *changes: tuple[int, int | None, int]) -> tuple[int, ...]:
        after = list(state)
        for i, j, step in changes:
            after[i if j is None else len(self.most) + self.edges.index((i, j))] += step
        return tuple(after)


def greedy(order: Sequence[tuple[int, int]], weights: ArrayLike | None = None) -> Allocation:
    """Edges (class, pool), one after the other; each takes all customers and servers that are left.

    Args:
        order: every edge once, first served first: a static priority.
        weights: w_ij, shape (I, J): the edges in falling order of w_ij x_i instead, x_i all customers of the class in the
            system, and ``order`` where two tie. MaxWeight: w_ij = h_i mu_ij.
    """
    edges = np.asarray(order)

    def allocate(given: Rates, customers: Int[np.ndarray, "states classes"]) -> Int[np.ndarray, "states classes pools"]:
        if sorted(order) != [tuple(edge) for edge in np.argwhere(given.served).tolist()]:
            raise FieldError("order", list(order), "must have every edge, as (class, pool), once")
        ranked = np.broadcast_to(edges, (len(customers), *edges.shape))
        if weights is not None:
            loads = np.asarray(weights)[edges[:, 0], edges[:, 1]] * customers[:, edges[:, 0]]
            ranked = edges[np.argsort(-loads, axis=1, kind="stable")]
        return _filled(given, customers, ranked)

    return allocate


def drawn(weights: ArrayLike, offsets: ArrayLike, preferences: Sequence[Sequence[int]]) -> Allocation:
    """A static priority of the classes drawn anew at every moment, the next class by softmax of w_i x_i + b_i of those left;
    each class takes all servers that are left of its pools, one pool after the other. The mean over the draws.

    Args:
        weights, offsets: w_i and b_i, shape (I,).
        preferences: preferences[i], the pools of class i, the first taken first.
    """

    def allocate(
        given: Rates, customers: Int[np.ndarray, "states classes"]
    ) -> Float[np.ndarray, "states classes pools"]:
        scores = np.asarray(weights, np.float64) * customers + np.asarray(offsets, np.float64)
        mean = np.zeros((len(customers), *given.served.shape))
        for order in itertools.permutations(range(customers.shape[1])):
            # from the last to the first: each beside those behind it
            behind = np.logaddexp.accumulate(scores[:, order[::-1]], axis=1)[:, ::-1]
            chance = np.exp(scores[:, order] - behind).prod(axis=1)
            edges = np.array([(i, j) for i in order for j in preferences[i]])
            filled = _filled(given, customers, np.broadcast_to(edges, (len(customers), *edges.shape)))
            mean += chance[:, None, None] * filled
        return mean

    return allocate


def preemptive(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    abandonment_rates: ArrayLike = 0.0,
    rewards: ArrayLike = 1.0,
    *,
    allocate: Allocation,
    most_customers: Sequence[int],
) -> Law:
    """Busy servers are a function of the customers in the system, whose services may be interrupted at any time.

    Formula: global balance of the customers of each class on the lattice 0, ..., K_i, sparse LU.

    Args:
        arrival_rates, service_rates, servers, abandonment_rates, rewards: as `nonpreemptive`.
        allocate: see `Allocation`; `greedy` or `drawn`.
        most_customers: K_i, most customers in the system; an arrival beyond is lost.

    Returns:
        A `Law`. ``lost`` tells what the cut costs; an unstable class sits at the cut.

    Raises:
        ValueError: a shape or a number is not allowed, or there are more than 150000 states.

    Source: global balance.
    """
    given = Rates.checked(arrival_rates, service_rates, servers, abandonment_rates, rewards)
    most = _limits("most_customers", most_customers, given)
    shape = tuple(k + 1 for k in most)
    if math.prod(shape) > MOST_STATES:
        raise FieldError("most_customers", most, f"there are more than {MOST_STATES} states")
    _crew(given)
    customers = np.stack([axis.ravel() for axis in np.indices(shape)], axis=1)
    busy = allocate(given, customers)
    queues = customers - busy.sum(axis=2)
    down = np.einsum("ij,sij->si", given.service_rates, busy) + given.abandonment_rates * queues
    states, closed = np.arange(len(customers)), customers == most
    origins, targets, rates = [], [], []
    for i, stride in enumerate(math.prod(shape[i + 1 :]) for i in range(len(shape))):
        born, gone = states[~closed[:, i]], states[down[:, i] > 0]
        origins += [born, gone]
        targets += [born + stride, gone - stride]
        rates += [np.full(len(born), given.arrival_rates[i]), down[gone, i]]
    jumps = map(np.concatenate, (origins, targets, rates))
    law = stationary(len(states), *jumps, reference=_stillest(given, queues, busy))
    return _means(given, law, queues, busy, closed)


def _filled(
    given: Rates, customers: Int[np.ndarray, "states classes"], edges: Int[np.ndarray, "states edges 2"]
) -> Int[np.ndarray, "states classes pools"]:
    """z_ij if edges, shape (S, E, 2), take one after the other all that is left."""
    rows = np.arange(len(customers))
    waiting, idle = customers.copy(), np.tile(given.servers.astype(np.int64), (len(rows), 1))
    busy = np.zeros((len(rows), *given.served.shape), dtype=np.int64)
    for i, j in edges.transpose(1, 2, 0):
        taken = np.minimum(waiting[rows, i], idle[rows, j])
        busy[rows, i, j] = taken
        waiting[rows, i] -= taken
        idle[rows, j] -= taken
    return busy


def _limits(field: str, limits: Sequence[int], given: Rates) -> list[int]:
    if len(limits) != given.arrival_rates.size:
        raise FieldError(field, list(limits), f"must have one number a class, {given.arrival_rates.size}")
    return [integer(f"{field}[{i}]", k, 0) for i, k in enumerate(limits)]


def _crew(given: Rates) -> list[int]:
    return [integer(f"servers[{j}]", int(n) if n == int(n) else n, 0) for j, n in enumerate(given.servers.tolist())]


def _stillest(given: Rates, queues: NDArray, busy: NDArray) -> int:
    """The state with the least drift, where the law is not rare; the empty state is, in large pools."""
    leave = given.abandonment_rates * queues + np.einsum("ij,sij->si", given.service_rates, busy)
    return int(np.argmin(np.sum((given.arrival_rates - leave) ** 2, axis=1)))


def _means(given: Rates, law: Array, queues: NDArray, busy: NDArray, closed: NDArray) -> Law:
    queue, mean = law @ queues, np.tensordot(law, busy, 1)
    rates = np.where(given.arrival_rates > 0, given.arrival_rates, np.inf)
    through = np.sum(given.service_rates * mean, axis=1)
    lost = np.where(given.arrival_rates > 0, law @ closed, 0.0)
    return Law(queue, mean, given.abandonment_rates * queue / rates, float(given.rewards @ through), lost, len(law))
