"""What the paper, and classical results, say of dispatching to parallel queues, for `jaxq theory`."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxq.analytic.load_balancing import (
    in_turn,
    limit,
    limit_tails,
    mean_field,
    modified,
    splitting,
    stability,
)
from jaxq.analytic.stations.gg1 import gm1
from jaxq.engine.reference import Statement

LEVELS = (0.5, 0.9, 0.99)
FAR = 1000
"""Jobs of a long queue: a policy that does not tell more from as many does not balance."""
MOST_SERVERS = 500
"""Servers up to which the law of the modified system is solved."""
_BRAMSON = "Foss and Chernova (1998); Bramson (2011)"
_LOYNES = "Loynes (1962), Mathematical Proceedings of the Cambridge Philosophical Society 58(3)"
_TEZCAN = "Armony (2005); Tezcan (2008)"


def load_balancing(given: Any) -> dict[str, Statement]:
    """Statements by name; ``given``: a `Control` of the oracle."""
    policy, rates, servers, total = given.policy, given.rates, given.servers, float(given.arrival_rate)
    n, capacity = int(servers.sum()), float(rates @ servers)
    beta = (1 - total / capacity) * math.sqrt(n)
    found = {
        "capacity": Statement(capacity, "sum_j mu_j N_j, 1/time", "Section 2"),
        "arrival_rate": Statement(total, "Lambda, 1/time", "assumption A1"),
        "beta": Statement(beta, "sqrt(n) (1 - Lambda/capacity)", "assumption A1"),
    }
    if policy == "modified" or given.buffer is not None:
        return found | {
            "stability": Statement("stable", "always: jobs that find no room are lost", "finite state space")
        }
    rule = given.rule
    stable, statements = _stability(policy, rule, total, rates, servers, given.gaps is not None)
    found |= statements
    if total >= capacity:
        return found
    if policy == "med-fsf":
        found |= _central(beta, rates, n, capacity)
    elif policy == "sa-jsq" and beta > 0:
        found |= _limit(beta, rates * n / capacity)
    elif given.draws > 1 and stable:
        found |= _mean_field(rule, total, rates, servers)
    if given.gaps is not None and stable:
        found |= _in_turn(total, rates, servers, given.gaps)
    return found | _bounds(policy, total, rates, servers) | _splitting(total, rates, servers)


def _stability(policy, rule, total, rates, servers, cyclic: bool) -> tuple[bool, dict[str, Statement]]:
    capacity = float(rates @ servers)
    if rule.draws is None:
        source = {"sa-jsq": "Bhambay and Mukhopadhyay (2022), cited before Theorem 3.3", "med-fsf": "Tezcan (2008)"}
        condition = "Lambda < sum_j mu_j N_j"
        growth = total - capacity
        if policy != "med-fsf" and rule.rank(FAR, 1.0) == rule.rank(FAR + 1, 1.0) and growth < 0:
            meaning = (
                f"{condition} is necessary; busy servers are not told apart: the chance to find an idle one decides"
            )
            return True, {"stability": Statement("no formula is known", meaning, "Stolyar (2015) for n -> infinity")}
        found = {
            "stability": Statement(_verdict(growth), condition, source.get(policy, "Foss and Chernova (1998)")),
        }
        return growth < 0, found | _growth(growth, range(rates.size), "Lambda - sum_j mu_j N_j")
    worst = stability.worst_drift(total, tuple(rates.tolist()), tuple(servers.tolist()), rule)
    condition = "for every set A of types: Lambda P(all servers drawn are in A) < sum_{j in A} mu_j N_j"
    if cyclic:
        condition = "a server of every type gets fewer jobs per unit of time than mu_j"
    source = _LOYNES if cyclic else "M/M/1 at every server" if rule.draws == 1 else _BRAMSON
    found = {"stability": Statement(_verdict(worst.drift), condition, source)}
    return worst.stable, found | _growth(worst.drift, worst.types, "Lambda P(all drawn in A) - sum_{j in A} mu_j N_j")


def _in_turn(total, rates, servers, gaps) -> dict[str, Statement]:
    source = "Kleinrock (1975), Queueing Systems I, Chapter 6"
    if not gaps:
        return {}
    shown = "; ".join(" or ".join(", ".join(map(str, k)) for k in mine) for mine in gaps)
    found = {"jobs_between": Statement(shown, "jobs of all from one of a server to its next, by type", "the cycle")}
    own = in_turn.servers_in_turn(total, rates.tolist(), gaps)["response_time"]
    found["response_time"] = Statement(own, "mean response time, E_k/M/1 at every server", source)
    if max(map(len, (k for mine in gaps for k in mine))) > 1:
        return found
    every = np.array([next(iter(mine))[0] for mine in gaps])
    fixed = [gm1(total / k, mu, ("deterministic", None))["sojourn_time"] for k, mu in zip(every, rates, strict=True)]
    meaning = "the same with more and more servers of each type, D/M/1"
    return found | {"limit_response_time": Statement(float(servers / every @ fixed), meaning, source)}


def _verdict(growth: float) -> str:
    return "stable" if growth < 0 else "unstable" if growth > 0 else "critical: not positive recurrent"


def _growth(growth: float, types: Iterable[int], formula: str) -> dict[str, Statement]:
    which = ", ".join(str(j + 1) for j in types)
    if growth > 0:
        return {"growth_rate": Statement(growth, f"jobs more per unit of time in types {which}: {formula}", _BRAMSON)}
    meaning = f"least drift inwards, jobs per unit of time, that of types {which}: -({formula})"
    return {"slack": Statement(-growth, meaning, _BRAMSON)}


def _limit(beta: float, rates: np.ndarray) -> dict[str, Statement]:
    """The reflected limit, in the time unit in which the capacity per server is 1."""
    fast, slow = float(rates[0]), float(rates[-1])
    here, law = "Eqs. 3.9-3.10", "stationary law of Eqs. 3.9-3.10 (Theorem 3.4, Corollary 3.5)"
    x, z = f"Y_{{{rates.size},1}}", "Y_{1,2}"
    found = {
        "limit": Statement(
            f"dX = sqrt(2) dW + (-{beta:g} + {fast:g} Z - {slow:g} X) dt - dU, dZ = -{fast:g} Z dt + dU",
            f"X = {x} <= 0, Z = {z} >= 0, U grows at X = 0; time unit: capacity per server 1",
            here,
        )
    }
    try:
        moments = limit.halfin_whitt_limit(beta, fast, slow)
    except ValueError as error:
        mean = Statement(-beta / slow, f"E {x} = -beta/mu_M", law)
        return found | {"limit_idle": mean, "limit_moments": Statement("not known", str(error), law)}
    meanings = {
        "idle": f"E {x} = -beta/mu_M, scaled idle servers of the slowest speed",
        "two_jobs": f"E {z} = E Y_+2, scaled waiting jobs",
        "total": "E Y_+1, scaled jobs less n",
        "idle_variance": f"Var {x}",
        "two_jobs_variance": f"Var {z}",
        "covariance": f"Cov({x}, {z})",
        "total_variance": "Var Y_+1",
        "reflection_rate": f"growth of U per time = mu_1 E {z} = lim sqrt(n) P(all busy)",
    }
    found |= {f"limit_{name}": Statement(moments[name], meaning, law) for name, meaning in meanings.items()}
    quantiles = limit_tails.limit_quantiles(beta, fast, slow, LEVELS)
    shown = ", ".join(f"{p:g}" for p in LEVELS)
    for name, what in (("idle", x), ("two_jobs", f"{z} = Y_+2"), ("total", "Y_+1")):
        values = [round(y, 3) for y in quantiles[name]]
        found[f"limit_{name}_quantiles"] = Statement(values, f"of {what} at {shown}, to some .003", law)
    return found


def _central(beta: float, rates: np.ndarray, n: int, capacity: float) -> dict[str, Statement]:
    slow = float(rates[-1]) * n / capacity
    found = limit.central_queue_limit(beta, slow)
    law = f"dX = sqrt(2) dW - ({beta:g} + {slow:g} min(X, 0)) dt"
    return {
        "limit": Statement(law, "scaled jobs less n where each type has one queue", _TEZCAN),
        "limit_all_busy": Statement(found["probability_all_busy"], "P(X > 0)", _TEZCAN),
        "limit_two_jobs": Statement(found["waiting"], "E X^+, scaled waiting jobs", _TEZCAN),
        "limit_total": Statement(found["total"], "E X, scaled jobs less n", _TEZCAN),
    }


def _mean_field(rule, total, rates, servers) -> dict[str, Statement]:
    n = int(servers.sum())
    source = "Mukhopadhyay and Mazumdar (2016)"
    try:
        found = mean_field.power_of_d_fixed_point(total / n, rates.tolist(), (servers / n).tolist(), rule)
    except ValueError as error:
        return {"mean_field": Statement("none", str(error), source)}
    levels = {
        f"mean_field_levels_{j + 1}": Statement(
            row[:4], f"fraction of type-{j + 1} servers with at least 1, 2, 3, 4 jobs, n -> infinity", source
        )
        for j, row in enumerate(found["levels"])
    }
    return {
        "mean_field_response_time": Statement(found["response_time"], "mean response time, n -> infinity", source),
        "mean_field_types": Statement(found["type_probabilities"], "fraction of the jobs that each type gets", source),
        **levels,
    }


def _bounds(policy, total, rates, servers) -> dict[str, Statement]:
    counts = servers.tolist()
    pooled = modified.pooled_jobs(total, rates.tolist(), counts)
    found = {
        "pooled_response_time": Statement(
            pooled / total,
            "lower bound on the mean response time: one queue, the fastest servers busy",
            "Larsen and Agrawala (1983)",
        )
    }
    if policy == "med-fsf":
        return found
    if sum(counts) > MOST_SERVERS:
        words = f"not solved for more than {MOST_SERVERS} servers"
        return found | {"least_response_time": Statement(words, "lower bound of Section 7", "Proposition 7.1")}
    jobs = modified.modified_system(total, rates.tolist(), counts)["number_in_system"]
    meaning = "lower bound on the mean response time of every policy: jobs of the modified system by Little's law"
    return found | {"least_response_time": Statement(jobs / total, meaning, "Proposition 7.1, Eqs. 3.16, 7.1")}


def _splitting(total, rates, servers) -> dict[str, Statement]:
    shares, time = splitting.optimal_split(total, rates.tolist(), servers.tolist())
    even = splitting.speed_weighted_response_time(total, rates.tolist(), servers.tolist())
    source = "Bell and Stidham (1983)"
    return {
        "best_splitting": Statement(shares, "probabilities of the types under the best random routing", source),
        "best_splitting_response_time": Statement(time, "its mean response time", source),
        "speed_weighted_response_time": Statement(
            even, "of random routing by speed, n/(C - Lambda)", "M/M/1 at every server"
        ),
    }
