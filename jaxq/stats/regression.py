"""Estimates less their regression on controls, quantities whose mean is known to be 0."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from jaxq.stats.estimate import Estimate

COLLINEAR = 1e-6
"""Singular value, as a share of the largest, below which a combination of controls says nothing new."""


class Controls:
    """The means of controls over some replicas: ``values``, shape (controls,), and ``residuals``, (replicas, controls); with
    an axis of windows in front of both, and one of length 1 behind it, if there are several."""

    def __init__(self, means: Sequence[Estimate]):
        self.values = np.stack([np.asarray(control.value) for control in means], axis=-1)
        self.residuals = np.stack([control.residuals for control in means], axis=-1)

    def taken(self, slopes: Float[np.ndarray, " controls"], floor: float, estimate: Estimate) -> Estimate:
        """An estimate over the same replicas less ``slopes`` of other data times the controls; without spread where what is
        left is rounding, as far as ``floor``."""
        residuals = estimate.residuals - self.residuals @ slopes
        rounding = np.maximum(estimate.rounding, floor)
        count = residuals.shape[-1]
        error = np.sqrt(np.sum(residuals**2, axis=-1, keepdims=residuals.ndim > 1) / (count * (count - 1)))
        residuals = np.where(error > rounding, residuals, 0.0)
        return dataclasses.replace(
            estimate, value=estimate.value - self.values @ slopes, residuals=residuals, rounding=rounding
        )


class Regression:
    """Estimates regressed on controls over the same replicas.

    Formula: the controlled value is y - b (c - 0), b the least-squares slopes of the residuals of y on those of c. Its
    error is that of the regression, s^2 (1/n + c' (C'C)^-1 c) with s^2 = |r|^2 / (n - 1 - q), and its Student interval has
    n - 1 - q degrees of freedom, for n replicas and q controls that are not collinear.

    Args:
        controls: of n replicas.
        floor: what rounding may have done to a controlled value, as a function of its slopes.

    Source: Lavenberg and Welch (1981), Management Science 27(3), 322-335.
    """

    def __init__(
        self, controls: Controls, floor: Callable[[Float[np.ndarray, " controls"]], float] = lambda slopes: 0.0
    ):
        self.floor = floor
        size = np.sqrt(np.mean(controls.residuals**2, axis=0))
        self._scale = np.where(size > 0, size, 1.0)
        left, singular, right = np.linalg.svd(controls.residuals / self._scale, full_matrices=False)
        kept = singular > COLLINEAR * max(singular[0], np.finfo(float).tiny)
        self._left, self._right, self._singular = left[:, kept], right[kept], singular[kept]
        self._at = self._right @ (controls.values / self._scale) / self._singular

    @property
    def rank(self) -> int:
        """q, the controls that are not collinear."""
        return self._singular.size

    def fits(self, estimate: Estimate) -> bool:
        """Whether the controls can say anything of an estimate: not of one that has no spread of its own, is not finite or
        was hardly seen, nor where replicas are too few."""
        enough = self.rank > 0 and estimate.residuals.size >= 2 * self.rank + 10
        return bool(enough and np.isfinite(estimate.value) and not estimate.grain and estimate.residuals.any())

    def slopes(self, estimate: Estimate) -> Float[np.ndarray, " controls"]:
        """b, one a control; 0 where the controls say nothing."""
        if not self.fits(estimate):
            return np.zeros(self._scale.size)
        return self._right.T @ (self._left.T @ estimate.residuals / self._singular) / self._scale

    def corrected(self, estimate: Estimate) -> Estimate:
        """The controlled estimate, its residuals scaled to its error, which is never under what rounding may have done."""
        if not self.fits(estimate):
            return estimate
        n, q = estimate.residuals.size, self.rank
        along = self._left.T @ estimate.residuals
        residuals = estimate.residuals - self._left @ along
        residuals *= np.sqrt((n - 1) / (n - 1 - q) * (1 + n * float(self._at @ self._at)))
        value = estimate.value - float(along @ self._at)
        rounding = max(estimate.rounding, self.floor(self.slopes(estimate)))
        found = dataclasses.replace(estimate, value=value, residuals=residuals, rounding=rounding, freedom=n - 1 - q)
        error = found.standard_error
        return found if error >= found.rounding else _widened(found, error)


def _widened(estimate: Estimate, error: float) -> Estimate:
    """An estimate whose error is what rounding may have done."""
    n = estimate.residuals.size
    residuals = estimate.residuals * (estimate.rounding / error) if error > 0 else np.resize([1.0, -1.0], n)
    if error == 0:
        residuals *= estimate.rounding * np.sqrt(n - 1)
    return dataclasses.replace(estimate, residuals=residuals)
