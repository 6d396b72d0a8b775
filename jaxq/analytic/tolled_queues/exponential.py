"""One server with a toll, exponential sizes of class-dependent means, and customers who see the work before them."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxq.analytic.distributions.forms import exponentials
from jaxq.analytic.tolled_queues.customers import accepted, classes
from jaxq.checks import number, positive

_LONGEST = 50.0
"""Norm of the largest exponent at a time."""


def exponential(
    arrival_rates: ArrayLike,
    rewards: ArrayLike,
    waiting_costs: ArrayLike,
    service_rate: float,
    toll: float,
    mean_sizes: ArrayLike = 1.0,
    strict: bool = False,
) -> dict[str, Any]:
    """Stationary performance if a customer knows the work W before it and the mean s_i of its own size.

    Formula: class i joins if W <= w_i = (R_i - theta) mu / c_i - s_i. Upcrossings of level x by class i are
    g_i(x) = int_[0, x] lambda_i 1(y <= w_i) e^{-(x-y)/s_i} dP(W <= y), and mu f(x) = sum_i g_i(x): between thresholds
    g_i' = lambda_i f - g_i / s_i, linear with constant coefficients. P(W <= w_i) and E[W; W <= w_i] come along in the
    same matrix exponential; the server is busy with all that joined.

    Args:
        arrival_rates: lambda_i, 1/time, shape (I,) or a number.
        rewards: R_i, money, shape (I,).
        waiting_costs: c_i, money/time, shape (I,).
        service_rate: mu, work/time.
        toll: theta, money.
        mean_sizes: s_i, work, shape (I,) or a number.
        strict: whether a customer whose utility is exactly 0 balks.

    Returns:
        throughput, revenue, welfare (rewards less expected waiting costs): per unit of time.
        join: joining probability of each class, shape (I,).
        utilisation: of the server.

    Raises:
        ValueError: an argument is out of its range.

    Source: Brill and Posner (1977), Operations Research 25(4), 662-674 (level crossing).
    """
    arriving, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    mu, toll = positive("service_rate", service_rate), number("toll", toll)
    sizes = np.array([positive("mean_sizes", s) for s in np.broadcast_to(mean_sizes, arriving.shape)])
    thresholds = accepted(gains, costs, mu, toll) - sizes
    thresholds = np.where(np.abs(thresholds) <= 1e-12 * sizes, 0.0, thresholds)
    joining = thresholds > 0 if strict else thresholds >= 0

    number_of_classes = arriving.size
    # Entries: g_i, P(W <= x), the integral of that over x.
    state = np.concatenate((arriving * joining, [1.0, 0.0]))
    idle, level = 1.0, 0.0
    below, areas = np.zeros(number_of_classes), np.zeros(number_of_classes)
    below[joining] = 1.0
    for end in np.unique(thresholds[joining & (thresholds > 0)]):
        slope = np.zeros((state.size, state.size))
        slope[:number_of_classes, :number_of_classes] = np.outer(
            arriving * (joining & (thresholds >= end)), np.ones(number_of_classes)
        ) / mu - np.diag(1 / sizes)
        slope[-2, :number_of_classes] = 1 / mu
        slope[-1, -2] = 1.0
        parts = max(1, math.ceil((end - level) * np.abs(slope).sum(axis=1).max() / _LONGEST))
        step = exponentials(slope[None] * (end - level) / parts)[0]
        for _ in range(parts):
            state = step @ state
            scale = max(1.0, state[-2])
            state, idle, below, areas = state / scale, idle / scale, below / scale, areas / scale
        level = end
        reached = joining & (thresholds == end)
        below[reached], areas[reached] = state[-2], state[-1]
    total = idle + float(arriving * sizes @ below) / mu
    join, waits = below / total, (np.maximum(thresholds, 0) * below - areas) / total / mu
    throughput = float(arriving @ join)
    return {
        "throughput": throughput,
        "revenue": toll * throughput,
        "welfare": float(arriving @ ((gains - costs * sizes / mu) * join - costs * waits)),
        "join": join,
        "utilisation": float(arriving * sizes @ join) / mu,
    }
