"""Student quantiles, family-wise agreement."""

import scipy  # its `special` is loaded where it is first used: a fifth of the time that `import jaxq` would take


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t law; nan without a degree of freedom."""
    return float(scipy.special.stdtrit(degrees, probability)) if degrees > 0 else float("nan")


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
