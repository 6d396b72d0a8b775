"""Lower bounds on the jobs of parallel queues: the modified system of Section 7 and the pooled queue."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxq.analytic.load_balancing.pools import pools
from jaxq.analytic.markov.birth_death import stationary as birth_death_law
from jaxq.analytic.markov.sparse import stationary
from jaxq.checks import FieldError, positive

_MOST_SERVERS = 600


def fastest_first_rate(service_rates: Sequence[float], servers: Sequence[int]) -> Float[np.ndarray, " levels"]:
    """Total service rate of the k fastest servers, k = 0, ..., n.

    Formula: mu~(k) = sum_j mu_j [(k - N_1 - ... - N_{j-1})^+ min N_j].

    Args:
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.

    Returns:
        Rates, 1/time, shape (n+1,).

    Raises:
        ValueError: an argument is out of its range.

    Source: Bhambay, Bueke and Mukhopadhyay, Eq. 7.1.
    """
    rates, counts = pools(service_rates, servers)
    return np.concatenate(([0.0], np.cumsum(np.repeat(rates, counts))))


def modified_system(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]) -> dict[str, float]:
    """Stationary performance of the modified system: n queues of at most two jobs, free servers, JSQ.

    Formula: (Q_1, Q_2) = queues with at least one, two jobs. An arrival goes to an empty queue, else to one with one
    job, else it is lost; Q_2 falls at rate mu~(Q_2), Q_1 at rate mu~(Q_1) - mu~(Q_2). Sparse LU.

    Args:
        arrival_rate: of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j, 600 in all at most.

    Returns:
        number_in_system: E[Q_1 + Q_2]: below that of every policy with a queue for each server.
        waiting: E[Q_2]: below the mean waiting jobs of every such policy.
        loss_probability: an arrival finds two jobs everywhere.
        probability_all_busy: P(Q_1 = n).

    Raises:
        ValueError: an argument is out of its range.

    Source: Bhambay, Bueke and Mukhopadhyay, Section 7.1 and Proposition 7.1.
    """
    one, two, law = modified_law(arrival_rate, service_rates, servers)
    n = int(one.max())
    return {
        "number_in_system": float(law @ (one + two)),
        "waiting": float(law @ two),
        "loss_probability": float(law[two == n].sum()),
        "probability_all_busy": float(law[one == n].sum()),
    }


def modified_law(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]
) -> tuple[Int[np.ndarray, " states"], Int[np.ndarray, " states"], Float[np.ndarray, " states"]]:
    """Stationary law of the modified system.

    Formula: see `modified_system`. Both Q_1 + Q_2 and Q_2 are below, in distribution, the jobs and the waiting jobs under
    every policy with a queue for each server.

    Args:
        arrival_rate: of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j, 600 in all at most.

    Returns:
        Q_1, Q_2 and the probability of every state, 0 <= Q_2 <= Q_1 <= n, three arrays of one shape.

    Raises:
        ValueError: an argument is out of its range.

    Source: Bhambay, Bueke and Mukhopadhyay, Section 7.1 and Proposition 7.1.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    service = fastest_first_rate(service_rates, servers)
    n = service.size - 1
    if n > _MOST_SERVERS:
        raise FieldError("servers", list(servers), f"their sum must be at most {_MOST_SERVERS}")
    one, two = (grid.ravel() for grid in np.indices((n + 1, n + 1)))
    one, two = one[two <= one], two[two <= one]
    # Number of the state (q1, q2) with q2 <= q1.
    here = one * (one + 1) // 2 + two
    idle, free = one < n, (one == n) & (two < n)
    moves = (
        (idle, here + one + 1, np.full(here.size, arrival_rate)),
        (free, here + 1, np.full(here.size, arrival_rate)),
        (two > 0, here - 1, service[two]),
        (one > two, here - one, service[one] - service[two]),
    )
    origins = np.concatenate([here[mask] for mask, _, _ in moves])
    targets = np.concatenate([target[mask] for mask, target, _ in moves])
    flows = np.concatenate([rate[mask] for mask, _, rate in moves])
    # A reference that is not rare: as many servers busy as the load needs, or all queues full.
    busy = int(np.searchsorted(service, arrival_rate))
    reference = busy * (busy + 1) // 2 if busy <= n else here.size - 1
    return one, two, stationary(here.size, origins, targets, flows, reference)


def pooled_jobs(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]) -> float:
    """Mean jobs when one queue feeds all servers, the fastest busy first and preemptively.

    Formula: birth-death chain, births at rate Lambda, deaths at rate mu~(min(k, n)), see `fastest_first_rate`; above n
    geometric with ratio Lambda / mu~(n). One type: M/M/n, Erlang C. No policy, with or without a central queue, has
    a larger total service rate at k jobs, hence a lower bound in distribution.

    Args:
        arrival_rate: Lambda of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.

    Returns:
        Mean jobs in the system.

    Raises:
        ValueError: an argument is out of its range, or arrival_rate is not below the capacity.

    Source: Larsen and Agrawala (1983), IEEE Trans. Software Eng. 9(4), for two servers; the coupling by the rates.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    service = fastest_first_rate(service_rates, servers)
    n = service.size - 1
    load = arrival_rate / service[-1]
    if load >= 1:
        raise ValueError(f"no stationary regime: arrival_rate = {arrival_rate} must be below {float(service[-1])}")
    law = birth_death_law(np.full(n, arrival_rate), service[1:])
    # State n stands for itself and for those above.
    above = law[n] * load / (1 - load)
    return float((law @ np.arange(n + 1) + above * n + law[n] * load / (1 - load) ** 2) / (1 + above))
