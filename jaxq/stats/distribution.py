"""What counts by bin and group of replicas (`jaxq.stats.histogram`) say of a distribution: quantiles and probabilities."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy  # its `special` is loaded where it is first used
from jaxtyping import Float, Int32, Num

from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import t_quantile

FEW, SEEN = 30, 10
"""Independent values under which those of a tail are few; equal ones that are taken for the least there can be."""
ROUNDING = 1e-12
SLACK = 2.0**-20
"""Share of a threshold by which a value may pass it and counts as at most it: what float32 makes of a sum of some times."""


def counts_to(threshold: float, whole: bool = False) -> float:
    """The largest number that counts as at most a threshold."""
    return math.floor(threshold) if whole else threshold + SLACK * abs(threshold)


def passed(values: Num[np.ndarray, "*values"], thresholds: Sequence[float]) -> Int32[np.ndarray, "*values"]:
    """How many of the thresholds, ascending, each value has passed."""
    ends = np.array([counts_to(x, values.dtype.kind == "i") for x in thresholds])
    with np.errstate(over="ignore"):
        ends = ends.astype(np.float32) if values.dtype.kind == "f" else ends
    return np.searchsorted(ends, values).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Weighted counts, shape (groups, bins), of values from ``left`` to ``right``, both ascending; where they are equal
    the bin holds one value. ``at_most``: by threshold, the counts of what is at most so large, shape (groups,), where they
    were taken apart: a bin that a threshold cuts may have a value of a probability of its own on either side."""

    left: Float[np.ndarray, " bins"]
    right: Float[np.ndarray, " bins"]
    counts: Num[np.ndarray, "groups bins"]
    whole: bool = False
    at_most: Mapping[float, Float[np.ndarray, " groups"]] = dataclasses.field(default_factory=dict)

    def counted_to(self, thresholds: Sequence[float], by_passed: "Distribution") -> "Distribution":
        """The same with counts up to the thresholds, ascending, from those of how many of them each value has `passed`."""
        last = {x: by_passed.left <= k for k, x in enumerate(thresholds)}
        return dataclasses.replace(self, at_most={x: by_passed.counts[:, at].sum(axis=1) for x, at in last.items()})

    @property
    def empty(self) -> bool:
        """Whether nothing was counted, or something that is no number."""
        return not self.counts.sum() > 0 or bool(np.isnan(self.left).any() or np.isnan(self.right).any())

    def _below(self) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
        """The distribution function at the end of each bin, and its standard error.

        A ratio of sums: a group's residual is ``F_g(x) - F(x) w_g``, with w_g its weight.
        """
        groups = self.counts.cumsum(axis=1)
        weights = groups[:, -1]
        below = groups.sum(axis=0) / weights.sum()
        residuals = groups - below * weights[:, None]
        count = len(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt((residuals**2).sum(axis=0) / np.float64(count * (count - 1))) / weights.mean()
        return below, error

    def quantile(self, probability: float, level: float = 0.95) -> tuple[float, float, float]:
        """(value, low, high): the quantile, and the points x whose F(x) is not told from ``probability`` at ``level``.

        The interval inverts the test of F(x) = p by Student's t over groups (Woodruff 1952; Francisco and Fuller 1991):
        low is the first x with ``F(x) + t se(x) >= p``, high the first from which on ``F(x) - t se(x) >= p``. So it
        holds at atoms and for whole numbers too, need not be symmetric, and is at least a bin. In the tails, where less than
        `FEW` independent values are on one side of x, the bounds of F(x) are those of Clopper and Pearson for as many values
        as say as much of the median (Korn and Graubard 1998). An end beyond all that was seen is nan, and so is then the
        value: below the least one, unless many are equal to it, as waits of 0 are. nan too where nothing was counted, and
        for the ends where there is one group only.
        """
        if self.empty:
            return np.nan, np.nan, np.nan
        below, error = self._below()
        value = self._at(below, probability)
        t = t_quantile((1 + level) / 2, len(self.counts) - 1)
        if not np.isfinite(t):
            return value, np.nan, np.nan
        lower, upper = below - t * error, below + t * error
        count = self._independent(below, error, level)
        few = np.flatnonzero(np.minimum(below, 1 - below) < FEW / count)
        lower[few], upper[few] = _clopper_pearson(below[few], count, level)
        highest, lowest = np.maximum.accumulate(upper), np.minimum.accumulate(lower[::-1])[::-1]
        least = self.left[0] == self.right[0] and below[0] >= SEEN / count
        unseen = 0.0 if least else float(_clopper_pearson(np.zeros(1), count, level)[1][0])
        low = self._at(highest, probability, -1) if unseen < probability else np.nan
        high = self._at(lowest, probability, 1) if lowest[-1] >= probability * (1 - ROUNDING) else np.nan
        k = self._reached(highest, probability)
        if np.isfinite(low + high) and k == self._reached(lowest, probability):
            low, high = float(self.left[k]), float(self.right[k])  # where in a bin its values lie is not known
        return (value if np.isfinite(low) and np.isfinite(high) else np.nan), low, high

    def _independent(self, below: Float[np.ndarray, " bins"], error: Float[np.ndarray, " bins"], level: float) -> float:
        """How many independent values would say as much of the distribution function where it is nearest to 1/2, with the
        quantile of the normal law; infinite where all groups agree, or there is one."""
        k = int(np.argmin(np.abs(below - 0.5)))
        wide = t_quantile((1 + level) / 2, len(self.counts) - 1) * error[k] / scipy.special.ndtri((1 + level) / 2)
        return below[k] * (1 - below[k]) / wide**2 if wide**2 > 0 and below[k] < 1 else np.inf

    @staticmethod
    def _reached(below: Float[np.ndarray, " bins"], probability: float) -> int:
        """The bin in which ``below`` reaches a probability; the sums are rounded: one that is met exactly is met."""
        return min(int(np.searchsorted(below, probability * (1 - ROUNDING))), len(below) - 1)

    def _at(self, below: Float[np.ndarray, " bins"], probability: float, side: int = 0) -> float:
        """Where ``below`` reaches a probability; among whole numbers of one bin, ``side`` takes its first or last."""
        k = self._reached(below, probability)
        left, right = float(self.left[k]), float(self.right[k])
        if left == right:
            return left
        if self.whole and side:
            return left if side < 0 else right
        before = max(below[k - 1], 0.0) if k else 0.0
        share = (probability - before) / (below[k] - before) if below[k] > before else 1.0
        value = left + min(max(share, 0.0), 1.0) * (right - left)
        return float(round(value)) if self.whole else value

    def below(self, value: float, level: float = 0.95) -> Estimate:
        """P(X <= value), a bin that ``value`` cuts taken as even unless it is one of ``at_most``; nan where nothing was
        counted.

        The residuals are of groups. Where few values, or none, are on one side, one more counts as one of those that
        are independent (``episode``)."""
        if self.empty:
            return Estimate(np.nan, np.full(len(self.counts), np.nan))
        return self._estimate(self.at_most[value] if value in self.at_most else self.counts @ self._share(value), level)

    def below_end(self, value: float, level: float = 0.95) -> tuple[float, Estimate]:
        """Where the bin of a value ends, and P(X < that end), nothing taken as even. Where there is no such bin, or it holds
        whole numbers, or one value: the value, or the last number in it, and P(X <= that)."""
        end = counts_to(value, self.whole)
        k = int(np.searchsorted(self.left, end, side="right")) - 1
        if k >= 0 and self.left[k] < self.right[k] and (end < self.right[k] or self.whole):
            end = max(end, float(self.right[k]))
        return end, self._estimate(self.counts[:, : k + 1].sum(axis=1), level)

    def _estimate(self, groups: Float[np.ndarray, " groups"], level: float) -> Estimate:
        """A probability, from counts by group of what has it."""
        weights = self.counts.sum(axis=1)
        found = float(groups.sum() / weights.sum())
        one = 1 / self._independent(*self._below(), level)
        few = min(found, 1 - found) < FEW * one
        return Estimate(found, (groups - found * weights) / weights.mean(), episode=float(one * few))

    def _share(self, value: float) -> Float[np.ndarray, " bins"]:
        """The share of each bin that is at most ``value``."""
        value = counts_to(value, self.whole)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (value - self.left + self.whole) / (self.right - self.left + self.whole)
        return np.where(self.right <= value, 1.0, np.where(self.left > value, 0.0, inside))

    def probability_below(self, value: float, level: float = 0.95) -> tuple[float, float]:
        """(P(X <= value), half-width) from `below`; nan where nothing was counted.

        Where few values, or none, are on one side, the half-width is at least that to the further end of Clopper and
        Pearson's interval, as in `quantile`."""
        found = self.below(value, level)
        width = found.half_width(level)
        if found.episode:
            low, high = (float(x[0]) for x in _clopper_pearson(np.array([found.value]), 1 / found.episode, level))
            width = max(width, found.value - low, high - found.value)
        return found.value, width


def _clopper_pearson(
    share: Float[np.ndarray, " bins"], count: float, level: float
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """The ends of the interval of a probability, from the share of so many independent values."""
    if not np.isfinite(count):
        return share, share
    k, tail = np.clip(share, 0.0, 1.0) * count, (1 - level) / 2
    none, all = k <= 0, k >= count * (1 - ROUNDING)
    low = scipy.special.betaincinv(np.where(none, 1.0, k), count - k + 1, tail)
    high = scipy.special.betaincinv(k + 1, np.where(all, 1.0, count - k), 1 - tail)
    return np.where(none, 0.0, low), np.where(all, 1.0, high)
