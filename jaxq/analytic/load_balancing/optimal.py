"""The best dispatching policy of a small system of parallel queues, by policy iteration."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, hstack
from scipy.sparse.linalg import spsolve

from jaxq.analytic.load_balancing.exact import moved, small_states
from jaxq.analytic.load_balancing.pools import pools
from jaxq.checks import integer, positive

_MOST_ROUNDS = 100


def optimal_jobs(arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int], buffer: int) -> float:
    """Least mean jobs over all policies that see all queues and lose no job while a buffer is free.

    Formula: average-cost Markov decision process, cost the number of jobs, action the server an arrival joins; policy
    iteration from joining the shortest queue, each policy evaluated by sparse LU. With large buffers the best of all
    admissible policies.

    Args:
        arrival_rate: of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        buffer: B, most jobs at one server, that in service included.

    Returns:
        Mean jobs in the system.

    Raises:
        ValueError: an argument is out of its range, or there are more than 60000 states.

    Source: Puterman (1994), Markov Decision Processes, Section 8.6.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    states = small_states(counts.tolist(), integer("buffer", buffer, 1))
    index = {state: i for i, state in enumerate(states)}
    size = len(states)
    jobs = np.array([sum(map(sum, state)) for state in states], dtype=np.float64)

    origins, targets, flows = [], [], []
    # A row of choices per state: the states an arrival may lead to, the last repeated; a full system stays.
    most = max(sum(len(set(pool)) for pool in state) for state in states)
    choices = np.empty((size, most), dtype=np.int64)
    for i, state in enumerate(states):
        open_to = []
        for j, pool in enumerate(state):
            for queue in sorted(set(pool)):
                if queue < buffer:
                    open_to.append(index[moved(state, j, queue, 1)])
                if queue > 0:
                    origins.append(i)
                    targets.append(index[moved(state, j, queue, -1)])
                    flows.append(float(rates[j]) * pool.count(queue))
        open_to = open_to or [i]
        choices[i] = open_to + open_to[-1:] * (most - len(open_to))

    chosen = choices[:, 0]
    for _ in range(_MOST_ROUNDS):
        mean, values = _evaluated(jobs, origins, targets, flows, chosen, arrival_rate)
        offered = values[choices]
        # Change only for a real gain, so that rounding cannot make the policies cycle.
        better = offered.min(axis=1) < values[chosen] - 1e-9 * (1 + np.abs(values[chosen]))
        if not better.any():
            return mean
        chosen = np.where(better, choices[np.arange(size), offered.argmin(axis=1)], chosen)
    raise ValueError(f"no optimal policy found in {_MOST_ROUNDS} rounds")


def _evaluated(
    jobs: Float[np.ndarray, " states"],
    origins: Sequence[int],
    targets: Sequence[int],
    flows: Sequence[float],
    chosen: Int[np.ndarray, "..."],
    arrival_rate: float,
) -> tuple[float, Float[np.ndarray, " states"]]:
    """Mean jobs g and relative values v of a policy: jobs - g + Q v = 0, v = 0 in the empty system."""
    size = jobs.size
    states = np.arange(size)
    rows = np.concatenate((np.asarray(origins), states))
    columns = np.concatenate((np.asarray(targets), chosen))
    rate = np.concatenate((np.asarray(flows), np.full(size, arrival_rate)))
    out = np.bincount(rows, weights=rate, minlength=size)
    generator: Any = coo_matrix(
        (np.concatenate((rate, -out)), (np.concatenate((rows, states)), np.concatenate((columns, states)))),
        shape=(size, size),
    ).tocsc()
    # The empty system's column is free for g.
    generator = generator[:, 1:]
    ones: Any = coo_matrix((-np.ones(size), (states, np.zeros(size, dtype=np.int64))), shape=(size, 1))
    solved: Any = spsolve(hstack([ones, generator]).tocsc(), -jobs)
    return float(solved[0]), np.concatenate(([0.0], solved[1:]))
