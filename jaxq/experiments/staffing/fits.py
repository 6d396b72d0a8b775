"""Exponents and rates fitted to independent replicas, with standard errors."""

from collections.abc import Callable

import numpy as np

from jaxq.experiments.staffing.growth import LEVEL
from jaxq.stats.intervals import family_bound

GROUPS = 32


def jackknife(samples: np.ndarray, statistic: Callable[[np.ndarray], float]) -> dict[str, float]:
    """A statistic of replicas and its interval, by leaving out one of 32 groups of them at a time.

    Args:
        samples: a row a replica, shape (R, ...), R >= 32.
        statistic: of such an array.

    Returns:
        mean, half_width, level: a row for `Point.of_difference`.
    """
    groups = np.array_split(np.arange(len(samples)), GROUPS)
    parts = np.array([statistic(np.delete(samples, group, axis=0)) for group in groups])
    error = float(np.sqrt((GROUPS - 1) / GROUPS * np.sum((parts - parts.mean()) ** 2)))
    return {"mean": float(statistic(samples)), "half_width": family_bound(1, LEVEL) * error, "level": LEVEL}


def exponent(times: np.ndarray) -> Callable[[np.ndarray], float]:
    """Slope of log(mean over replicas) against log(time); samples of shape (R, T)."""
    return lambda samples: float(np.polyfit(np.log(times), np.log(samples.mean(axis=0)), 1)[0])


def root_coefficient(times: np.ndarray) -> Callable[[np.ndarray], float]:
    """b of mean = a + b sqrt(time)."""
    return lambda samples: float(np.polyfit(np.sqrt(times), samples.mean(axis=0), 1)[0])


def tail_rate(threshold: float, whole: bool) -> Callable[[np.ndarray], float]:
    """Rate of an exponential tail above a threshold: 1/m, m the mean excess; of whole numbers, whose excess is geometric,
    -log(1 - 1/m)."""

    def rate(samples: np.ndarray) -> float:
        mean = float((samples - threshold)[samples > threshold].mean())
        return -float(np.log1p(-1 / mean)) if whole else 1 / mean

    return rate
