"""Fluid mean-field equilibria of the token-based resource-pooling mechanism, homogeneous servers.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Sections 2.1, 3.2, 4.2 and 5, Appendix B.
Notation as in `jaxq.analytic.token_pool.server_chain`; time unit 1 / mu, rates per server, holding cost 1 per job and time.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxq.analytic.token_pool.modes import pool_queue_estimate
from jaxq.analytic.token_pool.pool_queue import policy_pool_queue
from jaxq.analytic.token_pool.server_chain import best_response, switching_wait
from jaxq.checks import FieldError, integer, nonnegative, positive, probability

_EPS = float(np.finfo(np.float64).eps)
_GRID = 6
_PRODUCTS = 300
"""Of modes, that the pool's mean is expanded in: a second or so."""
_CLEAR = 2.0
"""Errors by which a wait must be above or below one that it is compared with."""


class Equilibrium(NamedTuple):
    """A wait in the pool together with a policy that is optimal for it and brings it about.

    Attributes:
        wait: w, in mean service times.
        threshold: a job that finds q >= threshold jobs is routed to the pool.
        mix: probability that a job that finds q = threshold - 1 is routed.
        offer: probability that a capacity unit that finds q = 0 is offered.
        pool_queue: E[Q_0], jobs.
        error: estimated error of the wait that the policy brings about, 0 where the chain of all phases was solved.
    """

    wait: float
    threshold: int
    mix: float
    offer: float
    pool_queue: float
    error: float = 0.0


def fluid_queue(rho: float, phi: float) -> float:
    """Mean own queue of a server in the fluid mean-field problem, the limit of jobs per server for many servers.

    Formula: q(phi) = max_k [k - m(k) (1 - rho) / (1 - phi)], reached at the k of `best_response`; 0 for phi >= rho.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).

    Returns:
        Mean jobs in the own queue.

    Raises:
        ValueError: rho or phi is outside (0, 1).

    Source: Chen, Chen and Qian, Eq. (11); Theorem 5.1(1).
    """
    k, _, _ = best_response(rho, phi)
    return max(0.0, k - switching_wait(rho, k) * (1 - rho) / (1 - phi))


def fluid_rates(rho: float, phi: float) -> tuple[float, float]:
    """Rates of requesting and offering help in the fluid mean-field problem.

    Formula: P = (1 - rho) / (1 - phi) for phi <= rho, rho / phi for phi >= rho (the lesser of the two); R = phi P.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).

    Returns:
        R and P, per server and mean service time.

    Raises:
        ValueError: rho or phi is outside (0, 1).

    Source: Chen, Chen and Qian, Section 5 and Figure 1a.
    """
    rho = probability("rho", rho)
    phi = probability("phi", phi)
    if phi >= rho:
        return rho, rho / phi
    offers = (1 - rho) / (1 - phi)
    return phi * offers, offers


def fluid_cost(rho: float, phi: float, wait: float = 0.0, processing_cost: float = 0.0) -> float:
    """Optimal cost of a server in the fluid mean-field problem, per mean service time.

    Formula: E[q] + R w + c rho of the policy of `best_response`: (1 + rho) times Eq. (12) where it offers every unit
    at q = 0, (1 + rho) times Eq. (25) otherwise. At w = c = 0 it is `fluid_queue`.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: expected wait in the pool, in mean service times.
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        Cost per mean service time.

    Raises:
        ValueError: as `best_response`, or processing_cost is negative or not finite.

    Source: Chen, Chen and Qian, Eqs. (2), (12) and (25).
    """
    threshold, mix, _ = best_response(rho, phi, wait)
    queue, requests = _own_queue(rho, threshold, mix)
    return queue + requests * float(wait) + nonnegative("processing_cost", processing_cost) * rho


def centralised_cost(servers: int, rho: float, processing_cost: float = 1.0) -> float:
    """Cost of a server when a planner pools all servers, per mean service time.

    Formula: V_c(N) = rho / ((1 - rho) N) + c rho; V_1 = V_c(1) is the cost of a server on its own.

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        Cost per mean service time.

    Raises:
        ValueError: servers is no integer of at least 1, rho is outside (0, 1) or processing_cost is negative.

    Source: Chen, Chen and Qian, Section 2.1.
    """
    servers = integer("servers", servers, 1)
    rho = probability("rho", rho)
    return rho / ((1 - rho) * servers) + nonnegative("processing_cost", processing_cost) * rho


def induced_wait(servers: int, rho: float, phi: float, wait: float = 0.0) -> tuple[float, float]:
    """Wait in the pool when all servers play a policy that is optimal for an anticipated wait: the ends of H(w).

    Formula: E[Q_0] / (N times the request rate). The optimal policy is unique but at w = m(z), z >= k; there the
    mixtures of the policies optimal below and above w induce all waits between the two numbers.

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: w, anticipated wait in the pool, in mean service times; `switching_wait` gives the m(z) met exactly.

    Returns:
        The waits under the policies optimal just below and just above w, in mean service times; equal if w is no m(z).

    Raises:
        ValueError: as `best_response` and `policy_pool_queue`.

    Source: Chen, Chen and Qian, Section 3.2 (the mapping H), Lemma 4.2 and Appendix B.4.
    """
    servers = integer("servers", servers, 1)
    wait = nonnegative("wait", wait)
    k, p, _ = best_response(rho, phi)
    z, _, _ = best_response(rho, phi, wait)
    for jump in range(max(z, 1), z + 2):
        if wait == switching_wait(rho, jump):
            most = p if jump == k else 1.0
            return _induced(servers, rho, phi, jump, most)[0], _induced(servers, rho, phi, jump, 0.0)[0]
    induced = _induced(servers, rho, phi, z, p if wait < switching_wait(rho, k) else 0.0)[0]
    return induced, induced


def equilibria(
    servers: int, rho: float, phi: float, phases: int = 400, products: int = 0
) -> tuple[list[Equilibrium], float]:
    """Fluid mean-field equilibria with a finite wait: all w in H(w).

    Formula: between the waits m(z) the induced wait is one number, compared with the interval. At w = m(z), z >= k,
    the optimal policies are those with threshold z, mix from 0 to that of the policy below m(z), and the offering
    probability that balances the tokens; each sign change of the induced wait minus m(z) over the mix (on a grid of
    six) is an equilibrium. Nothing is left to find above threshold z once, for all y >= z,
    phi / (1 - phi) / (N times the request rate of threshold y) > m(y + 1): the pool's mean is at least phi / (1 - phi).

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        phases: thresholds z with comb(N + z, z) up to it are examined by the chain of all phases, 1 to 2000.
        products: the others by `pool_queue_estimate` of order 2 or more with comb(z + order, order) up to it, in a time
            that does not depend on N; 0: they are not examined. An equilibrium may be missed or invented where the
            induced wait is within the error of the end of an interval.

    Returns:
        equilibria: by increasing wait; empty if there is none. No cooperation (w infinite) always is one and is not
            listed.
        complete_to: all equilibria with a wait below it are listed; infinite if there are no others.

    Raises:
        ValueError: as `best_response`, servers or phases is no integer of at least 1, products none of at least 0.

    Source: Chen, Chen and Qian, Sections 3.2 and 4.2, Lemma 4.2, Appendix B.4. The bound, proved for modulated arrivals
    and used here for modulated arrivals and units: Baeuerle and Rolski (1998), Journal of Applied Probability 35(3).
    """
    from scipy.optimize import brentq

    servers = integer("servers", servers, 1)
    phases, products = min(integer("phases", phases, 1), 2000), integer("products", products, 0)
    k, p, _ = best_response(rho, phi)
    found: list[Equilibrium] = []

    def induced(threshold: int, mix: float) -> tuple[float, float, float, float]:
        return _induced(servers, rho, phi, threshold, mix, _order(servers, threshold, phases, products))

    def examined(threshold: int) -> bool:
        order = _order(servers, threshold, phases, products)
        return order is None or order > 1

    def consider(threshold: int, mix: float, low: float, high: float) -> None:
        wait, offer, pool, error = induced(threshold, mix)
        # A wait on the border of its interval may miss it by rounding: as the closed conditions of the paper are meant.
        slack = 8 * _EPS * high / min(1 - rho, 1 - phi)
        if low - slack <= wait <= high + slack and not any(abs(wait - other.wait) <= slack for other in found):
            found.append(Equilibrium(wait, threshold, mix, offer, pool, error))

    if k and p > 0 and examined(k):
        consider(k, p, 0.0, switching_wait(rho, k))
    z = k
    while examined(z):
        low, high = switching_wait(rho, z), switching_wait(rho, z + 1)
        most = p if z == k else 1.0
        if z and most > 0:

            def excess(mix: float, z: int = z, low: float = low) -> float:
                return induced(z, mix)[0] - low

            mixes = np.linspace(most, 0.0, _GRID)
            gaps = [excess(mix) for mix in mixes]
            for first, second, before, after in zip(mixes, mixes[1:], gaps, gaps[1:], strict=False):
                if before * after < 0:
                    mix: Any = brentq(excess, second, first, xtol=1e-12)
                    found.append(Equilibrium(low, z, mix, *induced(z, mix)[1:]))
        consider(z, 0.0, 0.0 if z == k and not p else low, high)
        if _none_above(servers, rho, phi, z):
            return sorted(found), math.inf
        z += 1
    return sorted(found), switching_wait(rho, z) if z > k else 0.0


def minimum_servers(rho: float, phi: float, wait: float = 1.0) -> int:
    """Least number of servers for which the policy answering to small waits induces a wait of at most `wait`.

    Formula: phi >= rho: the ceiling of phi / ((1 - phi) rho wait), which is 1 / (1 - rho) for phi = rho and wait = 1; a
    value within rounding of an integer counts as that integer. phi < rho: by bisection on the induced wait, which falls
    with N and is at least 1 / ((1 - rho) N). It is that of `pool_queue_estimate`, of higher and higher order until N and
    N - 1 are on the two sides of `wait` by twice the error.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: longest wait allowed, in mean service times; 1 is the condition of Corollary 4.3, for phi < rho the policy
            stays optimal up to m(k).

    Returns:
        N.

    Raises:
        ValueError: rho or phi is outside (0, 1), wait is not positive, or the wait of two neighbouring N is not known
            finely enough to tell them apart, as a server keeps many jobs (phi far below rho): the message has a bound.

    Source: Chen, Chen and Qian, Section 4.2.2.
    """
    wait = positive("wait", wait)
    k, mix, offer = best_response(rho, phi)
    if k == 0 and mix == 0.0:
        ratio = phi / ((1 - phi) * rho * wait)
        return max(1, math.ceil(ratio * (1 - 4 * _EPS / (1 - phi))))
    if mix == 1.0:
        k, mix = k - 1, 0.0
    requests = _own_queue(rho, k, mix)[1]

    @functools.cache
    def excess(servers: int, order: int) -> tuple[float, float]:
        """Induced wait minus `wait`, and the error that it must exceed to have its sign."""
        pool, error = pool_queue_estimate(servers, rho, k, mix, offer, order)
        return pool / (servers * requests) - wait * (1 + 1e-12), _CLEAR * error / (servers * requests)

    low = max(0, math.ceil((1 - 1e-12) / ((1 - rho) * wait)) - 1)
    last = next(order for order in range(1, _PRODUCTS + 1) if math.comb(k + order + 1, order + 1) > _PRODUCTS)
    least = _first(lambda n: excess(n, 1)[0] <= 0, low, 2 * low + 1) if last > 1 else 0
    for order in range(2, last + 1):
        while excess(least, order)[0] > 0:
            least += 1
        while least - 1 > low and excess(least - 1, order)[0] <= 0:
            least -= 1
        if all(abs(over) >= error for over, error in (excess(n, order) for n in (least - 1, least) if n > low)):
            return least
    raise FieldError(
        "phi",
        f"{phi} with rho = {rho}",
        f"servers keep up to k = {k} jobs before they ask for help (phi is in [rho^{k + 1}, rho^{k})), "
        "and the joint law of such queues cannot be followed finely enough to tell at which "
        f"number of servers the wait in the pool passes {wait:g}; at least {low + 1} are needed, "
        "as it is at least 1 / ((1 - rho) N)",
    )


def _first(enough: Callable[[int], bool], low: int, high: int) -> int:
    """The least n above ``low`` with ``enough(n)``, which stays true; ``high``, above ``low``, is where to begin."""
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _own_queue(rho: float, threshold: int, mix: float) -> tuple[float, float]:
    """Mean own queue and request rate of a threshold policy without limits on tokens."""
    law = rho ** np.arange(threshold + 1, dtype=np.float64)
    if threshold:
        law[threshold] *= 1 - mix
    law /= law.sum()
    routed = law[threshold] + (mix * law[threshold - 1] if threshold else 0.0)
    return float(law @ np.arange(threshold + 1)), float(rho * routed)


def _order(servers: int, threshold: int, phases: int, products: int) -> int | None:
    """The order of the expansion that a threshold is examined by; None: by the chain of all phases."""
    if math.comb(servers + threshold, threshold) <= phases:
        return None
    order = 1
    while order < servers and math.comb(threshold + order + 1, order + 1) <= products:
        order += 1
    return order


@functools.lru_cache(maxsize=256)
def _induced(
    servers: int, rho: float, phi: float, threshold: int, mix: float, order: int | None = None
) -> tuple[float, float, float, float]:
    """Induced wait, offering probability that balances the tokens, E[Q_0] of a threshold policy, error of the wait.

    ``order``: of the expansion in modes; None: the chain of all phases.
    """
    if mix == 1.0:
        threshold, mix = threshold - 1, 0.0
    offer = min(1.0, rho**threshold * (rho + mix * (1 - rho)) / phi)
    requests, error = servers * _own_queue(rho, threshold, mix)[1], 0.0
    if threshold == 0:
        pool = phi / (1 - phi)
    elif order is None:
        pool = policy_pool_queue(servers, rho, threshold, mix, offer)
    else:
        pool, error = pool_queue_estimate(servers, rho, threshold, mix, offer, order)
    return pool / requests, offer, pool, error / requests


def _none_above(servers: int, rho: float, phi: float, threshold: int) -> bool:
    """Whether at every threshold y >= `threshold` the least possible wait is above m(y + 1)."""
    scale = phi / ((1 - phi) * servers * (1 - rho))
    y = threshold
    while scale * (rho ** -(y + 1) - 1) > switching_wait(rho, y + 1):
        # m(y + 1) grows by less than 1 / (1 - rho) a step, the bound by more and more.
        if scale * rho ** -(y + 2) * (1 - rho) >= 1 / (1 - rho):
            return True
        y += 1
    return False
