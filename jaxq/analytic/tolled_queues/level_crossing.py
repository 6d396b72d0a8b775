"""M/D/1 with balking and several classes, by level crossing."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.tolled_queues.customers import accepted, classes
from jaxq.checks import number, positive

_STAGES = 14
_MOST_CELLS = 200_000
_FAR = 1e100
_NEAR = 1e-12


class TooManyCells(ValueError):
    """The law is too wide to be solved here."""


def deterministic(
    arrival_rates: ArrayLike,
    rewards: ArrayLike,
    waiting_costs: ArrayLike,
    service_rate: float,
    toll: float,
    strict: bool = False,
    lengths: bool = False,
) -> dict[str, Any]:
    """Stationary performance of one server with a toll, unit sizes and customers who see the work before them.

    Formula: class i joins if W <= w_i = (R_i - theta) mu / c_i - 1. Crossings of level x balance,
    mu f(x) = H(x) - H(x-1), H(x) = lambda(0) P(W=0) + int_0^x lambda(y) f(y) dy, where lambda(y) is the rate of the
    classes with w_i >= y: a delay differential equation H' = lambda(x)/mu (H(x) - H(x-1)). It is solved cell by cell,
    no cell containing a w_i plus a whole number, by collocation in 14 Gauss points (order 28 at the ends of cells).
    Then P(W <= w_i) is the joining probability, by PASTA.

    Error: about 1e-13 of each probability (it agrees with the closed form of one class to 2e-14).

    Args:
        arrival_rates: lambda_i, 1/time, shape (I,) or a number.
        rewards: R_i, money, shape (I,).
        waiting_costs: c_i, money/time, shape (I,).
        service_rate: mu, 1/time; the unit of work is a customer.
        toll: theta, money.
        strict: whether a customer whose utility is exactly 0 balks.
        lengths: whether it sees the number before it, ceil(W), and not W: w_i is then rounded down to a whole number.

    Returns:
        throughput, revenue, welfare (rewards less waiting costs): per unit of time.
        join: joining probability of each class, shape (I,).
        utilisation: of the server.

    Raises:
        ValueError: an argument is out of its range, or the thresholds need more than 200,000 cells.

    Source: Brill and Posner (1977), Operations Research 25(4), 662-674 (level crossing).
    """
    arriving, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    mu, toll = positive("service_rate", service_rate), number("toll", toll)
    thresholds = accepted(gains, costs, mu, toll) - 1
    joining = thresholds > 0 if strict else thresholds >= 0
    if lengths:
        thresholds = np.ceil(thresholds) - 1 if strict else np.floor(thresholds)
    join, waits = np.zeros(arriving.size), np.zeros(arriving.size)
    if joining.any():
        law = _workload(arriving[joining], thresholds[joining], mu)
        join[joining], waits[joining] = law.below, law.work / mu
    throughput = float(arriving @ join)
    return {
        "throughput": throughput,
        "revenue": toll * throughput,
        "welfare": float(arriving @ ((gains - costs / mu) * join - costs * waits)),
        "join": join,
        "utilisation": throughput / mu,
    }


class _Law(NamedTuple):
    """P(W <= w_i) and E[W; W <= w_i]."""

    below: NDArray[np.float64]
    work: NDArray[np.float64]


@functools.cache
def _collocation() -> tuple[NDArray, NDArray, NDArray]:
    """Gauss points on [0, 1], the integrals of their cardinal polynomials up to each point, and up to 1."""
    points, weights = legendre.leggauss(_STAGES)
    values = legendre.legvander(points, _STAGES - 1)
    integrals = np.array([legendre.legval(points, legendre.legint(row, lbnd=-1)) for row in np.eye(_STAGES)]).T
    return (points + 1) / 2, integrals @ np.linalg.inv(values) / 2, weights / 2


def _workload(arriving: Float[np.ndarray, " classes"], thresholds: Float[np.ndarray, " classes"], mu: float) -> _Law:
    """The law at the thresholds, all >= 0."""
    last = thresholds.max()
    parts = max(1, math.ceil(arriving.sum() / mu))  # so that lambda / mu times a cell is at most 1
    width = 1 / parts
    offsets = np.unique(np.concatenate(([0.0], thresholds % width)))
    offsets = offsets[np.concatenate(([True], np.diff(offsets) > _NEAR)) & (width - offsets > _NEAR)]
    lengths = np.diff(offsets, append=width)
    periods = math.ceil(last * parts - _NEAR)
    if periods * offsets.size > _MOST_CELLS:
        raise TooManyCells(f"the largest threshold = {last:g}: needs more than {_MOST_CELLS} cells")

    points, integrals, weights = _collocation()
    steps: dict[tuple[int, float], tuple[NDArray, NDArray]] = {}
    history = np.zeros((periods, offsets.size, _STAGES))
    mass, work = np.zeros((periods, offsets.size)), np.zeros((periods, offsets.size))
    lefts = np.arange(periods)[:, None] * width + offsets
    middles = lefts + lengths / 2
    rates = (arriving * (thresholds >= middles[..., None])).sum(axis=-1) / mu
    idle, level = 1.0, float(arriving.sum())
    for j in range(periods):
        for k, length in enumerate(lengths):
            rate = float(rates[j, k])
            if rate == 0:
                break
            if (k, rate) not in steps:
                scaled = rate * length * integrals
                inverse = np.linalg.inv(np.eye(_STAGES) - scaled)
                steps[k, rate] = inverse.sum(axis=1), inverse @ scaled
            grown, delayed = steps[k, rate]
            before = history[j - parts, k] if j >= parts else np.zeros(_STAGES)
            history[j, k] = level * grown - delayed @ before
            density = (history[j, k] - before) / mu
            mass[j, k] = length * (weights @ density)
            work[j, k] = length * (weights * (lefts[j, k] + length * points)) @ density
            level += rate * mu * mass[j, k]
        if level > _FAR:
            for values in (history, mass, work):
                values /= level
            idle, level = idle / level, 1.0
    total = idle + level / mu  # the server is busy with all that joined
    counted = middles < thresholds[:, None, None]
    below, work = idle + (mass * counted).sum(axis=(1, 2)), (work * counted).sum(axis=(1, 2))
    return _Law(below / total, work / total)
