"""Dispatching policies of parallel queues as probabilities: which server an arrival joins, given all queues.

Every policy is one rule: draw servers (all of them; d distinct ones; d with replacement), keep the drawn ones of least
rank, and take one of these at random. Its probabilities telescope over the ranks, so no server is ever simulated.
"""

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from jaxq.checks import FieldError, integer, positive

Rank = tuple[float, ...]


class Policy(NamedTuple):
    """A dispatching policy.

    rank: (jobs at a server, its service rate) -> tuple; the smallest wins.
    draws: servers drawn; None for all.
    distinct: whether the draws are distinct servers, only for equal weights.
    weights: weight of one server of type j in a draw and in a tie; None for equal weights.
    """

    rank: Callable[[int, float], Rank]
    draws: int | None = None
    distinct: bool = False
    weights: tuple[float, ...] | None = None


def drawing(rank: Callable[..., Rank], draws: int, replacement: bool, weights: Sequence[float] | None) -> Policy:
    """The policy that draws servers, 0 for all of them.

    Args:
        rank, weights: see `Policy`.
        draws: d.
        replacement: whether one server may be drawn twice.
    """
    weights = None if weights is None else tuple(map(float, weights))
    return Policy(rank, draws or None, bool(draws > 1 and not replacement), weights)


def weights_of(policy: Policy, types: int) -> tuple[float, ...]:
    """Weight of one server of each type, checked.

    Raises:
        ValueError: draws is no integer of at least 1, the weights are not one positive number a type, or distinct
            draws have weights.
    """
    if policy.draws is not None:
        integer("draws", policy.draws, 1)
    if policy.weights is None:
        return (1.0,) * types
    if policy.distinct and policy.draws not in (None, 1):
        raise FieldError("distinct", True, f"weights {policy.weights} need draws with replacement")
    if len(policy.weights) != types:
        raise FieldError("weights", policy.weights, f"must have one entry for each of {types} types")
    return tuple(positive(f"weights[{j}]", weight) for j, weight in enumerate(policy.weights))


def routing(
    policy: Policy, service_rates: Sequence[float], classes: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, float]]:
    """Where an arrival goes.

    Formula: with W(r) the weight, as a fraction, of servers of rank r or more, the winner has rank r with probability
    W(r)^d - W(r+)^d, for distinct draws C(m(r), d)/C(n, d) - C(m(r+), d)/C(n, d) with m(r) the number of such
    servers; within a rank classes share by weight.

    Args:
        policy: see `Policy`.
        service_rates: mu_j, 1/time.
        classes: (type j from 0, jobs l, number of type-j servers with l jobs) for all servers of the system.

    Returns:
        (type, jobs, probability) of the server joined, for the classes of positive probability.

    Raises:
        ValueError: as `weights_of`, or more distinct servers are drawn than there are.

    Source: Mitzenmacher (2001), IEEE TPDS 12(10), for the telescoping; Bhambay, Bueke and Mukhopadhyay, Definition
    2.1, for SA-JSQ.
    """
    weights = weights_of(policy, len(service_rates))
    total = sum(number for _, _, number in classes)
    if policy.distinct and policy.draws is not None and policy.draws > total:
        raise FieldError("draws", policy.draws, f"must be at most the {total} servers")

    present = [(policy.rank(entry[1], service_rates[entry[0]]), entry) for entry in classes if entry[2] > 0]
    present.sort(key=itemgetter(0))
    ranks, ordered = [rank for rank, _ in present], [entry for _, entry in present]
    weight_total = sum(weights[j] * number for j, _, number in ordered)
    behind, weight_behind = total, weight_total
    result: list[tuple[int, int, float]] = []
    while behind > 0:
        first = len(ordered) - len(ranks)
        tied = ordered[first : first + ranks.count(ranks[0])]
        ranks = ranks[len(tied) :]
        number = sum(entry[2] for entry in tied)
        weight = sum(weights[j] * m for j, _, m in tied)
        if policy.draws is None:
            chance = 1.0
        elif policy.distinct:
            d = policy.draws
            chance = (math.comb(behind, d) - math.comb(behind - number, d)) / math.comb(total, d)
        else:
            after = max(weight_behind - weight, 0.0) if ranks else 0.0
            chance = (weight_behind / weight_total) ** policy.draws - (after / weight_total) ** policy.draws
        if chance > 0:
            result += [(j, jobs, chance * weights[j] * m / weight) for j, jobs, m in tied]
        if policy.draws is None:
            break
        behind -= number
        weight_behind -= weight
    return result
