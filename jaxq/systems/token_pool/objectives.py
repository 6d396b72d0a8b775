"""What `jaxq.tune` can make small: the number of jobs as a function of phi."""

from collections.abc import Callable

import numpy as np

from jaxq.engine.system import Objective, System
from jaxq.systems.token_pool import fluid

TAU = 0.005
"""Width of `smooth`, jobs."""


def objectives(system: System) -> dict[str, Objective]:
    """Objectives of a `TokenPool`, all functions of phi that stand for its total_jobs with tokens unconstrained.

    Of servers that play Lemma 4.2 for waits up to a mean service time; empty for any other policy, which phi does not
    enter as it does there. ``finite`` is for alike servers.
    """
    fields = system.parameters()
    expects_long = np.max(fields["wait"] * fields["service_rate"]) > 1
    if fields["policy"] is not None or fields["deviator"] is not None or expects_long:
        return {}
    n = fields["servers"]
    rho, counts = np.unique(np.broadcast_to(fields["arrival_rate"] / fields["service_rate"], n), return_counts=True)

    def objective(function: Callable, doc: str) -> Objective:
        return Objective(lambda values: function(values["phi"]), "total_jobs", doc, parameters=("phi",))

    found = {
        "large_market": objective(
            lambda phi: fluid.large_market(rho, phi, counts), "jobs per server in many copies of this market"
        ),
        "mean_field": objective(
            lambda phi: fluid.mean_field(rho, phi, counts), "jobs, own queues and pool at their large-market forms"
        ),
    }
    if rho.size == 1:
        alike = float(rho[0])
        found["finite"] = objective(
            lambda phi: fluid.finite(alike, phi, n), "jobs, exact for alike servers and unconstrained tokens"
        )
    found["smooth"] = objective(
        lambda phi: fluid.smooth(rho, phi, counts, TAU), f"mean_field per server, kinks rounded (tau = {TAU:g} jobs)"
    )
    return found
