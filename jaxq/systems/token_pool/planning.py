"""What a deviator plays: the best response to servers that play Lemma 4.2."""

from jaxq.analytic.token_pool.best_response import Policy, best_unlike_deviation


def optimal_policy(arrival_rate, service_rate, phi, token_cap, wait, processing_cost) -> Policy:
    """(request, relocate, offer, serve) by own queue, pool queue and, with a cap, tokens (`best_unlike_deviation`).

    Rates of all servers, shape (N,); the first one deviates.
    """
    cap = None if token_cap is None else int(token_cap)
    return best_unlike_deviation(
        arrival_rate, service_rate, float(phi), cap, float(wait), float(processing_cost)
    ).policy
