"""Exact stationary means of a small network, with numbers of customers cut off, under preemptive policies."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxq.analytic.markov.sparse import stationary
from jaxq.analytic.queueing_networks.rates import Rates

SMALLEST, STEP = 12, 4
"""Customers of a class at which a box begins, and how far the second one goes."""
LOST = 1e-10
"""Probability of the last number of a class, up to which nothing is lost by a cut."""
MOST_STATES = {1: 100_000, 2: 100_000, 3: 20_000}
"""States of a box, by the number of classes: a second of sparse LU."""


class Scores(NamedTuple):
    """Who is served first: at each station the class of the largest score, the first of equal ones.

    Attributes:
        weights: the score of class k is sum_l S_kl n_l, rounded to a whole number, shape (K, K); None under a static order.
        order: the static order, the smallest first, shape (K,); None else.
        idles: whether a class of a negative score is not served.
    """

    weights: Float[np.ndarray, "classes classes"] | None
    order: Int[np.ndarray, " classes"] | None = None
    idles: bool = False


class Law(NamedTuple):
    """Stationary means.

    Attributes:
        numbers: E n_k, shape (K,).
        last: P(n_k is the largest number that is kept), shape (K,).
    """

    numbers: Float[np.ndarray, " classes"]
    last: Float[np.ndarray, " classes"]


def small_numbers(rates: Rates, scores: Scores) -> Float[np.ndarray, " classes"] | None:
    """Mean numbers of classes in a network of so few customers that it is solved in a second, shape (K,); None of others.

    Formula: `law` on boxes that grow until the last number of each class has a probability under 1e-10; how far they must is
    what the first two of them show, as tails fall geometrically.

    Args:
        rates: of the network.
        scores: the policy, preemptive.

    Source: global balance.
    """
    most, step, before = np.full(len(rates.service_rates), SMALLEST), 0, np.zeros(len(rates.service_rates))
    limit = MOST_STATES.get(len(most), 0)
    while math.prod((most + 1).tolist()) <= limit:
        numbers, last = law(rates, most.tolist(), scores)
        long = last > LOST
        if not long.any():
            return numbers
        more, known = np.full(len(most), STEP), long & (step > 0)
        tail = last[known]
        falls = np.log(np.maximum(before[known], tail) / tail)
        if (falls == 0).any():
            return None
        more[known] = np.ceil(np.log(tail / LOST) * np.broadcast_to(step, most.shape)[known] / falls)
        step = np.where(long, more, 0)
        most, before = most + step, last
    return None


def law(rates: Rates, most: Sequence[int], scores: Scores) -> Law:
    """The means of the network on the box n_k <= K_k; who comes to a class that is full is lost.

    Formula: global balance, sparse LU. At each station servers go to the classes in falling order of the scores, one to each
    customer as long as there are any.

    Args:
        rates: of the network.
        most: K_k, by class.
        scores: the policy.

    Source: global balance.
    """
    shape = tuple(k + 1 for k in most)
    numbers = np.stack([axis.ravel() for axis in np.indices(shape)], axis=1)
    if scores.weights is None:
        score = -np.broadcast_to(np.asarray(scores.order), numbers.shape)
    else:
        score = np.floor(numbers @ scores.weights.T + 0.5)
    busy = _busy(rates, numbers, score, scores.idles)
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    states, full, jumps = np.arange(len(numbers)), numbers == most, []
    leaves = np.maximum(1 - rates.routing.sum(axis=1), 0)  # of a row that sums to 1 but for rounding
    for k, stride in enumerate(strides):
        jumps.append((states[~full[:, k]], stride, np.full((~full[:, k]).sum(), rates.arrival_rates[k])))
        served = rates.service_rates[k] * busy[:, k]
        gone = states[busy[:, k] > 0]
        jumps.append((gone, -stride, served[gone] * leaves[k]))
        for m in set(np.flatnonzero(rates.routing[k]).tolist()) - {k}:
            # who waited for room could hold up a server for ever
            joined = np.where(full[gone, m], 0, strides[m])
            jumps.append((gone, joined - stride, served[gone] * rates.routing[k, m]))
    origins = np.concatenate([here for here, _, _ in jumps])
    targets = np.concatenate([here + step for here, step, _ in jumps])
    weights = stationary(len(states), origins, targets, np.concatenate([rate for *_, rate in jumps]))
    return Law(weights @ numbers, weights @ full)


def _busy(rates: Rates, numbers: np.ndarray, score: np.ndarray, idles: bool) -> np.ndarray:
    """Busy servers by state and class."""
    found, rows = np.zeros(numbers.shape), np.arange(len(numbers))
    for j, servers in enumerate(rates.servers.tolist()):
        here, free = np.array(rates.of_station(j)), np.full(len(numbers), servers)
        for place in np.argsort(-score[:, here], axis=1, kind="stable").T:
            k = here[place]
            taken = np.minimum(numbers[rows, k], free)
            if idles:
                taken = np.where(score[rows, k] < 0, 0, taken)
            found[rows, k] = taken
            free = free - taken
    return found
