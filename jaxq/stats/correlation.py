"""How long a run remembers: the integrated autocorrelation time, from windows of many replicas.

A run that is not much longer than its memory can hide its own transient: nothing in it looks different from anything
else. So a stationary mean is given only from runs of many correlation times (`jaxq.stats.warmup`).
"""

from collections.abc import Sequence

import numpy as np

from jaxq.stats.estimate import Estimate

FEW = 8
"""Below this many replicas, deviations are from the mean of the whole run: a common transient then counts as memory."""


def correlation_time(windows: Sequence[Estimate]) -> float:
    """Integrated autocorrelation time ``1 + 2 sum_k rho_k`` of a metric, in windows; at least 1, for a window cannot show
    less.

    ``rho_k`` is the correlation of windows k apart in the same replica. Lags are added in pairs until a pair is not
    positive: of a reversible chain they are positive and fall, so what follows is noise.

    Args:
        windows: the metric over each window, with residuals by replica; where it is not a number, it counts as its mean.

    Source: Geyer (1992), Practical Markov Chain Monte Carlo, doi:10.1214/ss/1177011137, Section 3.3.
    """
    deviations = np.array([w.residuals for w in windows])
    if deviations.shape[1] < FEW:
        values = deviations + np.array([[w.value] for w in windows])
        deviations = values - np.mean(values[np.isfinite(values)]) if np.isfinite(values).any() else 0 * values
    deviations = np.where(np.isfinite(deviations), deviations, 0.0)
    count = len(deviations)
    variance = np.sum(deviations**2) / count
    if not variance > 0:
        return 1.0

    def correlation(lag: int) -> float:
        return float(np.sum(deviations[lag:] * deviations[: count - lag]) / (count - lag) / variance)

    total = 1.0
    for lag in range(1, count - 1, 2):
        pair = correlation(lag) + correlation(lag + 1)
        if not pair > 0:
            break
        total += 2 * pair
    return total
