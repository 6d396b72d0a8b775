"""In which order the servers come, where they come in turn."""

import functools
from collections import Counter
from fractions import Fraction
from math import lcm

import numpy as np
from jaxtyping import Float, Int

from jaxq.checks import FieldError

MOST_TURNS = 2**20
"""Turns of a cycle; each is kept."""
LARGEST = 10_000
"""Denominator of a ratio of speeds."""


def turns(rates: Float[np.ndarray, " types"]) -> Int[np.ndarray, " types"]:
    """How often a server of each type comes in a cycle, in proportion to its speed, as few times as it can be.

    Raises:
        FieldError: speeds that are in no proportion of small whole numbers.
    """
    shares = [Fraction(rate / rates[-1]).limit_denominator(LARGEST) for rate in rates.tolist()]
    if not np.allclose([float(x) for x in shares], rates / rates[-1], rtol=1e-9, atol=0):
        raise FieldError(
            "speeds", rates, "must be in proportions of small whole numbers with policy weighted-round-robin"
        )
    once = lcm(*(x.denominator for x in shares))
    whole = np.array([int(x * once) for x in shares])
    return whole // np.gcd.reduce(whole)


@functools.lru_cache(maxsize=16)
def speed_cycle(rates: tuple[float, ...], servers: tuple[int, ...]) -> Int[np.ndarray, " turns"]:
    """The `smooth_cycle` of weights in proportion to the speeds."""
    return smooth_cycle(turns(np.array(rates)), np.array(servers))


def smooth_cycle(weights: Int[np.ndarray, " types"], servers: Int[np.ndarray, " types"]) -> Int[np.ndarray, " turns"]:
    """The smooth weighted round robin of nginx: the server of each turn of a cycle.

    In each turn the credit of every server grows by its weight; the one with the most credit comes, the first of several,
    and pays the sum of all weights. Servers of one type come in their own order, so that of each type the credit of the next
    one is enough.

    Args:
        weights: w_j, how often a server of each type comes, whole numbers >= 1.
        servers: N_j.

    Returns:
        Indices of servers, type by type, one a turn: sum_j N_j w_j turns.

    Raises:
        FieldError: there are more than `MOST_TURNS` turns.

    Source: nginx, ngx_http_upstream_get_peer (2012), "smooth weighted round-robin balancing".
    """
    length = int(weights @ servers)
    if length > MOST_TURNS:
        raise FieldError(
            "servers", int(servers.sum()), f"the cycle has {length} turns: at most {MOST_TURNS}", short=True
        )
    types = range(len(servers))
    weight, count, first = weights.tolist(), servers.tolist(), np.cumsum(servers) - servers
    came, order = [0] * len(count), np.empty(length, np.int64)
    for turn in range(length):
        credits = [(turn + 1) * weight[j] - length * (came[j] // count[j]) for j in types]
        j = max(types, key=credits.__getitem__)
        order[turn] = first[j] + came[j] % count[j]
        came[j] += 1
    return order


def gaps_of(order: Int[np.ndarray, " turns"], servers: Int[np.ndarray, " types"]) -> list[dict[tuple[int, ...], int]]:
    """How many servers of each type come in a cycle with which gaps, turns from one of a server to its next: each from its
    least rotation on, as long as they do not repeat."""
    turns_of, came = np.argsort(order, kind="stable"), np.bincount(order)
    found, first = [], 0
    for server, count in zip(np.cumsum(servers) - servers, servers, strict=True):
        mine = turns_of[first : first + count * came[server]].reshape(count, -1)
        gaps = np.diff(mine, append=mine[:, :1] + order.size)
        found.append(Counter(_period(tuple(row)) for row in gaps.tolist()))
        first += mine.size
    return found


def _period(gaps: tuple[int, ...]) -> tuple[int, ...]:
    size = next(d for d in range(1, len(gaps) + 1) if len(gaps) % d == 0 and gaps == gaps[:d] * (len(gaps) // d))
    return min(gaps[r:size] + gaps[:r] for r in range(size))
