"""Fluid mean-field equilibria and costs of a market, for `jaxq theory`."""

import numpy as np

from jaxq.analytic.token_pool import best_response, heterogeneous, mean_field_equilibrium, server_chain
from jaxq.analytic.token_pool.cap import cap_constants, cap_differences
from jaxq.engine.reference import Statement

PHASES, PRODUCTS = 70, 60
"""Sizes up to which the wait that a threshold induces is worked out: two seconds for all thresholds."""
_FIXED_POINTS = "Sections 3.2 and 4.2"


def of_alike(servers, arrival_rate, service_rate, phi, cap, wait, processing_cost) -> dict[str, Statement]:
    """Servers of one arrival and one service rate: equilibria, least N, rates, own queue, costs, effect of the cap."""
    n, mu, phi, c = int(servers), float(service_rate), float(phi), float(processing_cost)
    rho, anticipated = float(arrival_rate) / mu, float(wait) * mu
    found = _response(rho, phi, anticipated, mu) | _equilibria(n, rho, phi, mu)
    try:
        found["minimum_servers"] = Statement(
            mean_field_equilibrium.minimum_servers(rho, phi),
            "least N whose induced wait is within a mean service time",
            "Section 4.2.2",
        )
    except ValueError as error:
        found["minimum_servers"] = Statement("not known", str(error), "Section 4.2.2")
    requests, offers = mean_field_equilibrium.fluid_rates(rho, phi)
    cost = mu * c
    program = best_response.fluid_best_response_lp(rho, phi, anticipated, cost).cost
    found |= {
        "request_rate": Statement(
            mu * requests, "R, requests per server, tokens unconstrained, w small, 1/time", "Section 5"
        ),
        "offer_rate": Statement(
            mu * offers, "P, offers per server, tokens unconstrained, w small, 1/time", "Section 5"
        ),
        "fluid_queue": Statement(
            mean_field_equilibrium.fluid_queue(rho, phi), "q(phi), own queue per server, jobs", "Eq. (11)"
        ),
        "tuned_phi": Statement(rho, "phi with the fewest jobs in a large market", "Theorem 5.2"),
        "fluid_cost": Statement(
            mean_field_equilibrium.fluid_cost(rho, phi, anticipated, cost),
            "cost of a server that answers to the anticipated wait, per time",
            "Eqs. (12), (25)",
        ),
        "fluid_program": Statement(program, "the same by the linear program, without Lemma 4.2", "LP (3)"),
        "planner_cost": Statement(
            mean_field_equilibrium.centralised_cost(n, rho, cost),
            "V_c(N), cost of a server under central control",
            "Section 2.1",
        ),
        "alone_cost": Statement(
            mean_field_equilibrium.centralised_cost(1, rho, cost), "V_1, cost of a server by itself", "Section 2.1"
        ),
    }
    return found if cap is None else found | _of_cap(rho, phi, int(cap), mu)


def of_unlike(servers, arrival_rate, service_rate, phi, cap, wait, processing_cost) -> dict[str, Statement]:
    """Servers of several kinds: each kind's response, complete pooling and whether it is an equilibrium, Section 7."""
    arrivals, services = (np.broadcast_to(np.asarray(x, float), int(servers)) for x in (arrival_rate, service_rate))
    kinds, counts = np.unique(np.stack([arrivals, services]), axis=1, return_counts=True)
    phi, rho = float(phi), arrivals / services
    found: dict[str, Statement] = {}
    for i, (arrival, service) in enumerate(kinds.T, 1):
        _, answer = next(iter(_response(arrival / service, phi, float(wait) * service, service).items()))
        about = f"{counts[i - 1]} of rates {arrival:g} and {service:g}: {answer.meaning}"
        found[f"response_{i}"] = answer._replace(meaning=about)
    if np.all(rho <= phi * (1 + 1e-12)):
        pool = phi / (1 - phi)
        induced = pool / arrivals.sum()
        holds = bool(induced * services.max() <= 1 + 1e-12)
        source = "Section 7"
        found |= {
            "pooling_wait": Statement(induced, "wait in the pool under complete pooling, tokens unconstrained", source),
            "pooling_is_equilibrium": Statement(
                holds, "that wait is within a mean service time of every server", source
            ),
            "minimum_copies": Statement(
                max(1, int(np.ceil(induced * services.max() * (1 - 1e-12)))),
                "copies of these servers in one market, at least, for that",
                "Section 4.2.2",
            ),
        }
    else:
        below = f"phi = {phi:g} is below the utilisation {rho.max():g}"
        found["pooling_wait"] = Statement("not in closed form", f"{below} of a server, which keeps jobs", "Section 7")
    found["equilibria"] = Statement(
        "not looked for",
        "H(w) is a map of one threshold where servers are alike; unlike ones have one each",
        "Section 3.2",
    )
    central = server_chain.centralised_jobs(arrivals, services)
    largest = float(rho.max())
    return found | {
        "tuned_phi": Statement(largest, "the largest utilisation", "Theorem 7.1"),
        "congestion": Statement(
            largest / (1 - largest) / central, "jobs at that phi over those under central control", "Theorem 7.1"
        ),
        "congestion_bound": Statement(
            heterogeneous.congestion_bound(arrivals, services), "what that is at most", "Theorem 7.1"
        ),
        "deviation_bound": Statement(
            heterogeneous.deviation_bound(arrivals, services),
            "what a server pays beyond its processing cost at that phi, at most",
            "Theorem 7.2(1)",
        ),
    }


def of_best_response(servers, arrival_rate, service_rate, phi, cap, wait, processing_cost) -> dict[str, Statement]:
    """The first server's best response to the others: V_OPT, V_CRP and the gap."""
    arrivals, services = (np.broadcast_to(np.asarray(x, float), int(servers)) for x in (arrival_rate, service_rate))
    limit = None if cap is None else int(cap)
    best = best_response.best_unlike_deviation(
        arrivals, services, float(phi), limit, float(wait), float(processing_cost)
    )
    lower = float(processing_cost * arrivals[0])
    knows = ""
    if limit is not None:
        others = "the queue and tokens of the other" if best.exact else "others are streams, a limit of many servers"
        knows = f"; it knows its tokens; {others}"
    found = {
        "v_opt": Statement(best.optimal, f"cost of the first server's best response, as charged{knows}", "LP (76)"),
        "v_crp": Statement(best.pooling, "its cost if it plays along", "Section 6.3, Theorem 7.2(1)"),
        "gap": Statement(best.gap, "(V_CRP - V_OPT) / V_OPT", "Section 6.3"),
        "processing_only": Statement(
            lower, "c lambda_1, which both tend to at phi >= rho_1 as N and C grow", "Theorem 7.2"
        ),
    }
    if best.token_price is not None:
        found["token_price"] = Statement(best.token_price, "cost that one token more saves it", "LP (76), dual")
    alike = np.ptp(arrivals) == 0 and np.ptp(services) == 0
    if np.all(arrivals <= float(phi) * (1 + 1e-12) * services) and (alike or limit is None):
        bound = heterogeneous.deviation_bound(arrivals, services)
        words = "V_CRP - c lambda_1 is at most"
        if limit is not None:
            bound += cap_constants(float(arrivals[0] / services[0]), float(phi)).own_queue / limit
            words += ", with what the cap adds to the own queue (Lemma 6.2)"
        found["v_crp_bound"] = Statement(bound, words, "Theorem 7.2(1)")
    return found


def _response(rho: float, phi: float, wait: float, mu: float) -> dict[str, Statement]:
    """Lemma 4.2 at the anticipated wait, in mean service times."""
    threshold, mix, offer = server_chain.best_response(rho, phi, wait)
    about = f"threshold, mix, offer of a server that anticipates w = {wait / mu:g}: {_case(rho, phi, wait, threshold)}"
    return {"response": Statement((threshold, mix, offer), about, "Lemma 4.2")}


def _case(rho: float, phi: float, wait: float, threshold: int) -> str:
    k = server_chain.best_response(rho, phi)[0]
    edge = server_chain.switching_wait(rho, k)
    if wait < edge:
        return f"Case One, w < m({k})"
    return f"Case Two, m({threshold}) <= w <= m({threshold + 1})"


def _equilibria(n: int, rho: float, phi: float, mu: float) -> dict[str, Statement]:
    points, complete_to = mean_field_equilibrium.equilibria(n, rho, phi, PHASES, PRODUCTS)
    waits = tuple(one.wait / mu for one in points)
    about = "all w in H(w), tokens unconstrained, time; besides no cooperation (w infinite)"
    if complete_to == 0:
        about = f"w in H(w): servers keep too many jobs (threshold {server_chain.best_response(rho, phi)[0]}) to follow"
    elif np.isfinite(complete_to):
        about = f"w in H(w) up to {complete_to / mu:.6g}, tokens unconstrained, time; longer ones are not looked for"
    found = {"equilibria": Statement(waits or ("not known" if complete_to == 0 else "none"), about, _FIXED_POINTS)}
    for i, one in enumerate(points, 1):
        error = f" +- {one.error / mu:.1g}" if one.error else ""
        about = f"threshold, mix, offer at w = {one.wait / mu:.9g}{error}: {_case_of(one, rho, phi)}; pool"
        found[f"equilibrium_{i}"] = Statement(
            (one.threshold, one.mix, one.offer), f"{about} {one.pool_queue:.6g} jobs", "Lemma 4.2"
        )
    return found


def _case_of(one: mean_field_equilibrium.Equilibrium, rho: float, phi: float) -> str:
    at_edge = one.mix > 0 and one.wait == server_chain.switching_wait(rho, one.threshold)
    mixed = f"w = m({one.threshold}), where policies on both sides are optimal and mixed"
    return mixed if at_edge else _case(rho, phi, one.wait, one.threshold)


def _of_cap(rho: float, phi: float, cap: int, mu: float) -> dict[str, Statement]:
    constants, values = cap_constants(rho, phi), cap_differences(rho, phi, cap)
    about = {
        "limits": ("P[S = 0] + P[S = C]", "Lemma 6.1", 1.0),
        "own_queue": ("own queue, capped less unconstrained, jobs", "Lemma 6.2", 1.0),
        "request_rate": ("request rate, unconstrained less capped", "Lemma 6.2", mu),
        "offer_rate": ("offer rate, unconstrained less capped", "Lemma 6.2", mu),
    }
    return {
        f"cap_{name}": Statement(
            scale * getattr(values, name),
            f"{words}; at most M / C = {scale * getattr(constants, name) / cap:.6g}",
            source,
        )
        for name, (words, source, scale) in about.items()
    }
