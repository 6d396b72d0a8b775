"""Customers who come in batches, Poisson, and are served in order: M^X/G/1 and M^X/M/c, with patience too."""

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.distributions.batch_sizes import BatchLaw, excesses
from jaxq.analytic.distributions.transforms import Law, moment, tail
from jaxq.analytic.stations.mmc import TooManyStates
from jaxq.checks import integer, positive, stable_load

_TAIL = 1e-17
_MOST_STATES = 200_000
_MOST_WORK = 5e8
_LARGE = 1e200


def mxg1(arrival_rate: float, service_rate: float, batch_law: BatchLaw, service_law: Law) -> dict[str, float]:
    """Stationary performance of M^X/G/1.

    Formula: with X the customers of a batch, which come at rate b = lambda / E X, and T the work of one, E T^2 = E X Var S +
    E X^2 (E S)^2, the first of a batch waits b E T^2 / (2 (1-rho)) (Pollaczek-Khinchine), and before a customer stand
    E X (X-1) / (2 E X) others of its own:

        E W = b E T^2 / (2 (1-rho)) + E X (X-1) / (2 E X) E S,  P(W > 0) = 1 - (1-rho) / E X sum_{m>=1} P(X >= m) p^(m-1),

    of a batch that finds nobody only those waiting whose predecessors in it do not all take no time at all, p = P(S = 0).

    Args:
        arrival_rate: lambda, of customers, 1/time.
        service_rate: mu, 1/time.
        batch_law: (name, parameter) of X, see `distributions.batch_sizes`.
        service_law: (name, parameter) of the service time's law, see `distributions.transforms`; it is that over mu.

    Returns:
        waiting_time: mean time in queue of a customer.
        sojourn_time: mean time in the system.
        queue_length: mean customers waiting, a time average.
        probability_wait: a customer waits.
        utilisation: rho = lambda / mu.

    Raises:
        ValueError: a rate is not positive and finite, a law is unknown, or rho >= 1 (no stationary regime).

    Source: Burke (1975), Operations Research 23(4), 830-833; Gross and Harris (1985), Fundamentals of Queueing Theory,
    on bulk input.
    """
    rho = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(rho, 1)
    mean, pairs = batch_moments(batch_law)
    second = moment(*service_law, 2) + 2 * pairs / mean
    wait = (rho * second / (2 * (1 - rho)) + pairs / mean) / service_rate
    at_least, *_ = excesses(*batch_law)
    timeless = 1 - float(tail(*service_law)(np.zeros(1))[0])
    at_once = float(at_least @ timeless ** np.arange(at_least.size))
    return {
        "waiting_time": wait,
        "sojourn_time": wait + 1 / service_rate,
        "queue_length": arrival_rate * wait,
        "probability_wait": 1 - (1 - rho) / mean * at_once,
        "utilisation": rho,
    }


def batch_moments(batch_law: BatchLaw) -> tuple[float, float]:
    """Moments of the customers in a batch.

    Formula: E X and E X (X-1) / 2.

    Args:
        batch_law: (name, parameter), see `distributions.batch_sizes`.

    Returns:
        Customers, and pairs of them.

    Raises:
        ValueError: the law is unknown.

    Source: the definition.
    """
    _, beyond, _ = excesses(*batch_law)
    return float(beyond[0]), float(beyond[1:].sum())


def mxmc(
    arrival_rate: float,
    service_rate: float,
    servers: int,
    batch_law: BatchLaw,
    abandonment_rate: float | None = None,
) -> dict[str, float]:
    """Stationary performance of M^X/M/c+M.

    Formula: with X the customers of a batch, which come at rate b = lambda / E X, and d_n = mu min(n, c) + theta (n-c)^+,
    the number in system passes n upwards as often as downwards:

        d_n p_n = b sum_{k<n} p_k P(X >= n-k).

    With theta = 0 this is summed over n >= c: R_1(m) = E (X-m+1)^+ and R_2(m) = E (X-m)^+ (X-m+1) / 2 give

        (c mu - lambda) P(N >= c) = b sum_{k<c} p_k R_1(c-k),
        (c mu - lambda) E (N-c)^+ = b [sum_{k<c} p_k R_2(c-k) + P(N >= c) E X (X+1) / 2];

    with theta > 0 the chain ends where what is left out is below 1e-17. Of a batch that finds k < c customers those after
    the (c-k)-th wait: P(wait) = sum_{k<c} p_k E (X-c+k)^+ / E X + P(N >= c). Every term is positive.

    Args:
        arrival_rate: lambda, of customers, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.
        batch_law: (name, parameter) of X, see `distributions.batch_sizes`.
        abandonment_rate: theta of a waiting customer, 1/time; None: nobody leaves.

    Returns:
        waiting_time: mean time in queue of a customer, those who leave it included.
        sojourn_time: mean time in the system.
        queue_length: mean customers waiting, a time average.
        probability_wait: a customer waits.
        probability_abandon: a customer leaves unserved.
        utilisation: share of the servers that are busy.

    Raises:
        ValueError: a rate is not positive and finite, servers is no positive integer, the law is unknown, load >= servers
            without abandonment, or with it the chain needs too many states.

    Source: Chaudhry and Templeton (1983), A First Course in Bulk Queues.
    """
    arrival_rate, service_rate = positive("arrival_rate", arrival_rate), positive("service_rate", service_rate)
    servers = integer("servers", servers, 1)
    rows = excesses(*batch_law)
    reach = max(servers + 2 - rows.shape[1], 0)
    at_least, beyond, further = np.pad(rows, ((0, 0), (0, reach)))
    batch_rate, room = arrival_rate / beyond[0], servers - np.arange(servers)
    if abandonment_rate is None:
        stable_load(arrival_rate / service_rate, servers)
        spare = servers * service_rate - arrival_rate
        law = _law(batch_rate, at_least, service_rate * np.arange(1.0, servers))
        full = float(batch_rate * (law @ beyond[room - 1]) / spare)
        queue = float(batch_rate * (law @ further[room] + full * further[0]) / spare)
    else:
        theta = positive("abandonment_rate", abandonment_rate)
        law = _law_with_patience(batch_rate, rows[0], service_rate, servers, theta)
        full = float(law[servers:].sum())
        queue = float(law[servers:] @ np.arange(law.size - servers))
        law = law[:servers]
    total = float(law.sum()) + full
    queue, full, law = queue / total, full / total, law / total
    busy = servers * full + float(law @ np.arange(servers))
    return {
        "waiting_time": queue / arrival_rate,
        "sojourn_time": (queue + busy) / arrival_rate,
        "queue_length": queue,
        "probability_wait": float(law @ beyond[room] / beyond[0]) + full,
        "probability_abandon": (abandonment_rate or 0.0) * queue / arrival_rate,
        "utilisation": busy / servers,
    }


def _law(
    batch_rate: float, at_least: NDArray[np.float64], death: NDArray[np.float64], before=()
) -> NDArray[np.float64]:
    """Weights of 0, 1, ..., given the death rates from 1 on; ``before``: those that are known already, if any."""
    weights = np.zeros(death.size + 1)
    known = max(len(before), 1)
    weights[:known] = before if len(before) else 1.0
    upwards = batch_rate * at_least[::-1]
    for n in range(known, weights.size):
        reach = min(n, upwards.size)
        weights[n] = weights[n - reach : n] @ upwards[upwards.size - reach :] / death[n - 1]
        if weights[n] > _LARGE:
            weights /= _LARGE
    return weights


def _law_with_patience(
    batch_rate: float, at_least: NDArray[np.float64], service_rate: float, servers: int, theta: float
) -> NDArray[np.float64]:
    """As `_law`, to where the rest does not count: where d_n > 2 lambda a weight is below half of one before it."""
    arrival_rate = batch_rate * at_least.sum()
    last, weights = servers + at_least.size, np.zeros(0)
    while True:
        last *= 2
        if last > _MOST_STATES or last * at_least.size > _MOST_WORK:
            raise TooManyStates(
                f"arrival_rate = {arrival_rate:g}, service_rate = {service_rate:g}, servers = {servers}, abandonment_rate = "
                f"{theta:g}: batches of up to {at_least.size} need more than the {_MOST_STATES} states allowed"
            )
        n = np.arange(1, last + 1)
        death = service_rate * np.minimum(n, servers) + theta * np.maximum(n - servers, 0)
        weights = _law(batch_rate, at_least, death, weights)
        rest = weights[-at_least.size :].max() * last * at_least.size
        if death[-1] > 2 * arrival_rate and rest < _TAIL * weights.sum():
            return weights
