"""Pools of servers with queues of their own, the set-up shared by the load-balancing formulas.

Paper: Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497, Section 2: N_j servers of type j, each of rate mu_j. Their
time unit makes the capacity sum_j mu_j N_j equal to n; here rates carry any time unit and the arrival rate is that of
the whole system (their n lambda^(n)).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxq.checks import FieldError, integer, positive


def pools(
    service_rates: Iterable[float], servers: Iterable[int]
) -> tuple[Float[np.ndarray, " types"], Int[np.ndarray, " types"]]:
    """Service rates and numbers of servers by type, checked.

    Args:
        service_rates: mu_j of one server of type j, 1/time, fastest type first.
        servers: N_j, 1 or more each.

    Returns:
        Rates, shape (M,), and servers, shape (M,).

    Raises:
        ValueError: there is no type, the lengths differ, a rate is not positive and finite, the rates increase
            somewhere, or a number of servers is no integer of at least 1.

    Source: Section 2, mu_1 > ... > mu_M; types of equal speed are one type whose servers are told apart.
    """
    rates = [positive(f"service_rates[{j}]", rate) for j, rate in enumerate(service_rates)]
    counts = [integer(f"servers[{j}]", number, 1) for j, number in enumerate(servers)]
    if not rates or len(rates) != len(counts):
        raise ValueError(
            f"service_rates and servers have lengths {len(rates)} and {len(counts)}: both need one entry a type"
        )
    decreasing(rates)
    return np.array(rates), np.array(counts)


def decreasing(rates: Sequence[float]) -> None:
    """Check that the types come fastest first.

    Raises:
        ValueError: they do not.
    """
    for j in range(1, len(rates)):
        if rates[j] > rates[j - 1]:
            raise FieldError(
                "service_rates",
                rates[j],
                f"must be at most service_rates[{j - 1}] = {rates[j - 1]!r} (fastest type first)",
                f"[{j}]",
            )
