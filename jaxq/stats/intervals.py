"""Student quantiles, family-wise agreement."""

import numpy as np
import scipy  # its `special` is loaded where it is first used: a fifth of the time that `import jaxq` would take
from jaxtyping import Float


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t law; nan without a degree of freedom."""
    return float(scipy.special.stdtrit(degrees, probability)) if degrees > 0 else float("nan")


MOMENTS = 20
"""Residuals that say something of their skewness; of ten it is mostly noise: intervals would be 8 % wider for nothing."""


def two_sided_quantile(
    residuals: Float[np.ndarray, " replicas *columns"], level: float, degrees: int
) -> Float[np.ndarray, " *columns"] | float:
    """Half of a two-sided interval at ``level``, in standard errors, for a mean whose residuals are skewed.

    Formula: ``x (1 + max(0, g^2 (x^4 + 2 x^2 - 3)/18 - k (x^2 - 3)/12)/n)``, x the quantile of Student's law, g the
    skewness and k the excess kurtosis of the n residuals: what is missing of the coverage falls from order 1/n to order
    n^(-3/2). Never narrower than Student's. Of fewer than `MOMENTS` residuals it is Student's.

    Args:
        residuals: float64, shape (n, ...), of mean 0 along the first axis.
        degrees: of freedom.

    Returns:
        Shape (...).

    Source: Hall (1992), The Bootstrap and Edgeworth Expansion, section 2.6, the polynomial q_2 of the Studentized mean.
    """
    n, x = len(residuals), t_quantile((1 + level) / 2, degrees)
    square = np.mean(residuals**2, axis=0)
    if n < MOMENTS:
        return np.full(np.shape(square), x)
    scale = np.sqrt(np.where(square > 0, square, 1.0))
    scaled = residuals / scale
    skewness, kurtosis = np.mean(scaled**3, axis=0), np.mean(scaled**4, axis=0) - 3.0
    short = skewness**2 * (x**4 + 2 * x**2 - 3) / 18 - kurtosis * (x**2 - 3) / 12
    return x * (1 + np.where(square > 0, np.maximum(short, 0.0), 0.0) / n)


def family_bound(comparisons: int, level: float = 0.95, degrees: int | None = None) -> float:
    """The bound that max |z| of ``comparisons`` correct values passes with probability at most ``1 - level``.

    Bonferroni: the quantile at ``1 - (1 - level)/(2 m)``, of the normal law or of Student's t with ``degrees``
    (2.81 for m = 10, 3.02 for m = 20 at 0.95).
    """
    probability = 1 - (1 - level) / (2 * max(comparisons, 1))
    return float(scipy.special.ndtri(probability)) if degrees is None else t_quantile(probability, degrees)


def as_unlikely(z: float, degrees: int) -> float:
    """The t of Student's law that is passed as rarely as ``z`` > 0 by a normal value: 5 is 5.6 with 63 degrees
    of freedom, 8.3 with 15, and 1.1 million with 1."""
    return -t_quantile(float(scipy.special.ndtr(-z)), degrees)
