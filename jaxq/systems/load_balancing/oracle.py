"""What is known of dispatching policies without simulating them: exact laws, identities, limits and bounds."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxq.analytic.load_balancing import (
    dedicated,
    exact,
    in_turn,
    limit,
    mean_field,
    modified,
    policies,
    splitting,
    stability,
)
from jaxq.engine.reference import Reference

MOST_STATES = 3000
"""Sorted states up to which a small system is solved beside a run."""
MOST_SERVERS = 500
"""Servers up to which the modified system is solved for its bound."""


class Control(NamedTuple):
    """A policy and whom it serves, in plain numbers.

    Attributes:
        policy: its name.
        rank: the function that defines it, (jobs, service rate) -> numbers.
        draws: servers drawn, 0 for all of them.
        replacement: whether they are drawn with replacement.
        weights: of one server of each type in a draw, shape (M,), or None.
        arrival_rate: of the whole system, 1/time.
        rates, servers: mu_j, N_j, shape (M,).
        buffer: most jobs at a server of each type, or None.
        gaps: where servers come in turn, how many of each type come with which gaps, jobs from one of a server to its next;
            empty where the cycle is too long to be solved; None where servers are drawn.
    """

    policy: str
    rank: Callable
    draws: int
    replacement: bool
    weights: Any
    arrival_rate: float
    rates: np.ndarray
    servers: np.ndarray
    buffer: tuple[int, ...] | None
    gaps: list[dict[tuple[int, ...], int]] | None

    @property
    def rule(self) -> policies.Policy:
        """How servers are drawn and compared."""
        return policies.drawing(self.rank, self.draws, self.replacement, self.weights)


def load_balancing(given: Control, beta: float | None) -> dict[str, Reference]:
    """References of the metrics of `LoadBalancing`.

    sum mu_j E Q_j1 is the arrival rate under every stable policy (no jobs lost): an identity. Random routing is M/M/1
    at every server, round robin E_n/M/1, another cycle E_k/M/1 with k that repeat themselves. SA-JSQ and JSQ have the
    Halfin-Whitt limit (SA-JSQ, capacity n), the power of d choices its mean field, tiny systems with buffers their exact
    law, and every policy the lower bounds of Section 7.

    Args:
        given: the policy and whom it serves.
        beta: None unless the arrival rate is (1 - beta/sqrt n) x capacity.
    """
    policy, rates, servers, total = given.policy, given.rates, given.servers, float(given.arrival_rate)
    n = int(servers.sum())
    mu, counts = tuple(map(float, rates)), tuple(map(int, servers))
    if policy == "modified":
        found = modified.modified_system(total, mu, counts) if n <= MOST_SERVERS else {}
        names = {"number_in_system": "number_in_system", "waiting_jobs": "waiting", "all_busy": "probability_all_busy"}
        return {ours: Reference(found[theirs]) for ours, theirs in names.items() if theirs in found}
    of_capacity_n = math.isclose(float(rates @ servers), n, rel_tol=1e-9)
    scaled = None if beta is None or not of_capacity_n else float(beta)  # where the paper's limits hold
    if policy == "med-fsf":
        return _dedicated(total, mu, counts, scaled)
    rule = given.rule
    if given.buffer is not None:
        if math.prod(math.comb(m + most, most) for m, most in zip(counts, given.buffer, strict=True)) > MOST_STATES:
            return {}
        law = _small(total, mu, counts, given.buffer, rule)
        names = {"number_in_system": "number_in_system", "waiting_jobs": "waiting", "response_time": "response_time"}
        names |= {"all_busy": "probability_all_busy", "probability_lost": "loss_probability"}
        return {ours: Reference(law[theirs]) for ours, theirs in names.items()}
    found = {"busy_capacity": Reference(total, "identity")}
    jobs = _bound(total, mu, counts)
    found["number_in_system"] = Reference(jobs, "bound")
    found["response_time"] = Reference(jobs / total, "bound")
    if given.gaps is not None:
        found |= _in_turn(given) if given.gaps else {}
    elif given.draws == 1:
        found |= _random(total, rates, servers, given.weights)
    elif given.draws > 1:
        found |= _mean_field(total / n, mu, tuple((servers / n).tolist()), rule, total)
    elif scaled is not None and policy == "sa-jsq":
        found |= _limit(scaled, mu)
    return found


def growth(given: Control) -> float | None:
    """Jobs per time that the worst set of types gains once its queues are long; None where no formula is known."""
    if given.draws == 0:
        return None
    mu, counts = tuple(map(float, given.rates)), tuple(map(int, given.servers))
    return stability.worst_drift(float(given.arrival_rate), mu, counts, given.rule).drift


def _random(total: float, rates: np.ndarray, servers: np.ndarray, weights) -> dict[str, Reference]:
    share = servers * (np.ones(len(rates)) if weights is None else np.asarray(weights))
    share = share / share.sum()
    try:
        time = splitting.split_response_time(total, tuple(rates), tuple(servers), tuple(share))[0]
    except ValueError:
        return {}
    rho = total * share / (servers * rates)
    idle = {f"idle_servers_{j + 1}": float(m * (1 - r)) for j, (m, r) in enumerate(zip(servers, rho, strict=True))}
    found = {
        "response_time": time,
        "number_in_system": total * time,
        "waiting_jobs": total * time - float(servers @ rho),
        "waiting_time": time - float(servers @ rho) / total,
        "all_busy": float(np.prod(rho**servers)),
        "idle_servers": sum(idle.values()),
        "y_1_2": float(servers[0] * rho[0] ** 2) / math.sqrt(servers.sum()),
        **(idle if len(rates) > 1 else {}),
    }
    return {name: Reference(value) for name, value in found.items()}


def _in_turn(given: Control) -> dict[str, Reference]:
    try:
        law = in_turn.servers_in_turn(float(given.arrival_rate), given.rates.tolist(), given.gaps or [])
    except ValueError:
        return {}
    names = ("response_time", "number_in_system", "waiting_jobs", "waiting_time", "idle_servers")
    found = {name: law[name] for name in names}
    if given.rates.size > 1:
        found |= {f"idle_servers_{j + 1}": idle for j, idle in enumerate(law["idle"])}
    found["y_1_2"] = law["two_jobs"][0] / math.sqrt(given.servers.sum())
    return {name: Reference(float(value)) for name, value in found.items()}


@functools.lru_cache(maxsize=64)
def _small(total, mu, counts, buffer, rule) -> dict:
    return exact.small_system(total, mu, counts, buffer, rule)


@functools.lru_cache(maxsize=64)
def _dedicated(total, mu, counts, beta) -> dict[str, Reference]:
    """References of types with a queue each; ``beta`` None: no limit."""
    found = {
        "busy_capacity": Reference(total, "identity"),
        "number_in_system": Reference(modified.pooled_jobs(total, mu, counts), "bound"),
    }
    if beta is not None:
        far = limit.central_queue_limit(beta, mu[-1])
        found |= {"y_plus_1": Reference(far["total"], "limit"), "y_plus_2": Reference(far["waiting"], "limit")}
    load = total / sum(x * m for x, m in zip(mu, counts, strict=True))
    places = dedicated.waiting_room(load, np.array(mu), np.array(counts))
    if math.prod(m + room + 1 for m, room in zip(counts, places, strict=True)) <= MOST_STATES:
        law = dedicated.dedicated_queues(total, mu, counts)
        names = {"number_in_system": "number_in_system", "waiting_jobs": "waiting", "response_time": "response_time"}
        names["all_busy"] = "probability_all_busy"
        found |= {ours: Reference(law[theirs]) for ours, theirs in names.items()}
    return found


@functools.lru_cache(maxsize=64)
def _bound(total, mu, counts) -> float:
    """The larger of the pooled queue's and the modified system's mean jobs."""
    pooled = modified.pooled_jobs(total, mu, counts)
    if sum(counts) > MOST_SERVERS:
        return pooled
    return max(pooled, modified.modified_system(total, mu, counts)["number_in_system"])


@functools.lru_cache(maxsize=64)
def _limit(beta, mu) -> dict[str, Reference]:
    try:
        found = limit.halfin_whitt_limit(beta, mu[0], mu[-1])
    except ValueError:
        return {}
    names = {"y_plus_1": "total", "y_plus_2": "two_jobs"}  # a component is of one type where no other is as fast
    if mu.count(mu[0]) == 1:
        names["y_1_2"] = "two_jobs"
    if mu.count(mu[-1]) == 1:
        names[f"y_{len(mu)}_1"] = "idle"
    return {ours: Reference(found[theirs], "limit") for ours, theirs in names.items()}


@functools.lru_cache(maxsize=64)
def _mean_field(per_server, mu, shares, rule, total) -> dict[str, Reference]:
    try:
        found = mean_field.power_of_d_fixed_point(per_server, mu, shares, rule)
    except ValueError:
        return {}
    time = found["response_time"]
    return {"response_time": Reference(time, "limit"), "number_in_system": Reference(total * time, "limit")}
