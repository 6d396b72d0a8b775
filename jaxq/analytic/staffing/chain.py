"""The exact stationary law of a network under a policy that looks at the numbers in system, truncated."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.markov.sparse import stationary
from jaxq.checks import FieldError

LEAST = 1e-9
"""Probability of a face of the box below which it stays where it is."""

Allocate = Callable[[Int[np.ndarray, "states classes"]], Int[np.ndarray, "states classes pools"]]
"""x, shape (states, I) -> z, shape (states, I, J)."""


class Performance(NamedTuple):
    """Stationary means.

    waiting: customers that wait, by class, shape (I,).
    busy: servers of pool j with class i, shape (I, J).
    idle: idle servers, by pool, shape (J,).
    edge: probability of the states on a face of the box that was cut.
    """

    waiting: Float[np.ndarray, " classes"]
    busy: Float[np.ndarray, "classes pools"]
    idle: Float[np.ndarray, " pools"]
    edge: float


def truncated_network(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: ArrayLike,
    allocate: Allocate,
    most_states: int = 600_000,
) -> Performance:
    """Stationary means of a network whose servers follow the numbers in system.

    Formula: global balance on a box of states x; class i goes up at rate lambda_i and down at rate
    sum_j mu_ij z_ij(x); jumps out of the box do not happen. The box starts around the customers that the servers hold and
    its faces move out until each has a probability below 1e-9.

    Args:
        arrival_rates: lambda, shape (I,), 1/time.
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        servers: N, shape (J,).
        allocate: z as a function of x, see `Allocate`.
        most_states: states that the box may have.

    Returns:
        See `Performance`.

    Raises:
        ValueError: more than `most_states` states would be needed (the policy may be unstable).

    Source: global balance; Hmedi, Arapostathis and Pang, Section 2 for the transitions.
    """
    lam, mu = np.asarray(arrival_rates, np.float64), np.asarray(service_rates, np.float64)
    capacity = np.asarray(servers, np.int64)
    held = lam / np.where(mu > 0, mu, np.nan).mean(axis=1, where=mu > 0)
    spread = np.maximum(4 * np.sqrt(held), 4)
    low, high = np.floor(np.maximum(held - spread, 0)).astype(np.int64), np.ceil(held + spread).astype(np.int64)
    while True:
        size = high - low + 1
        if np.prod(size.astype(float)) > most_states:
            raise FieldError("most_states", most_states, "more are needed; is the policy unstable?")
        x = low + np.stack(np.unravel_index(np.arange(np.prod(size)), size), axis=1)
        z = allocate(x)
        law = _law(x, low, high, lam, (mu * z).sum(axis=2))
        sides = [np.bincount(x[:, i] - low[i], law) for i in range(lam.size)]
        down = np.array([_beyond(side[::-1]) if low[i] > 0 else 0 for i, side in enumerate(sides)])
        up = np.array([_beyond(side) for side in sides])
        if not (down.any() or up.any()):
            break
        low, high = np.maximum(low - down, 0), high + up
    busy = np.einsum("s,sij->ij", law, z)
    edge = float(sum(side[-1] + (side[0] if low[i] > 0 else 0.0) for i, side in enumerate(sides)))
    waiting = law @ (x - z.sum(axis=2))
    return Performance(waiting, busy, capacity - busy.sum(axis=0), edge)


def _beyond(side: Float[np.ndarray, " states"]) -> int:
    """States to add at the end of a side so that its last one has less than `LEAST`, as the tail goes on."""
    if side[-1] < LEAST:
        return 0
    near = max(side.size // 8, 1)
    rate = np.log(max(side[-1 - near] / side[-1], 1.0)) / near
    return int(np.clip(np.ceil(1.05 * np.log(2 * side[-1] / LEAST) / max(rate, 1e-9)), 2, side.size))


def _law(x, low, high, lam, down) -> NDArray[np.float64]:
    """Probabilities of the states of a box."""
    strides = np.cumprod(np.concatenate(([1], (high - low + 1)[:0:-1])))[::-1]
    origins, targets, rates = [], [], []
    for i, stride in enumerate(strides.tolist()):
        for tails, step, rate in (
            (np.flatnonzero(x[:, i] < high[i]), stride, np.full(len(x), lam[i])),
            (np.flatnonzero(x[:, i] > low[i]), -stride, down[:, i]),
        ):
            origins.append(tails)
            targets.append(tails + step)
            rates.append(rate[tails])
    centre = int((((high - low) // 2) * strides).sum())
    return stationary(len(x), *map(np.concatenate, (origins, targets, rates)), reference=centre)
