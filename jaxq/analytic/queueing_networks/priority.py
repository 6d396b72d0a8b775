"""One server that always works on the first class that is there."""

import numpy as np
from jaxtyping import Float


def preemptive(
    arrival_rates: Float[np.ndarray, " classes"], service_rates: Float[np.ndarray, " classes"]
) -> Float[np.ndarray, " classes"]:
    """Mean numbers in M/M/1 under a preemptive priority, the first class served first, shape (K,).

    Formula: N_k = lambda_k T_k, T_k = ((1 - s_k)/mu_k + sum_{i<=k} lambda_i/mu_i^2) / ((1 - s_{k-1}) (1 - s_k)), s_k the
    load of the classes up to k.

    Args:
        arrival_rates, service_rates: lambda_k and mu_k, in the order of priority, shape (K,), 1/time.

    Source: Jaiswal (1968), Priority Queues, Chapter 4 (preemptive resume).
    """
    loads = arrival_rates / service_rates
    up_to = np.cumsum(loads)
    before = up_to - loads
    work = np.cumsum(arrival_rates / service_rates**2)
    return arrival_rates * ((1 - up_to) / service_rates + work) / ((1 - before) * (1 - up_to))
