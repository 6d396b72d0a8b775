"""Erlang's formulas and their many-server limits."""

import math

from jaxq.analytic.arguments import count, number, positive, stable_load


def erlang_b(servers: int, load: float) -> float:
    """Probability that M/G/c/c loses an arrival.

    Formula: B(c) = a B(c-1) / (c + a B(c-1)), B(0) = 1; depends on the service law through its mean only.

    Args:
        servers: c, customers.
        load: a = arrival rate / service rate, no unit.

    Returns:
        Probability of blocking.

    Raises:
        ValueError: servers is no positive integer or load is not positive and finite.

    Source: Cooper (1981), Introduction to Queueing Theory, Section 3.3.
    """
    servers = count("servers", servers, 1)
    load = positive("load", load)
    blocking = 1.0
    for busy in range(1, servers + 1):
        carried = load * blocking
        blocking = carried / (busy + carried)
    return blocking


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
    servers = count("servers", servers, 1)
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


def garnett(beta: float, abandonment_ratio: float) -> float:
    """Limit of the probability of waiting in M/M/c+M as c grows with c = a + beta sqrt(a).

    Formula: [1 + sqrt(r) h(beta / sqrt(r)) / h(-beta)]^-1, h(x) = phi(x) / (1 - Phi(x)) the normal hazard rate.

    Args:
        beta: square-root staffing coefficient, of either sign, no unit.
        abandonment_ratio: r = abandonment rate / service rate, no unit.

    Returns:
        Probability of waiting.

    Raises:
        ValueError: beta is not finite or abandonment_ratio is not positive and finite.

    Source: Garnett, Mandelbaum and Reiman (2002), M&SOM 4(3), the limit of rationalised staffing.
    """
    from scipy.special import expit, log_ndtr

    beta = number("beta", beta, "a finite number")
    root = math.sqrt(positive("abandonment_ratio", abandonment_ratio))

    def log_hazard(x: float) -> float:
        return -x * x / 2 - math.log(2 * math.pi) / 2 - float(log_ndtr(-x))

    return float(expit(log_hazard(-beta) - math.log(root) - log_hazard(beta / root)))
