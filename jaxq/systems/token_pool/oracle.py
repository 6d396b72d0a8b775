"""What is known of the token mechanism without simulating it: the one-server token chain, and exact identities."""

import numpy as np

from jaxq.analytic import token_chain
from jaxq.engine.system import Reference


def token_pool(servers, arrival_rate, service_rate, phi, token_cap, wait, processing_cost) -> dict[str, Reference]:
    """References of the metrics of `TokenPool` when every server plays Lemma 4.2.

    Servers' states do not depend on the pool, so every per-server mean is that of the one-server chain (Appendix C), or
    its average over unlike servers. ``P[pool non-empty | offer] = phi`` for every N and C (Remark 3.1: tokens and pool
    balance). The pool itself is known where the paper has a closed form: with unconstrained tokens and phi >= rho_i
    (Section 7), and for one server with phi <= rho (total jobs rho/(1 - rho), every C).
    """
    servers, phi = int(servers), float(phi)
    arrivals = np.broadcast_to(np.asarray(arrival_rate, float), servers)
    services = np.broadcast_to(np.asarray(service_rate, float), servers)
    kinds, counts = np.unique(np.stack([arrivals, services]), axis=1, return_counts=True)
    means: dict[str, float] = {}
    for (arrival, service), count in zip(kinds.T, counts, strict=True):
        one = token_chain.token_server(arrival / service, phi, token_cap, wait, service)
        for name, value in one.items():
            means[name] = means.get(name, 0.0) + value * count / servers
    found = {name: Reference(value) for name, value in means.items()}
    found["pool_busy_on_offer"] = Reference(phi, "identity")
    rho = arrivals / services
    total = None
    if servers == 1 and phi <= rho[0] and token_chain.best_response(rho[0], phi, wait * services[0])[2] == 1:
        total = token_chain.centralised_jobs(arrivals, services)
    elif token_cap is None and np.all(rho <= phi) and wait <= 1 / services.max():
        total = token_chain.pool_queue_unconstrained(phi, rho)
    if total is not None:
        pool = total - servers * means["own_queue"]
        found["total_jobs"] = Reference(total)
        found["pool_queue"] = Reference(pool)
        found["pool_wait"] = Reference(pool / (servers * means["request_rate"]))
        found["cost"] = Reference((total + processing_cost * arrivals.sum()) / servers)
    return found
