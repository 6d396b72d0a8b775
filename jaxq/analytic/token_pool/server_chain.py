"""One server of the token-based resource-pooling mechanism, and the pool's closed forms.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Lemma 4.2, Sections 2.1, 6.1 and 7, Appendices B and C.
Notation: rho = lambda / mu the server's utilisation, phi the probability that an offered capacity unit earns a token,
C the token cap, q the own queue, s the tokens. A server's state (q, s) does not depend on the pool.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.markov.banded import stationary
from jaxq.checks import FieldError, integer, nonnegative, positive, probability

_EPS = float(np.finfo(np.float64).eps)


def switching_wait(rho: float, threshold: int) -> float:
    """Wait in the pool from which a server holds back one job more before it asks for help.

    Formula: m(z) = [z - sum_{i=1}^z rho^i] / (1 - rho).

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        threshold: z, jobs, 0 or more.

    Returns:
        m(z), in mean service times.

    Raises:
        ValueError: rho is outside (0, 1) or threshold is no integer of at least 0.

    Source: Chen, Chen and Qian, Section 4.1, above Proposition 4.1.
    """
    rho = probability("rho", rho)
    threshold = integer("threshold", threshold, 0)
    return (threshold - rho * ((1 - rho**threshold) / (1 - rho))) / (1 - rho)


def best_response(rho: float, phi: float, wait: float = 0.0) -> tuple[int, float, float]:
    """Optimal policy of a server in the fluid mean-field problem.

    Formula: let rho^(k+1) <= phi < rho^k (k = 0 for phi >= rho). If wait < m(k): (k, p, 1) with
    p = (phi - rho^(k+1)) / (rho^k - rho^(k+1)). Otherwise (z, 0, rho^(z+1) / phi) with the least z >= k such that
    wait <= m(z+1). Of the two ways to write the policy at phi = rho^j this is the one without mixing; phi within
    rounding of rho^j counts as equal to it.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: expected wait in the pool, in mean service times.

    Returns:
        threshold: a job that finds q >= threshold jobs is routed to the pool.
        mix: probability that a job that finds q = threshold - 1 is routed; below it stays.
        offer: probability that a capacity unit that finds q = 0 is offered.

    Raises:
        ValueError: rho or phi is outside (0, 1), or wait is negative or not finite.

    Source: Chen, Chen and Qian, Lemma 4.2 and Corollary 4.3; the closed end of phi's interval as in Appendix C.1.2.
    """
    rho = probability("rho", rho)
    phi = probability("phi", phi)
    wait = nonnegative("wait", wait)

    # A power written as a product is off by up to one rounding a factor.
    def reaches(power: int) -> bool:
        return phi * (1 + (power + 2) * _EPS) >= rho**power

    def equals(power: int) -> bool:
        return reaches(power) and phi <= rho**power * (1 + (power + 2) * _EPS)

    k = int(math.log(phi) / math.log(rho))
    while k > 0 and reaches(k):
        k -= 1
    while not reaches(k + 1):
        k += 1
    if wait < switching_wait(rho, k):
        mix = 0.0 if equals(k + 1) else (phi / rho**k - rho) / (1 - rho)
        return k, mix, 1.0

    # m grows by at least 1 a step, so the least z lies in [k, k + wait].
    low, high = k, k + math.ceil(wait)
    while low < high:
        middle = (low + high) // 2
        if wait <= switching_wait(rho, middle + 1):
            high = middle
        else:
            low = middle + 1
    return low, 0.0, 1.0 if equals(low + 1) else rho ** (low + 1) / phi


def token_server(
    rho: float, phi: float, token_cap: int | None, wait: float = 0.0, service_rate: float = 1.0
) -> dict[str, float]:
    """Stationary performance of one server under the mean-field policy with at most C tokens.

    Formula: the chain (q, s). A job comes at rate rho mu: routed to the pool if the policy says so and s > 0, which
    costs a token; otherwise it joins the own queue (at s = 0 always). A capacity unit comes at rate mu: it serves the
    own queue if q >= 1; at q = 0 and s < C it is offered with the policy's probability and then earns a token with
    probability phi; at q = 0 and s = C it is wasted. With p_{k+i,0} = rho^i p_{k,0} the chain is finite and is solved
    exactly. Without a cap requests and offers are always allowed and q alone is a birth-death chain.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        token_cap: C, tokens, 1 or more; None for no limits on tokens in either direction.
        wait: expected wait in the pool the policy answers to, time.
        service_rate: mu, capacity units per time.

    Returns:
        own_queue: mean jobs in the own queue.
        request_rate: jobs routed to the pool, 1/time.
        offer_rate: capacity units offered, 1/time; phi times it is the request rate.
        no_tokens: probability of s = 0 (with a cap only).
        full_tokens: probability of s = C (with a cap only).
        tokens: mean tokens (with a cap only).

    Raises:
        ValueError: as `best_response`, or service_rate is not positive and finite, or token_cap is no integer >= 1.

    Source: Chen, Chen and Qian, Section 6.1 and Appendix C.1 with a cap; Appendices B.2.1 and B.3.1 without.
    """
    service_rate = positive("service_rate", service_rate)
    threshold, mix, offer = best_response(rho, phi, nonnegative("wait", wait) * service_rate)
    if token_cap is None:
        return _without_cap(rho, threshold, mix, offer, service_rate)
    token_cap = integer("token_cap", token_cap, 1)

    law = _token_chain(rho, phi, token_cap, threshold, mix, offer)
    jobs = np.arange(threshold + 1)
    # p_{k,0} stands for itself and for the states above it: 1, and mean i, summed against rho^i over i >= 0.
    tail = law[0, threshold] / (1 - rho)
    weights = law.sum(axis=1)
    weights[0] += tail - law[0, threshold]
    total = weights.sum()
    own_queue = law.sum(axis=0) @ jobs + (tail - law[0, threshold]) * threshold + tail * rho / (1 - rho)
    requests = rho * (law[1:, threshold].sum() + (mix * law[1:, threshold - 1].sum() if threshold else 0.0))
    return {
        "own_queue": float(own_queue / total),
        "request_rate": float(service_rate * requests / total),
        "offer_rate": float(service_rate * offer * law[:-1, 0].sum() / total),
        "no_tokens": float(weights[0] / total),
        "full_tokens": float(weights[-1] / total),
        "tokens": float(weights @ np.arange(token_cap + 1) / total),
    }


def _without_cap(rho: float, threshold: int, mix: float, offer: float, service_rate: float) -> dict[str, float]:
    law = rho ** np.arange(threshold + 1, dtype=np.float64)
    law[threshold] *= 1 - mix
    law /= law.sum()
    routed = law[threshold] + (mix * law[threshold - 1] if threshold else 0.0)
    return {
        "own_queue": float(law @ np.arange(threshold + 1)),
        "request_rate": float(service_rate * rho * routed),
        "offer_rate": float(service_rate * offer * law[0]),
    }


def _token_chain(
    rho: float, phi: float, token_cap: int, threshold: int, mix: float, offer: float
) -> Float[np.ndarray, "tokens jobs"]:
    """Law of (s, q) while q <= threshold, shape (token_cap + 1, threshold + 1).

    Time unit 1 / mu. From (threshold, 0) an arrival starts an excursion that comes back to the same state.
    """
    width = threshold + 1
    tokens, jobs = np.divmod(np.arange(width * (token_cap + 1)), width)
    routed = np.where(jobs == threshold, 1.0, np.where(jobs == threshold - 1, mix, 0.0)) * (tokens > 0)
    law = stationary(
        [
            (1, rho * (1 - routed) * (jobs < threshold)),
            (-1, 1.0 * (jobs > 0)),
            (-width, rho * routed),
            (width, offer * phi * ((jobs == 0) & (tokens < token_cap))),
        ]
    )
    return law.reshape(token_cap + 1, width)


def centralised_jobs(arrival_rate: ArrayLike, service_rate: ArrayLike) -> float:
    """Mean jobs in the whole system when a planner pools all servers.

    Formula: rho_c / (1 - rho_c) with rho_c = sum lambda_i / sum mu_i.

    Args:
        arrival_rate: lambda_i, 1/time, one number or shape (N,).
        service_rate: mu_i, 1/time, one number or shape (N,); a lone number goes for each of the N servers.

    Returns:
        Mean jobs in the system.

    Raises:
        ValueError: a rate is not positive and finite, or rho_c >= 1 (no stationary regime).

    Source: Chen, Chen and Qian, Sections 2.1 and 7.
    """
    arrivals, services = np.broadcast_arrays(
        np.asarray(arrival_rate, dtype=np.float64), np.asarray(service_rate, dtype=np.float64)
    )
    for field, rates in (("arrival_rate", arrivals), ("service_rate", services)):
        for rate in rates.flat:
            positive(field, rate)
    load = float(arrivals.sum() / services.sum())
    if load >= 1:
        raise ValueError(f"no stationary regime: total arrival rate / total service rate = {load!r} must be below 1")
    return load / (1 - load)


def pool_queue_unconstrained(phi: float, rho: ArrayLike) -> float:
    """Mean jobs in the shared pool when every server has phi >= rho_i and tokens are unconstrained.

    Formula: phi / (1 - phi): jobs come at rate sum lambda_i and units are offered at rate sum lambda_i / phi.

    Args:
        phi: probability that an offer earns a token, in (0, 1).
        rho: utilisations lambda_i / mu_i, in (0, 1), one number or shape (N,).

    Returns:
        Mean jobs in the pool, which are all the jobs there are.

    Raises:
        ValueError: phi or a rho is outside (0, 1), or a rho is above phi.

    Source: Chen, Chen and Qian, Theorem 5.1(2) and Section 7.
    """
    phi = probability("phi", phi)
    for utilisation in np.asarray(rho, dtype=np.float64).flat:
        if probability("rho", utilisation) > phi:
            raise FieldError("rho", utilisation, f"must be at most phi = {phi}")
    return phi / (1 - phi)
