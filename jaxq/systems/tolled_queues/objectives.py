"""What `jaxq.tune` can make large: revenue as a function of the tolls, smoothed."""

import jax.numpy as jnp
import numpy as np

from jaxq.engine.system import Objective
from jaxq.systems.tolled_queues.model import TolledQueues
from jaxq.systems.tolled_queues.splitting import searchable, smooth_revenue

TEMPERATURE = 0.02
"""Over the largest reward."""
SEED = 0


def objectives(system: TolledQueues) -> dict[str, Objective]:
    """``smooth_revenue``: revenue with logit choices, a function of the tolls that stands for revenue.

    Exact for the chain of lengths (exponential sizes and lengths visible); of fractional joins on fixed paths where
    customers see workloads. Empty where they see lengths and sizes are not exponential.
    """
    if not searchable(system):
        return {}
    revenue = smooth_revenue(system, SEED)
    rates = np.atleast_1d(system.service_rates)
    temperature = TEMPERATURE * float(np.max(system.rewards))

    def smooth(values):
        return revenue({"service_rates": rates, "tolls": jnp.atleast_1d(values["tolls"])}, temperature)

    doc = f"revenue with logit choices (temperature {temperature:g})"
    return {"smooth_revenue": Objective(smooth, "revenue", doc, maximise=True, parameters=("tolls",))}
