"""Estimates less their regression on controls, quantities whose mean is known to be 0."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from jaxq.stats.estimate import Estimate, grain

COLLINEAR = 1e-6
"""Singular value, as a share of the largest, below which a combination of controls says nothing new."""
LEVERAGE = 0.4
"""Share of its own fit that a replica determines (Huber 1981, Robust Statistics, 7.2) from which it is looked at."""
PAIR = 0.9
"""Share of a combination of controls that two replicas may have: what they alone have seen fits them, whatever it is."""
FAR = 10.0
"""Hotelling's T^2 of the means of controls, a combination: above it they are not all there was to see. Of one normal
control chance gives more once in 600 runs; of many skewed ones, which explain a short run all the same, 4 was seen."""


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
    n - 1 - q degrees of freedom, for n replicas and q combinations of controls that are not collinear and that more than two
    replicas have seen.

    A combination of controls that is the same in all replicas must be 0. Where it is not, states that balance it were never
    seen, and the other controls do not tell how far the mean is off: up to |b|·|v| |v·c|, for a combination v and all in
    units of a standard deviation of each control. Nor were they where the means of all controls together are too far from 0
    (Hotelling). Then, and where the mean may be off by more than its own error, an estimate keeps what it has.

    Args:
        controls: of n replicas.
        floor: what rounding may have done to a controlled value, as a function of its slopes.

    Source: Lavenberg and Welch (1981), Management Science 27(3), 322-335.
    """

    def __init__(
        self, controls: Controls, floor: Callable[[Float[np.ndarray, " controls"]], float] = lambda slopes: 0.0
    ):
        self.floor = floor
        self._values, size = controls.values, np.sqrt(np.mean(controls.residuals**2, axis=0))
        self._scale = np.where(size > 0, size, 1.0)
        left, singular, right = np.linalg.svd(controls.residuals / self._scale, full_matrices=False)
        varies, values = singular > COLLINEAR * max(singular[0], np.finfo(float).tiny), controls.values / self._scale
        n, self._enough = len(left), varies.any() and len(left) >= 2 * np.count_nonzero(varies) + 10
        self._left, self._combined = seen_by_several(left[:, varies], right[varies].T / singular[varies])
        self._at = self._combined.T @ values
        q = self.rank
        if q and self._enough:
            self._enough = n * (n - q) / q * float(self._at @ self._at) < FAR
        self._unbalanced = np.abs(right[~varies] @ values) @ np.abs(right[~varies])

    @property
    def rank(self) -> int:
        """q, the combinations of controls that are used."""
        return self._left.shape[1]

    def fits(self, estimate: Estimate) -> bool:
        """Whether the controls can say anything of an estimate: not of one that has no spread of its own, is not finite or
        was hardly seen, nor where replicas are too few or controls were seen in part."""
        return bool(self._enough and np.isfinite(estimate.value) and not estimate.grain and estimate.residuals.any())

    def slopes(self, estimate: Estimate) -> Float[np.ndarray, " controls"]:
        """b, one a control; 0 where the controls say nothing."""
        if not self.fits(estimate):
            return np.zeros(self._scale.size)
        return self._combined @ (self._left.T @ estimate.residuals) / self._scale

    def value(self, estimate: Estimate) -> float:
        """The controlled value, whatever its error."""
        return estimate.value - float(self._values @ self.slopes(estimate))

    def blur(self, slopes: Float[np.ndarray, " controls"]) -> float:
        """How far a mean controlled with these slopes may be off and its spread not tell."""
        return max(self.floor(slopes), self._unseen(slopes))

    def _unseen(self, slopes: np.ndarray) -> float:
        return float(self._unbalanced @ np.abs(slopes * self._scale))

    def corrected(
        self, estimate: Estimate, solved: Callable[[Float[np.ndarray, " controls"]], bool] = lambda slopes: True
    ) -> Estimate:
        """The controlled estimate, its residuals scaled to its error, which is never under what rounding may have done.

        Where controls leave no spread, or only in a few replicas, they explain what was seen; ``solved`` says of slopes
        whether they explain it everywhere, and the estimate stays as it is if not.
        """
        if not self.fits(estimate):
            return estimate
        n, q, slopes = estimate.residuals.size, self.rank, self.slopes(estimate)
        if self._unseen(slopes) >= estimate.standard_error:
            return estimate
        along = self._left.T @ estimate.residuals
        residuals = estimate.residuals - self._left @ along
        residuals *= np.sqrt((n - 1) / (n - 1 - q) * (1 + n * float(self._at @ self._at)))
        value, rounding = estimate.value - float(along @ self._at), max(estimate.rounding, self.blur(slopes))
        left = np.where(np.abs(residuals) > rounding * np.sqrt(n), residuals, 0.0)
        if grain(left, 1.0) and not solved(slopes):
            return estimate
        found = dataclasses.replace(estimate, value=value, residuals=residuals, rounding=rounding, freedom=n - 1 - q)
        error = found.standard_error
        return found if error >= found.rounding else _widened(found, error)


def seen_by_several(
    left: Float[np.ndarray, "replicas combinations"], combined: Float[np.ndarray, "controls combinations"]
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal combinations of controls, one a column, and their coefficients, without those that two replicas or one
    have seen nearly alone: of each with much leverage, the combination that it sees most of."""
    hold = np.sum(left**2, axis=1)
    for i in np.argsort(-hold)[: np.count_nonzero(hold > LEVERAGE)]:
        share = np.sort((left @ left[i]) ** 2 / hold[i])
        if share[-2:].sum() > PAIR:
            others = np.linalg.svd(left[[i]])[2][1:].T  # orthogonal to that combination
            return seen_by_several(left @ others, combined @ others)
    return left, combined


def _widened(estimate: Estimate, error: float) -> Estimate:
    """An estimate whose error is what rounding may have done."""
    n = estimate.residuals.size
    residuals = estimate.residuals * (estimate.rounding / error) if error > 0 else np.resize([1.0, -1.0], n)
    if error == 0:
        residuals *= estimate.rounding * np.sqrt(n - 1)
    return dataclasses.replace(estimate, residuals=residuals)
