"""Exact stationary law of a small system of parallel queues with a finite buffer at each server."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxq.analytic.load_balancing.policies import Policy, routing
from jaxq.analytic.load_balancing.pools import pools
from jaxq.analytic.markov.sparse import stationary
from jaxq.checks import FieldError, integer, positive

_MOST_STATES = 60_000

State = tuple[tuple[int, ...], ...]


def small_system(
    arrival_rate: float,
    service_rates: Sequence[float],
    servers: Sequence[int],
    buffer: int | Sequence[int],
    policy: Policy,
) -> dict[str, Any]:
    """Stationary performance of n parallel queues under a dispatching policy.

    Formula: global balance of the queue lengths, sorted within each type, by sparse LU. An arrival is routed without
    regard to the buffers and is lost if its server is full.

    Args:
        arrival_rate: of the whole system, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        servers: N_j.
        buffer: most jobs at one server, that in service included: a number, or one for each type; B is the largest.
        policy: see `Policy`.

    Returns:
        number_in_system: mean jobs.
        waiting: mean jobs that wait, sum_{j, i >= 2} E Q_{j,i}.
        response_time: mean time in the system of an admitted job.
        loss_probability: an arrival finds its server full.
        probability_all_busy: no server is idle, which is what an arrival sees.
        probability_level_two_full: no server is idle and each of the fastest type has two jobs or more.
        levels: E Q_{j,i}, mean number of type-j servers with at least i jobs, shape (M, B), i = 1, ..., B.

    Raises:
        ValueError: an argument is out of its range, or there are more than 60000 states.

    Source: Bhambay, Bueke and Mukhopadhyay, Eq. 6.1 (generator under SA-JSQ, without the buffer); Eqs. 5.8-5.15 are
    those of SA-JSQ with buffers 2, 1, ..., 1.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    rates, counts = pools(service_rates, servers)
    buffers = _buffers(buffer, counts.size)
    states = small_states(counts.tolist(), buffers)
    size = len(states)
    index = {state: i for i, state in enumerate(states)}
    origins, targets, flows = [], [], []
    lost = np.zeros(size)
    speeds = rates.tolist()
    for i, state in enumerate(states):
        for target, rate in _jumps(state, speeds, buffers, policy):
            if target == state:
                lost[i] += rate
            else:
                origins.append(i)
                targets.append(index[target])
                flows.append(arrival_rate * rate if sum(map(sum, target)) > sum(map(sum, state)) else rate)
    # First comes the empty system, which every state reaches; some policies never fill all buffers.
    law = stationary(size, origins, targets, flows)

    queues = np.array([[jobs for pool in state for jobs in pool] for state in states])
    types = np.repeat(np.arange(len(rates)), counts)
    levels = np.array(
        [
            [law @ (queues[:, types == j] >= i).sum(axis=1) for i in range(1, max(buffers) + 1)]
            for j in range(len(rates))
        ]
    )
    busy = (queues >= 1).all(axis=1)
    loss = float(law @ lost)
    jobs = float(levels.sum())
    return {
        "number_in_system": jobs,
        "waiting": float(levels[:, 1:].sum()),
        "response_time": jobs / (arrival_rate * (1 - loss)),
        "loss_probability": loss,
        "probability_all_busy": float(law @ busy),
        "probability_level_two_full": float(law @ (busy & (queues[:, types == 0] >= 2).all(axis=1))),
        "levels": levels,
    }


def small_states(servers: Sequence[int], buffer: int | Sequence[int]) -> list[State]:
    """All queue lengths, sorted within each type: the empty system first, the full one last.

    Args:
        servers: N_j.
        buffer: most jobs at one server: a number, or one for each type.

    Returns:
        States, each a tuple with the sorted queue lengths of every type.

    Raises:
        ValueError: there are more than 60000.

    Source: servers of a type are exchangeable.
    """
    buffers = _buffers(buffer, len(servers))
    size = math.prod(math.comb(number + most, most) for number, most in zip(servers, buffers, strict=True))
    if size > _MOST_STATES:
        raise FieldError("servers", f"{list(servers)}, buffer = {buffer} need {size} states", f"at most {_MOST_STATES}")
    states: list[State] = [()]
    for number, most in zip(servers, buffers, strict=True):
        pool: list[tuple[int, ...]] = [()]
        for _ in range(number):
            pool = [(*queue, jobs) for queue in pool for jobs in range(queue[-1] if queue else 0, most + 1)]
        states = [(*state, queues) for state in states for queues in pool]
    return states


def _buffers(buffer: int | Sequence[int], types: int) -> list[int]:
    given = [buffer] * types if isinstance(buffer, (int, np.integer)) else list(buffer)
    if len(given) != types:
        raise FieldError("buffer", given, f"must be one number, or one for each of {types} types")
    return [integer("buffer", most, 1) for most in given]


def moved(state: State, j: int, jobs: int, step: int) -> State:
    """The state after one of type j's servers with `jobs` jobs gains or loses some."""
    pool = list(state[j])
    pool[pool.index(jobs)] = jobs + step
    return (*state[:j], tuple(sorted(pool)), *state[j + 1 :])


def _jumps(state: State, speeds: list[float], buffers: list[int], policy: Policy) -> Iterator[tuple[State, float]]:
    """Jumps out of a state: service rates downwards, probabilities upwards; a lost arrival stays."""
    classes = [(j, jobs, number) for j, pool in enumerate(state) for jobs, number in Counter(pool).items()]
    for j, jobs, probability in routing(policy, speeds, classes):
        yield (state if jobs == buffers[j] else moved(state, j, jobs, 1)), probability
    for j, jobs, number in classes:
        if jobs > 0:
            yield moved(state, j, jobs, -1), speeds[j] * number
