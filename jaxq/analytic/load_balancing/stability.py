"""Whether a dispatching policy keeps parallel queues stable, by formula."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxq.analytic.load_balancing.policies import Policy, weights_of
from jaxq.analytic.load_balancing.pools import pools
from jaxq.checks import FieldError, positive

_MOST_TYPES = 12


class Drift(NamedTuple):
    """The set of types that fills fastest once it is long.

    types: indices j from 0.
    drift: growth of its jobs while all its queues are longer than all others, 1/time.
    stable: drift < 0; at drift 0 the system is not positive recurrent.
    """

    types: tuple[int, ...]
    drift: float
    stable: bool


def worst_drift(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int], policy: Policy) -> Drift:
    """Stability verdict for a policy that draws servers and never picks a longer queue of the same speed.

    Formula: over the sets A of types, the largest of Lambda P(all drawn servers are in A) - sum_{j in A} mu_j N_j. The
    chance is (W_A / W)^d for draws with weights, C(N_A, d) / C(n, d) for distinct ones, and that of A being everything
    if all servers are looked at. Sets with part of a type are never worse (the chance is convex in the part).

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        policy: see `Policy`.

    Returns:
        See `Drift`.

    Raises:
        ValueError: an argument is out of its range, there are more than 12 types, or the policy tells busy servers
            not apart by their queues (JIQ) and draws more than one: its chance to find an idle server then decides,
            and no formula is known.

    Source: Foss and Chernova (1998), Queueing Systems 29, 55-73; Bramson (2011), Annals of Applied Probability 21(5).
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    if rates.size > _MOST_TYPES:
        raise ValueError(f"service_rates has {rates.size} types: at most {_MOST_TYPES}")
    weights = np.array(weights_of(policy, rates.size)) * counts
    if policy.draws != 1 and any(policy.rank(2, rate) <= policy.rank(1, rate) for rate in rates.tolist()):
        raise FieldError("policy", policy, "its rank must grow with the jobs at a busy server")
    n = int(counts.sum())
    if policy.distinct and policy.draws is not None and policy.draws > n:
        raise FieldError("draws", policy.draws, f"must be at most the {n} servers")

    worst, found = (), -math.inf
    for subset in range(1, 2**rates.size):
        chosen = [j for j in range(rates.size) if subset >> j & 1]
        number = int(counts[chosen].sum())
        if len(chosen) == rates.size:
            chance = 1.0
        elif policy.draws is None:
            chance = 0.0
        elif policy.distinct:
            chance = math.prod((number - i) / (n - i) for i in range(policy.draws)) if number >= policy.draws else 0.0
        else:
            chance = float(weights[chosen].sum() / weights.sum()) ** policy.draws
        drift = arrival_rate * chance - float((rates * counts)[chosen].sum())
        if drift > found:
            worst, found = tuple(chosen), drift
    return Drift(worst, found, found < 0)
