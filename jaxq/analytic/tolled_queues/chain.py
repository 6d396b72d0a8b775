"""Exact chains of parallel queues with tolls: exponential sizes, and customers who see who is before them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxq.analytic.markov.sparse import stationary
from jaxq.analytic.tolled_queues.customers import classes
from jaxq.checks import integer

_SAME = 1e-9
_MOST_STATES = 60_000


class TooManyStates(ValueError):
    """The chain is too large to be solved here."""


Queue = tuple[int, ...]
"""Who is at a server, in order of arrival: indices of the distinct mean sizes."""


def visible(
    arrival_rates: ArrayLike,
    rewards: ArrayLike,
    waiting_costs: ArrayLike,
    service_rates: Sequence[float],
    tolls: Sequence[float],
    mean_sizes: ArrayLike = 1.0,
    strict: bool = False,
    random_ties: bool = False,
    most: int = 60,
    size_ahead: float | None = None,
    most_states: int = _MOST_STATES,
) -> dict[str, Any]:
    """Stationary performance of m queues whose customers see the class, not the size, of everybody before them, or how
    many there are.

    Formula: global balance of the queues' sequences of classes, reached from empty ones, by sparse LU. A customer of class i
    expects to leave server j after t = (sum of the mean sizes before it + s_i) / mu_j (exponential sizes have no memory),
    or (n_j a + s_i) / mu_j if it sees the number n_j before it alone and takes each for a, and joins the server of least
    theta_j + c_i t if R_i covers it. With equal mean sizes both are (n_j + 1) s / mu_j: only lengths matter, and are the
    state.

    Args:
        arrival_rates: lambda_i, 1/time, shape (I,) or a number.
        rewards: R_i, money, shape (I,).
        waiting_costs: c_i, money/time, shape (I,).
        service_rates: mu_j, work/time, shape (m,).
        tolls: theta_j, money, shape (m,).
        mean_sizes: s_i, work, shape (I,) or a number.
        strict: whether a customer whose utility is exactly 0 balks.
        random_ties: whether equally good servers are equally likely; else the first is joined.
        most: customers at a server at most; who would join beyond is turned away.
        size_ahead: a, work; None: it sees the class of everybody before it.
        most_states: states of the chain at most.

    Returns:
        throughput, revenue, welfare (rewards less expected waiting costs): per unit of time.
        join: probability that class i joins server j, shape (I, m).
        utilisation: of each server, shape (m,).
        number_in_system: mean customers.
        sojourn_time: mean time in the system of those who join (nan if nobody does).
        size_present: mean size of a customer in the system, work (nan if nobody is).
        truncated: probability that an arrival is turned away by `most`: 0 where the chain is exact.

    Raises:
        ValueError: an argument is out of its range, shapes differ, or there are more than ``most_states`` states
            (`TooManyStates`).

    Source: Naor (1969), Econometrica 37(1), 15-24, for one class and one server.
    """
    arriving, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    rates, prices = np.atleast_1d(np.asarray(service_rates, float)), np.atleast_1d(np.asarray(tolls, float))
    if rates.shape != prices.shape or rates.ndim != 1:
        raise ValueError(f"service_rates and tolls must be as many: their shapes are {rates.shape} and {prices.shape}")
    sizes = np.broadcast_to(np.asarray(mean_sizes, float), arriving.shape)
    if not (np.isfinite(sizes).all() and (sizes > 0).all() and np.isfinite(rates).all() and (rates > 0).all()):
        raise ValueError("service_rates and mean_sizes must be positive and finite")
    integer("most", most, 1)
    kinds, kind = np.unique(sizes, return_inverse=True)
    servers = rates.size

    def before(queue: Queue) -> float:
        """The work that a customer expects there."""
        return sum(kinds[k] for k in queue) if size_ahead is None else len(queue) * size_ahead

    def choice(queues: tuple[Queue, ...], i: int) -> list[int]:
        """The servers that class i is ready to join, equally good."""
        times = [(before(queue) + sizes[i]) / mu for queue, mu in zip(queues, rates, strict=True)]
        costs_there = prices + costs[i] * np.array(times)
        least = costs_there.min()
        slack = _SAME * max(abs(gains[i]), abs(least), 1e-300)
        if least > gains[i] - slack if strict else least > gains[i] + slack:
            return []
        best = np.flatnonzero(costs_there <= least + slack).tolist()
        return best if random_ties else best[:1]

    empty: tuple[Queue, ...] = ((),) * servers
    index: dict[tuple[Queue, ...], int] = {empty: 0}
    states: list[tuple[Queue, ...]] = [empty]
    jumps: list[tuple[int, int, float]] = []
    join_flows: list[tuple[int, int, int, float]] = []
    lost: list[tuple[int, float]] = []

    def move(origin: int, queues: tuple[Queue, ...], j: int, queue: Queue, rate: float) -> None:
        target = (*queues[:j], queue, *queues[j + 1 :])
        if target not in index:
            if len(states) >= most_states:
                raise TooManyStates(
                    f"the tolls {prices.tolist()} are not allowed: there are more than {most_states} states"
                )
            index[target] = len(states)
            states.append(target)
        jumps.append((origin, index[target], rate))

    for here, queues in enumerate(states):  # grows as it is walked
        for j, queue in enumerate(queues):
            if queue:
                move(here, queues, j, queue[1:], rates[j] / kinds[queue[0]])
        for i, rate in enumerate(arriving):
            best = choice(queues, i)
            for j in best:
                if len(queues[j]) >= most:
                    lost.append((here, rate / len(best)))
                    continue
                join_flows.append((here, i, j, 1 / len(best)))
                move(here, queues, j, (*queues[j], int(kind[i])), rate / len(best))

    origins, targets, flows = zip(*jumps, strict=True) if jumps else ((), (), ())
    law = stationary(len(states), origins, targets, flows) if len(states) > 1 else np.ones(1)
    join, sojourn = np.zeros((arriving.size, servers)), np.zeros(arriving.size)
    for here, i, j, share in join_flows:
        join[i, j] += law[here] * share
        work = sum(kinds[k] for k in states[here][j]) + sizes[i]
        sojourn[i] += law[here] * share * work / rates[j]
    throughput, jobs = float(arriving @ join.sum(axis=1)), float(arriving @ sojourn)
    inside = [sum(kinds[k] for queue in queues for k in queue) for queues in states]
    return {
        "throughput": throughput,
        "revenue": float(arriving @ join @ prices),
        "welfare": float(arriving @ (gains * join.sum(axis=1) - costs * sojourn)),
        "join": join,
        "utilisation": np.array([law @ [bool(queues[j]) for queues in states] for j in range(servers)]),
        "number_in_system": jobs,
        "sojourn_time": jobs / throughput if throughput else float("nan"),
        "size_present": float(law @ inside) / jobs if throughput else float("nan"),
        "truncated": float(sum(law[here] * rate for here, rate in lost) / arriving.sum()),
    }
