"""What is known of the token mechanism without simulating it: exact chains, identities, closed forms and bounds."""

import functools
import math

import numpy as np

from jaxq.analytic.token_pool import best_response, heterogeneous, pool_queue, server_chain
from jaxq.engine.reference import Reference

MOST_PHASES = 150
"""Phases of the servers' queues, and states of the chain with tokens, up to which E[Q_0] is solved for beside a run."""
MOST_STATES = 20_000


def token_pool(servers, arrival_rate, service_rate, phi, token_cap, wait, processing_cost) -> dict[str, Reference]:
    """References of the metrics of `TokenPool` when every server plays Lemma 4.2.

    Servers' states do not depend on the pool, so every per-server mean is that of the one-server chain (Appendix C), or
    its average over unlike servers. ``P[pool non-empty | offer] = phi`` for every N and C (Remark 3.1: tokens and pool
    balance). The pool itself is known in closed form with unconstrained tokens and phi >= rho_i (Section 7) and for one
    server with phi <= rho (total jobs rho/(1 - rho), every C), and from the exact chain of alike servers where that is
    small.
    """
    servers, phi = int(servers), float(phi)
    arrivals, services = _rates(servers, arrival_rate, service_rate)
    kinds, counts = np.unique(np.stack([arrivals, services]), axis=1, return_counts=True)
    means: dict[str, float] = {}
    for (arrival, service), count in zip(kinds.T, counts, strict=True):
        one = server_chain.token_server(arrival / service, phi, token_cap, wait, service)
        for name, value in one.items():
            means[name] = means.get(name, 0.0) + value * count / servers
    found = {name: Reference(value) for name, value in means.items()}
    found["pool_busy_on_offer"] = Reference(phi, "identity")
    rho = arrivals / services
    pool = None
    if servers == 1 and phi <= rho[0] and server_chain.best_response(rho[0], phi, wait * services[0])[2] == 1:
        pool = server_chain.centralised_jobs(arrivals, services) - means["own_queue"]
    elif token_cap is None and np.all(rho <= phi) and wait <= 1 / services.max():
        pool = server_chain.pool_queue_unconstrained(phi, rho)
    elif len(counts) == 1:
        pool = _pool_queue(servers, float(rho[0]), phi, token_cap, float(wait * services[0]))
    if pool is not None:
        total = pool + servers * means["own_queue"]
        found["total_jobs"] = Reference(total)
        found["pool_queue"] = Reference(pool)
        found["pool_wait"] = Reference(pool / (servers * means["request_rate"]))
        found["cost"] = Reference((total + processing_cost * arrivals.sum()) / servers)
    return found


def by_kind(kinds, servers, arrival_rate, service_rate, phi, token_cap, wait, processing_cost) -> dict[str, Reference]:
    """References by kind of server under complete pooling: processing cost c lambda_i, and with the wait of its jobs
    (Section 7). With a token cap they hold in the limit of a large one."""
    arrivals, services = _rates(int(servers), arrival_rate, service_rate)
    if np.any(arrivals > services * phi) or wait > 1 / services.max():
        return {}
    kind = "exact" if token_cap is None else "limit"
    pool = server_chain.pool_queue_unconstrained(phi, arrivals / services) / arrivals.sum()
    found = {}
    for i, (arrival, service) in enumerate(kinds[0], 1):
        paid = float(heterogeneous.processing_costs(arrival, service, processing_cost).mechanism[0])
        found[f"processing_cost_{i}"] = Reference(paid, kind)
        found[f"cost_{i}"] = Reference(paid + arrival * pool, kind)
    return found


def deviation(
    deviator, servers, arrival_rate, service_rate, phi, token_cap, wait, processing_cost
) -> dict[str, Reference]:
    """References where the first server plays ``deviator`` and the others Lemma 4.2. By the account of LP (76) its optimal
    policy costs V_OPT: exactly, if the others pool completely and tokens are unconstrained (Sections 6.3 and 7), or if
    there is one other server and few tokens; else in the limit of many servers. Where it pools completely too its jobs
    wait as long as all others'."""
    arrivals, services = _rates(int(servers), arrival_rate, service_rate)
    phi, c = float(phi), float(processing_cost)
    pooling = arrivals <= phi * (1 + 1e-12) * services
    exact = token_cap is None and bool(np.all(pooling[1:])) and wait <= 1 / services[1:].max()
    if deviator == "optimal":
        cap = None if token_cap is None else int(token_cap)
        best = best_response.best_unlike_deviation(arrivals, services, phi, cap, float(wait), c)
        return {"deviator_charged_cost": Reference(best.optimal, "exact" if best.exact else "limit")}
    if deviator == "mean-field" and exact and pooling[0] and wait <= 1 / services[0]:
        pool = phi / (1 - phi)
        costs = c * arrivals + arrivals / arrivals.sum() * pool
        return {
            "deviator_charged_cost": Reference(c * arrivals[0] + arrivals[0] / services.sum() / (1 - phi)),
            "deviator_cost": Reference(float(costs[0])),
            "others_cost": Reference(float(costs[1:].mean())),
            "cost": Reference(float(costs.mean())),
            "own_queue": Reference(0.0),
            "deviator_own_queue": Reference(0.0),
            "pool_queue": Reference(pool),
            "total_jobs": Reference(pool),
        }
    return {}


@functools.lru_cache(maxsize=256)
def _pool_queue(servers: int, rho: float, phi: float, token_cap: int | None, wait: float) -> float | None:
    """E[Q_0] of alike servers from their exact chain; None where it is large."""
    threshold = server_chain.best_response(rho, phi, wait)[0]
    if token_cap is None:
        small = math.comb(servers + threshold, threshold) <= MOST_PHASES
        return pool_queue.pool_queue(servers, rho, phi, wait) if small else None
    try:
        return pool_queue.capped_pool_queue(servers, rho, phi, int(token_cap), wait, most_states=MOST_STATES)
    except ValueError:
        return None


def _rates(servers: int, arrival_rate, service_rate) -> tuple[np.ndarray, np.ndarray]:
    arrivals, services = (np.broadcast_to(np.asarray(x, float), servers) for x in (arrival_rate, service_rate))
    return arrivals, services
