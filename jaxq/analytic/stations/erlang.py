"""Erlang's formulas and their many-server limits."""

import math

import numpy as np

from jaxq.checks import integer, positive, stable_load

_TERMS = 4096
"""Terms of a sum that are computed at a time."""
_REST = 1e-17


def erlang_b(servers: int, load: float) -> float:
    """Probability that M/G/c/c loses an arrival.

    Formula: 1/B = sum_{k=0}^c prod_{j<k} (c - j) / a, which is B(c) = a B(c-1) / (c + a B(c-1)), B(0) = 1, unrolled; depends
    on the service law through its mean only. The sum ends where its rest is below 1e-17 of it, after some 9 sqrt(a) terms
    (c = a = 1e9: 10 ms), or where 1/B passes 1e308 and B is 0. No term is negative; relative error against the recursion:
    below 1e-14 up to c = 1e7.

    Args:
        servers: c, customers.
        load: a = arrival rate / service rate, no unit.

    Returns:
        Probability of blocking.

    Raises:
        ValueError: servers is no positive integer or load is not positive and finite.

    Source: Cooper (1981), Introduction to Queueing Theory, Section 3.3.
    """
    servers = integer("servers", servers, 1)
    load = positive("load", load)
    total, term, first = 1.0, 1.0, 0
    while first < servers:
        ratios = np.arange(servers - first, max(servers - first - _TERMS, 0), -1.0) / load
        with np.errstate(over="ignore", under="ignore"):
            terms = term * np.cumprod(ratios)
            total += float(terms.sum())
        if not total < math.inf:
            return 0.0
        term, ratio, first = float(terms[-1]), float(ratios[-1]), first + len(ratios)
        if ratio < 1 and term * ratio <= _REST * total * (1 - ratio):
            break
    return 1 / total


def erlang_c(servers: int, load: float) -> float:
    """Probability that a customer of M/M/c waits.

    Formula: C = c B / (c - a (1 - B)) with B = B(c, a) of Erlang's loss formula.

    Args:
        servers: c, customers.
        load: a = arrival rate / service rate, no unit.

    Returns:
        Probability of waiting.

    Raises:
        ValueError: as `erlang_b`, or load >= servers (no stationary regime).

    Source: Cooper (1981), Introduction to Queueing Theory, Section 3.4.
    """
    servers = integer("servers", servers, 1)
    load = positive("load", load)
    stable_load(load, servers)
    blocking = erlang_b(servers, load)
    return servers * blocking / (servers - load + load * blocking)


def halfin_whitt(beta: float) -> float:
    """Limit of the probability of waiting in M/M/c as c grows with c = a + beta sqrt(a).

    Formula: [1 + beta Phi(beta) / phi(beta)]^-1, Phi and phi the standard normal distribution and density.

    Args:
        beta: square-root staffing coefficient, positive, no unit.

    Returns:
        Probability of waiting.

    Raises:
        ValueError: beta is not positive and finite.

    Source: Halfin and Whitt (1981), Operations Research 29(3), Proposition 1.
    """
    from scipy.special import expit, log_ndtr

    beta = positive("beta", beta)
    log_odds_against = math.log(beta) + float(log_ndtr(beta)) + beta * beta / 2 + math.log(2 * math.pi) / 2
    return float(expit(-log_odds_against))
