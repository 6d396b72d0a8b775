"""Intervals from batches of few replicas, which are not quite independent."""

import dataclasses

import numpy as np

from jaxq.stats.estimate import Estimate


def widened(estimate: Estimate, batches: int) -> Estimate:
    """The estimate with the standard error that ``batches`` neighbouring batches of each replica leave it.

    Residuals are multiplied by ``sqrt((1 + r) / (1 - r))``, that of a first-order autoregression, where r is the correlation
    of neighbouring batches within a replica, counted as 0 if it is negative. The estimate of r is low by ``1/n``, for the
    mean of the n residuals was taken off.

    Args:
        estimate: residuals of shape (replicas x batches,), the batches of a replica side by side.
        batches: of a replica, at least 2.

    Source: Tafazzoli and Wilson (2009), N-Skart, doi:10.1109/WSC.2009.5429565: the adjustment for autocorrelation, without
    the one for skewness.
    """
    series = estimate.residuals.reshape(-1, batches)
    square = np.mean(series**2)
    if not 0 < square < np.inf:
        return estimate
    r = np.mean(series[:, 1:] * series[:, :-1]) / square + 1 / series.size
    if not 0 < r < 1:
        return estimate
    return dataclasses.replace(estimate, residuals=estimate.residuals * np.sqrt((1 + r) / (1 - r)))
