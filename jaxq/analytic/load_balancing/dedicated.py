"""One queue for all servers of a type, minimum expected delay and fastest server first."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxq.analytic.load_balancing.pools import pools
from jaxq.analytic.markov.sparse import stationary
from jaxq.checks import FieldError, positive

_MOST_STATES = 60_000
_NEGLIGIBLE = 1e-13


def dedicated_queues(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]) -> dict[str, float]:
    """Stationary performance of types with one queue each under minimum expected delay, fastest server first (MED-FSF).

    Formula: global balance of the jobs of each type by sparse LU. A job joins the fastest type with an idle server; if
    there is none, the type of least q_j / (N_j mu_j), q_j the jobs that wait there, ties to the fastest. As delays stay
    level, q_j is about the share N_j mu_j / C of all waiting jobs, whose tail is geometric with ratio Lambda / C: the
    chain is cut where that is below 1e-13.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.

    Returns:
        number_in_system: mean jobs.
        waiting: mean jobs that wait.
        response_time: mean time in the system.
        probability_all_busy: no server is idle.

    Raises:
        ValueError: an argument is out of its range, arrival_rate is not below the capacity, or more than 60000 states
            are needed.

    Source: Tezcan (2008), Mathematics of Operations Research 33(1), 51-90, for the policy.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    services = rates * counts
    load = arrival_rate / float(services.sum())
    if load >= 1:
        raise ValueError(f"no stationary regime: arrival_rate = {arrival_rate} must be below {float(services.sum())}")
    most = [n + room for n, room in zip(counts.tolist(), waiting_room(load, rates, counts), strict=True)]
    size = math.prod(x + 1 for x in most)
    if size > _MOST_STATES:
        raise FieldError("servers", f"{list(servers)} at load {load:g} need {size} states", f"at most {_MOST_STATES}")
    steps = np.cumprod([1, *(x + 1 for x in most[:0:-1])])[::-1].tolist()
    origins, targets, flows = [], [], []
    states = list(itertools.product(*(range(x + 1) for x in most)))
    for i, state in enumerate(states):
        idle = [j for j, jobs in enumerate(state) if jobs < counts[j]]
        to = idle[0] if idle else min(range(rates.size), key=lambda j: (state[j] - counts[j]) / services[j])
        if state[to] < most[to]:
            origins.append(i)
            targets.append(i + steps[to])
            flows.append(arrival_rate)
        for j, jobs in enumerate(state):
            if jobs > 0:
                origins.append(i)
                targets.append(i - steps[j])
                flows.append(float(rates[j]) * min(jobs, int(counts[j])))
    law = stationary(size, origins, targets, flows)
    jobs = np.array(states)
    busy = np.minimum(jobs, counts).sum(axis=1)
    number = float(law @ jobs.sum(axis=1))
    return {
        "number_in_system": number,
        "waiting": float(law @ (jobs.sum(axis=1) - busy)),
        "response_time": number / arrival_rate,
        "probability_all_busy": float(law[busy == counts.sum()].sum()),
    }


def waiting_room(load: float, rates: Float[np.ndarray, " types"], counts: Int[np.ndarray, " types"]) -> list[int]:
    """Places in each queue beyond which the law of `dedicated_queues` is below 1e-13."""
    share = rates * counts / float(rates @ counts)
    return [3 + math.ceil(math.log(_NEGLIGIBLE) / math.log(load) * x) for x in share.tolist()]
