"""The law of the response time, without following a job.

A job that joins a type-j server with i jobs stays for i + 1 exponential services of rate mu_j, whatever happens later, so
that its response time is Erlang(i + 1, mu_j), and the law of all is the mixture over the cells joined.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

QUANTILES = (0.5, 0.9, 0.99)


def quantiles(joins: dict[tuple[int, int], Any], rates: Float[np.ndarray, " types"]) -> dict[str, Any]:
    """Quantiles of the response time, ``response_0.5`` and so on, linearised in the probabilities.

    Args:
        joins: probability that an admitted job joins a type-j server with i jobs, by (j, i): estimates or numbers.
        rates: mu_j, shape (M,).
    """
    from scipy.optimize import brentq
    from scipy.special import gammainc

    cells = list(joins)
    chance = np.array([getattr(x, "value", x) for x in joins.values()], float)
    phases, speed = np.array([i + 1.0 for _, i in cells]), np.array([rates[j] for j, _ in cells])

    def below(t: float) -> np.ndarray:
        return gammainc(phases, speed * t)

    found = {}
    for p in QUANTILES:
        high = 1.0
        while chance @ below(high) < p * chance.sum():
            high *= 2
        at: Any = brentq(lambda t, p=p: chance @ below(t) - p * chance.sum(), 0.0, high, xtol=1e-12)
        step = 1e-5 * at
        density = chance @ (below(at + step) - below(at - step)) / (2 * step)
        terms = [x * ((p - f) / density) for x, f in zip(joins.values(), below(at), strict=True)]
        found[f"response_{p:g}"] = sum(terms, at)
    return found
