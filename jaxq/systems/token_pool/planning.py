"""What a deviator plays: the optimal policy of LP (76) against servers that play Lemma 4.2."""

import numpy as np

from jaxq.analytic.token_pool.best_response import best_unlike_deviation


def optimal_policy(arrival_rate, service_rate, phi, token_cap, wait, processing_cost) -> tuple[np.ndarray, ...]:
    """(request, relocate, offer, serve) of LP (76) by (own queue, pool queue); complete pooling in states that the optimal
    policy never visits.

    Rates of all servers, shape (N,); the first one deviates.
    """
    cap = None if token_cap is None else int(token_cap)
    found = best_unlike_deviation(arrival_rate, service_rate, float(phi), cap, float(wait), float(processing_cost))
    policy = found.policy
    empty = np.arange(len(policy.request))[:, None] == 0
    elsewhere = (1.0, 0.0, 1.0 * empty, 1.0 * ~empty)
    return tuple(np.where(np.isnan(x), y, x) for x, y in zip(policy, elsewhere, strict=True))
