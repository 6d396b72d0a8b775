"""Tails and quantiles of the reflected limit of speed-aware JSQ, which `limit` knows by its moments.

Method: a chain on a lattice of step h, X = -(i + 1/2) h and Z = k h, with the drift and variance of Eqs. 3.9-3.10: X moves
by h either way, a step of X over 0 is one of Z instead, and Z falls by h at rate mu_1 Z / h. Its tails differ from those of
the limit by a term in h, which two lattices, h and h/2, remove. (Where the drift is above 2/h, in corners that hardly
have any mass, it is cut.)
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxq.analytic.load_balancing.arguments import limit_rates
from jaxq.analytic.markov.sparse import stationary
from jaxq.checks import probability

_STATES = 14_000
"""Of the coarse lattice; the fine one has four times as many, and takes some two seconds."""


def limit_quantiles(
    beta: float, fastest_rate: float, slowest_rate: float, levels: tuple[float, ...]
) -> dict[str, list[float]]:
    """Quantiles of the stationary limit.

    Formula: the least y of `limit_tails` with P(V > y) <= 1 - p, between two points of the lattice by a line.

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit.
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        levels: probabilities p in (0, 1).

    Returns:
        idle, two_jobs, total: quantiles of Y_{M,1}, of Y_{1,2} = Y_{+2} and of Y_{+1}, one for each level; 0 where they are
        below the step of the fine lattice, some .03.

    Raises:
        ValueError: as `limit_tails`, or a level is not in (0, 1).

    Source: Bhambay, Bueke and Mukhopadhyay, Eqs. 3.9-3.10.
    """
    levels = tuple(probability("levels", p) for p in levels)
    found = {}
    for name, (values, tail) in limit_tails(beta, fastest_rate, slowest_rate).items():
        below = 1 - np.minimum.accumulate(np.clip(tail, 0.0, 1.0))
        quantiles = np.interp(levels, below, values)
        found[name] = np.where(np.abs(quantiles) < values[1] - values[0], 0.0, quantiles).tolist()
    return found


def limit_tails(
    beta: float, fastest_rate: float, slowest_rate: float
) -> dict[str, tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]]:
    """P(V > y) of the stationary limit, V = Y_{M,1}, Y_{1,2} and Y_{+1}.

    Formula: twice the tail on a lattice of step h/2 less that on one of step h; see the module.

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit.
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.

    Returns:
        idle, two_jobs, total: points y in increasing order, and the tails there.

    Raises:
        ValueError: an argument is not positive and finite, or slowest_rate is above fastest_rate.

    Source: Bhambay, Bueke and Mukhopadhyay, Eqs. 3.9-3.10; Kushner and Dupuis (2001), Numerical Methods for Stochastic
    Control Problems in Continuous Time, Chapter 5, for the chain.
    """
    beta, fast, slow = limit_rates(beta, fastest_rate, slowest_rate)
    depth, height = beta / slow + 4.5 / math.sqrt(slow), 9.5 / min(beta, 4.0)
    step = math.sqrt(depth * height / _STATES)
    coarse, fine = (_lattice(beta, fast, slow, h, depth, height) for h in (step, step / 2))
    found = {}
    for name, low, high in (("idle", -depth, 0.0), ("two_jobs", 0.0, height), ("total", -depth, height)):
        at = np.arange(low, high + step / 4, step / 2)
        found[name] = at, 2 * _tail(*fine[name], step / 2, at) - _tail(*coarse[name], step, at)
    return found


def _lattice(
    beta: float, fast: float, slow: float, h: float, depth: float, height: float
) -> dict[str, tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]]:
    """Values on the lattice, and their probabilities, of X, Z and X + Z."""
    rows, columns = math.ceil(depth / h), math.ceil(height / h) + 1
    i, k = (grid.ravel() for grid in np.indices((rows, columns)))
    x, z, here = -(i + 0.5) * h, k * h, i * columns + k
    drift = -beta - slow * x + fast * z
    up, down = np.maximum(1 / h**2 + drift / (2 * h), 0.0), np.maximum(1 / h**2 - drift / (2 * h), 0.0)
    inside, wall = i > 0, (i == 0) & (k < columns - 1)
    moves = (
        (inside, here - columns, up),
        (wall, here + 1, up),
        (i < rows - 1, here + columns, down),
        (k > 0, here - 1, fast * z / h),
    )
    origins = np.concatenate([here[mask] for mask, _, _ in moves])
    targets = np.concatenate([target[mask] for mask, target, _ in moves])
    flows = np.concatenate([rate[mask] for mask, _, rate in moves])
    law = stationary(here.size, origins, targets, flows, min(int(beta / slow / h), rows - 1) * columns)
    both = law.reshape(rows, columns)
    total = np.bincount(k - i + rows - 1, weights=law)
    found: Any = {
        "idle": (-(np.arange(rows)[::-1] + 0.5) * h, both.sum(axis=1)[::-1]),
        "two_jobs": (np.arange(columns) * h, both.sum(axis=0)),
        "total": ((np.arange(total.size) - rows + 0.5) * h, total),
    }
    return found


def _tail(
    values: Float[np.ndarray, "*states"],
    law: Float[np.ndarray, "*states"],
    step: float,
    at: Float[np.ndarray, " points"],
):
    """P(V > y), the mass of each point spread over the step around it."""
    edges = np.concatenate((values - step / 2, values[-1:] + step / 2))
    above = np.concatenate((np.cumsum(law[::-1])[::-1], [0.0]))
    return np.interp(at, edges, above)
