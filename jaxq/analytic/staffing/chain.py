"""The exact stationary law of a network under a policy that looks at the numbers in system, truncated."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.sparse_chain import stationary

MOST_STATES = 600_000

Allocate = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""x, shape (states, I) -> z, shape (states, I, J)."""


class Performance(NamedTuple):
    """Stationary means.

    waiting: customers that wait, by class, shape (I,).
    busy: servers of pool j with class i, shape (I, J).
    idle: idle servers, by pool, shape (J,).
    edge: probability of the states on a face of the box that was cut.
    """

    waiting: NDArray[np.float64]
    busy: NDArray[np.float64]
    idle: NDArray[np.float64]
    edge: float


def truncated_network(
    arrival_rates: ArrayLike, service_rates: ArrayLike, servers: ArrayLike, allocate: Allocate, tolerance: float = 1e-9
) -> Performance:
    """Stationary means of a network whose servers follow the numbers in system.

    Formula: global balance on a box of states x; class i goes up at rate lambda_i and down at rate
    sum_j mu_ij z_ij(x); jumps out of the box do not happen. The box starts around the customers that the servers hold and
    its faces move out until each has little probability.

    Args:
        arrival_rates: lambda, shape (I,), 1/time.
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        servers: N, shape (J,).
        allocate: z as a function of x, see `Allocate`.
        tolerance: probability that a face may have.

    Returns:
        See `Performance`.

    Raises:
        ValueError: more than 600000 states would be needed (the policy may be unstable).

    Source: global balance; Hmedi, Arapostathis and Pang, Section 2 for the transitions.
    """
    lam, mu = np.asarray(arrival_rates, np.float64), np.asarray(service_rates, np.float64)
    capacity = np.asarray(servers, np.int64)
    held = lam / np.where(mu > 0, mu, np.nan).mean(axis=1, where=mu > 0)
    spread = np.maximum(4 * np.sqrt(held), 4)
    low, high = np.floor(np.maximum(held - spread, 0)).astype(np.int64), np.ceil(held + spread).astype(np.int64)
    while True:
        size = high - low + 1
        if np.prod(size.astype(float)) > MOST_STATES:
            raise ValueError(f"servers = {capacity.tolist()}: more than {MOST_STATES} states are needed; unstable?")
        x = low + np.stack(np.unravel_index(np.arange(np.prod(size)), size), axis=1)
        z = allocate(x)
        law = _law(x, low, high, lam, (mu * z).sum(axis=2))
        under = np.array([law[x[:, i] == low[i]].sum() if low[i] > 0 else 0.0 for i in range(lam.size)])
        over = np.array([law[x[:, i] == high[i]].sum() for i in range(lam.size)])
        if max(under.max(), over.max()) < tolerance:
            break
        step = np.maximum(size // 3, 2)
        low = np.where(under < tolerance, low, np.maximum(low - step, 0))
        high = np.where(over < tolerance, high, high + step)
    busy = np.einsum("s,sij->ij", law, z)
    waiting = law @ (x - z.sum(axis=2))
    return Performance(waiting, busy, capacity - busy.sum(axis=0), float(under.sum() + over.sum()))


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
