"""What a deviator plays: the optimal policy of LP (76) against complete pooling."""

import numpy as np

from jaxq.analytic.token_deviation import best_deviation


def optimal_policy(servers, rho, processing_cost) -> tuple[np.ndarray, ...]:
    """(request, relocate, offer, serve) of LP (76) by (own queue, pool queue); complete pooling where LP (76) never gets."""
    policy = best_deviation(int(servers), float(rho), float(processing_cost)).policy
    empty = np.arange(len(policy.request))[:, None] == 0
    elsewhere = (1.0, 0.0, 1.0 * empty, 1.0 * ~empty)
    return tuple(np.where(np.isnan(x), y, x) for x, y in zip(policy, elsewhere, strict=True))
