"""Where a fluid comes to rest: busy servers, queues, abandonment and reward."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxq.analytic.parallel_servers.rates import Array, Rates
from jaxq.checks import FieldError

_ROUNDING = 1e-12


class RestPoint(NamedTuple):
    """Where a fluid comes to rest.

    Attributes:
        busy: psi_ij, servers of pool j that serve class i, shape (I, J).
        queue: customers that wait, shape (I,) or, routed, (I, J); infinite if they are patient and not all served.
        abandonment: fraction of arrivals that leave unserved, the shape of ``queue``; 0 without arrivals.
        reward_rate: sum_ij g_i mu_ij psi_ij.
    """

    busy: Array
    queue: Array
    abandonment: Array
    reward_rate: float


def rest_point(given: Rates, rates: Array, busy: Array) -> RestPoint:
    """The rest point that goes with the busy servers, by conservation of flow.

    Formula: y = (rate - sum mu psi) / theta, abandonment theta y / rate.

    Args:
        given: the network.
        rates: of classes, shape (I,), or of streams (class, pool) with queues of their own, (I, J).
        busy: psi_ij, shape (I, J).

    Source: Stolyar and Tezcan (2011), e-companion, EC.32.
    """
    flow = given.service_rates * busy
    of_class = flow.sum(axis=1)
    routed = rates.ndim == 2
    unserved = rates - (flow if routed else of_class)
    unserved = np.where(unserved > _ROUNDING * rates, unserved, 0.0)
    patience = given.abandonment_rates[:, None] if routed else given.abandonment_rates
    with np.errstate(divide="ignore", invalid="ignore"):
        queue = np.where(unserved > 0, unserved / patience, 0.0)
        lost = np.where(unserved > 0, np.where(patience > 0, unserved / rates, 0.0), 0.0)
    return RestPoint(busy, queue, lost, float(given.rewards @ of_class))


def priority_order(field: str, order: ArrayLike, choices: int) -> list[int]:
    """A list of all of 0, ..., choices - 1, each once, as integers.

    Raises:
        ValueError: it is not.
    """
    found = np.asarray(order)
    if found.ndim != 1 or sorted(found.tolist()) != list(range(choices)):
        raise FieldError(field, found, f"must be 0 to {choices - 1} in some order")
    return found.astype(np.int64).tolist()
