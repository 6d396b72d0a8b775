"""Estimates with residuals: arithmetic that carries the interval along.

A simulation of R independent replicas gives every sum as a mean over replicas and R residuals. Any smooth function of
means is again an estimate: its residuals are the linear combination that the chain rule gives (the delta method), so
ratios of sums, Little's law, differences under common random numbers and control variates all get an honest
interval from one rule, ``se = sqrt(sum residual**2 / (R (R - 1)))``. What sums in float32 may be off by goes along
too, and is no part of the interval: a difference of two large ones may be rounding and nothing else. So does the
``grain`` of a sum that few replicas, or none, have seen anything of: the spread of these says nothing of the next one.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from jaxq.stats.intervals import t_quantile, two_sided_quantile

UNSEEN = 3.0
"""What has not been seen in n trials has a probability under 3/n, at 95 % (Hanley and Lippman-Hand 1983)."""

CRUMBS = 2.0**-48
"""Of two numbers that should cancel, what a few operations in float64 leave."""

SEEN = 10
"""Replicas that must have seen something of a quantity for their spread to be an error."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """``value`` (float), its per-replica ``residuals`` (float64, shape (replicas,), mean zero), and how far ``rounding`` may
    have moved the value. Of what was hardly seen, else 0: how far one more occurrence would move it, as large as the largest
    that was seen (``grain``), or one that lasts a correlation time of the run (``episode``). ``freedom``: degrees of freedom
    of the interval, where they are not replicas - 1."""

    value: Any
    residuals: Float[np.ndarray, "*windows replicas"]
    rounding: float | Float[np.ndarray, "windows 1"] = 0.0
    grain: float = 0.0
    episode: float = 0.0
    freedom: int | None = None

    @classmethod
    def of(
        cls,
        samples: Num[np.ndarray, "*windows replicas"],
        rounding: float = 0.0,
        grain: float = 0.0,
        episode: float = 0.0,
    ) -> "Estimate":
        """The mean of independent samples, one a replica; ``rounding``: of each, as a share of it.

        Samples of shape (windows, replicas) give a mean a window, (windows, 1), with which arithmetic goes on alike: all
        windows at once, for `windows`.
        """
        mean = float(np.mean(samples)) if np.ndim(samples) == 1 else np.mean(samples, axis=-1, keepdims=True)
        return cls(mean, np.asarray(samples, np.float64) - mean, rounding * abs(mean), grain, episode)  # pyright: ignore

    def windows(self, count: int) -> "list[Estimate]":
        """One estimate a window, of means of ``count`` windows at once or of a constant."""
        value, rounding = (np.broadcast_to(x, (count, 1)) for x in (self.value, self.rounding))
        residuals = np.broadcast_to(self.residuals, (count, self.residuals.shape[-1]))
        return [Estimate(float(v[0]), r, float(e[0])) for v, r, e in zip(value, residuals, rounding, strict=True)]

    def _binary(self, other, value, d_self, d_other):
        found = self._moved(value, d_self)
        if not isinstance(other, Estimate):
            return found
        other = other._moved(value, d_other)
        known = [x.freedom for x in (found, other) if x.freedom is not None]
        return Estimate(
            value,
            found.residuals + other.residuals,
            found.rounding + other.rounding,
            found.grain + other.grain,
            found.episode + other.episode,
            min(known, default=None),
        )

    def _moved(self, value, slope) -> "Estimate":
        """A function of this estimate with that value and slope."""
        size = abs(slope)
        grain = size * self.grain if self.grain else 0.0  # also where the slope is not a number
        return Estimate(value, slope * self.residuals, size * self.rounding, grain, size * self.episode, self.freedom)

    def _sum(self, other, sign: float) -> "Estimate":
        """Beside what was seen and varies, what was hardly seen counts as it was seen. What two residuals leave of
        each other by rounding is 0, not a spread."""
        found = self._binary(other, self.value + sign * _value(other), 1.0, sign)
        parts = [self, other] if isinstance(other, Estimate) else [self]
        if isinstance(other, Estimate):
            left, size = found.residuals, np.abs(self.residuals) + np.abs(other.residuals)
            found = dataclasses.replace(found, residuals=np.where(np.abs(left) > CRUMBS * size, left, 0.0))
        seen = any(not x.grain and x.residuals.any() for x in parts)
        return dataclasses.replace(found, grain=0.0, episode=0.0) if seen else found

    def __add__(self, other):
        return self._sum(other, 1.0)

    def __sub__(self, other):
        return self._sum(other, -1.0)

    def __mul__(self, other):
        return self._binary(other, self.value * _value(other), _value(other), self.value)

    def __truediv__(self, other):
        with np.errstate(divide="ignore", invalid="ignore"):
            over = np.float64(1.0) / _value(other)
            return self._binary(other, _scalar(self.value * over), over, -self.value * over * over)

    def __rtruediv__(self, other):
        over = np.float64(1.0) / self.value
        return self._moved(_scalar(other * over), -other * over * over)

    def __rsub__(self, other):
        return self._moved(other - self.value, -1.0)

    def __neg__(self):
        return self._moved(-self.value, -1.0)

    __radd__ = __add__
    __rmul__ = __mul__

    @property
    def standard_error(self) -> float:
        """Standard error from the residuals; nan with fewer than two replicas."""
        n = self.residuals.size
        return float(np.sqrt(np.dot(self.residuals, self.residuals) / (n * (n - 1)))) if n > 1 else float("nan")

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the interval."""
        return self.residuals.size - 1 if self.freedom is None else self.freedom

    def half_width(self, level: float = 0.95) -> float:
        """Half-width of the two-sided interval at ``level``, Student's corrected for skewness (`two_sided_quantile`). Of
        what was hardly seen moments say nothing: Student's, and at least the rule of three."""
        if self.grain:
            return max(self.standard_error * t_quantile((1 + level) / 2, self.degrees), UNSEEN * self.grain)
        return self.standard_error * float(two_sided_quantile(self.residuals, level, self.degrees))


def grain(samples: Num[np.ndarray, " replicas"], one: float) -> float:
    """What one more occurrence adds to the mean of ``samples``, if few of them are unlike the rest; 0 where enough are.

    The share of a replica in what was seen is |x - median|, 0 for most: all together count as (sum s)^2 / sum s^2 replicas,
    and from `SEEN` on their spread is an error. Below, an occurrence is as large as the largest share; it is ``one`` if
    nothing was seen.
    """
    share = np.abs(samples - np.median(samples))
    if 2 * np.count_nonzero(share) >= len(share) or share.sum() ** 2 >= SEEN * np.sum(share**2) > 0:
        return 0.0
    if share.any():
        return float(share.max()) / len(share)
    return 0.0 if samples.any() else one / len(share)  # a constant, or nothing


def _value(x) -> float:
    return x.value if isinstance(x, Estimate) else x


def _scalar(x):
    return float(x) if np.ndim(x) == 0 else x
