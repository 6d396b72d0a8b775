"""Estimates with residuals: arithmetic that carries the interval along.

A simulation of R independent replicas gives every sum as a mean over replicas and R residuals. Any smooth function of
means is again an estimate: its residuals are the linear combination that the chain rule gives (the delta method), so
ratios of sums, Little's law, differences under common random numbers and control variates all get an honest
interval from one rule, ``se = sqrt(sum residual**2 / (R (R - 1)))``. What sums in float32 may be off by goes along
too, and is no part of the interval: a difference of two large ones may be rounding and nothing else.
"""

import dataclasses

import numpy as np

from jaxq.stats.intervals import t_quantile


@dataclasses.dataclass(frozen=True)
class Estimate:
    """``value``, its per-replica ``residuals`` (float64, shape (replicas,), mean zero) and how far ``rounding`` may have
    moved the value."""

    value: float
    residuals: np.ndarray
    rounding: float = 0.0

    @classmethod
    def of(cls, samples: np.ndarray, rounding: float = 0.0) -> "Estimate":
        """The mean of independent samples, one a replica; ``rounding``: of each, as a share of it."""
        mean = float(np.mean(samples))
        return cls(mean, np.asarray(samples, np.float64) - mean, rounding * abs(mean))

    def _binary(self, other, value, d_self, d_other):
        residuals, rounding = d_self * self.residuals, abs(d_self) * self.rounding
        if isinstance(other, Estimate):
            residuals, rounding = residuals + d_other * other.residuals, rounding + abs(d_other) * other.rounding
        return Estimate(value, residuals, rounding)

    def __add__(self, other):
        return self._binary(other, self.value + _value(other), 1.0, 1.0)

    def __sub__(self, other):
        return self._binary(other, self.value - _value(other), 1.0, -1.0)

    def __mul__(self, other):
        return self._binary(other, self.value * _value(other), _value(other), self.value)

    def __truediv__(self, other):
        with np.errstate(divide="ignore", invalid="ignore"):
            over = np.float64(1.0) / _value(other)
            return self._binary(other, float(self.value * over), over, -self.value * over * over)

    def __rtruediv__(self, other):
        over = np.float64(1.0) / self.value
        return Estimate(
            float(other * over), -other * over * over * self.residuals, abs(other * over * over) * self.rounding
        )

    def __rsub__(self, other):
        return Estimate(other - self.value, -self.residuals, self.rounding)

    def __neg__(self):
        return Estimate(-self.value, -self.residuals, self.rounding)

    __radd__ = __add__
    __rmul__ = __mul__

    @property
    def standard_error(self) -> float:
        """Standard error from the residuals; nan with fewer than two replicas."""
        n = self.residuals.size
        return float(np.sqrt(np.dot(self.residuals, self.residuals) / (n * (n - 1)))) if n > 1 else float("nan")

    def half_width(self, level: float = 0.95) -> float:
        """Half-width of the two-sided Student interval at ``level``."""
        return self.standard_error * t_quantile((1 + level) / 2, self.residuals.size - 1)

    def grouped(self, groups: int) -> "Estimate":
        """The same estimate with residuals averaged over ``groups`` groups of neighbouring replicas."""
        cut = np.array_split(self.residuals, min(groups, self.residuals.size))
        return Estimate(self.value, np.array([part.mean() for part in cut]), self.rounding)


def _value(x) -> float:
    return x.value if isinstance(x, Estimate) else x
