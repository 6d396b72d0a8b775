"""What `jaxq.tune` can make small: the number of jobs as a function of phi."""

from collections.abc import Callable

import numpy as np

from jaxq.engine.model import Model
from jaxq.engine.objective import Objective
from jaxq.systems.token_pool import fluid

TAU = 0.005
"""Width of `smooth`, jobs."""


def objectives(system: Model) -> dict[str, Objective]:
    """Objectives of a `TokenPool`, all functions of phi that stand for its total_jobs.

    Of servers that play Lemma 4.2 for waits up to a mean service time; empty for any other policy, which phi does not
    enter as it does there. With a token cap the first is ``capped``; all others have tokens unconstrained.
    """
    fields = system.parameters()
    expects_long = np.max(fields["wait"] * fields["service_rate"]) > 1
    if fields["policy"] is not None or fields["deviator"] is not None or expects_long:
        return {}
    n = fields["servers"]
    rates = np.broadcast_arrays(fields["arrival_rate"] / fields["service_rate"], fields["service_rate"], np.zeros(n))
    (each, services), shares = np.unique(np.stack(rates[:2]), axis=1, return_counts=True)
    rho, kind = np.unique(each, return_inverse=True)
    counts = np.bincount(np.ravel(kind), shares).astype(int)
    cap = fields["token_cap"]

    def objective(function: Callable, doc: str) -> Objective:
        return Objective(lambda values: function(values["phi"]), "total_jobs", doc, parameters=("phi",))

    found = {}
    if cap is not None:
        found["capped"] = objective(
            lambda phi: fluid.capped(rho, phi, counts, int(cap)),
            "jobs, own queues exact with the token cap, the pool at phi / (1 - phi), its form in a large market",
        )
    found |= {
        "large_market": objective(
            lambda phi: fluid.large_market(rho, phi, counts), "jobs per server in many copies of this market"
        ),
        "mean_field": objective(
            lambda phi: fluid.mean_field(rho, phi, counts), "jobs, own queues and pool at their large-market forms"
        ),
        "finite": objective(
            lambda phi: fluid.finite(each, phi, shares, services),
            "jobs, exact for this market with unconstrained tokens",
        ),
    }
    found["smooth"] = objective(
        lambda phi: fluid.smooth(rho, phi, counts, TAU), f"mean_field per server, kinks rounded (tau = {TAU:g} jobs)"
    )
    return found
