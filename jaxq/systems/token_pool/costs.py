"""Who pays what: costs of the kinds of unlike servers, and of a first server that deviates. Holding costs 1 per job and
time, processing c per job."""

import numpy as np


def by_kind(sums, servers: np.ndarray, processing_cost: float, pool_wait) -> dict:
    """Per server of each kind: processing cost, and cost with the holding of its jobs; a request waits ``pool_wait``.

    ``servers``: servers of each kind, shape (K,).
    """
    found = {}
    for i, count in enumerate(servers, 1):
        time = sums.time * float(count)
        processing = processing_cost * (sums[f"served_{i}"] / time)
        found[f"processing_cost_{i}"] = processing
        found[f"cost_{i}"] = sums[f"own_{i}"] / time + pool_wait * (sums[f"requests_{i}"] / time) + processing
    return found


def of_deviator(sums, servers: int, capacity: float, phi: float, processing_cost: float) -> dict:
    """The first server's metrics and cost, its jobs in the pool counted by their tagged waits, and the others' cost.

    ``capacity``: sum of mu_i, 1/time. By the account of LP (76) a request costs (q_0 + 1) / capacity. The wait of a server
    that never asks is 0/0, not seen; it has no jobs in the pool to pay for.
    """
    time = sums.time
    own, requests, offers = (sums[f"first_{name}"] / time for name in ("own", "requests", "offers"))
    wait = sums["tagged_wait"] / sums["tagged"]
    held = requests * wait if getattr(requests, "value", requests) > 0 else 0.0
    processing = processing_cost * (sums["first_served"] / time)
    cost = own + held + processing
    total = (sums["own"] + sums["pool_queue"] + processing_cost * sums["served"]) / time
    return {
        "deviator_own_queue": own,
        "deviator_request_rate": requests,
        "deviator_offer_rate": offers,
        "deviator_wait": wait,
        "deviator_cost": cost,
        "deviator_charged_cost": own + sums["first_charged"] / time / capacity + processing,
        "deviator_token_drift": phi * offers - requests,
        "others_cost": (total - cost) / float(servers - 1),
    }
