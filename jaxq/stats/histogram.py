"""Log-linear histograms: 64 bins an octave from 2**-30 to 2**30, so any quantile is known to better than 1.6 %.

Whole numbers up to 128 have a bin each. Binning is a bit operation on the float32 value, so it costs the device
little; quantiles are read on the host, with intervals from groups of replicas.
"""

import jax
import jax.numpy as jnp
import numpy as np

_SHIFT, _OCTAVES = 17, 60
_LOWEST = (127 - 30) << (23 - _SHIFT)
BINS = _OCTAVES * 64 + 2
"""Bin 0 holds values under 2**-30 (zero among them), the last bin those from 2**30 on."""


def bin_of(values):
    """Bin index, int32, of non-negative ``values`` (any shape and number type)."""
    bits = jax.lax.bitcast_convert_type(jnp.asarray(values).astype(jnp.float32), jnp.int32)
    return jnp.clip((bits >> _SHIFT) - _LOWEST + 1, 0, BINS - 1)


def edges() -> np.ndarray:
    """Left edges of the bins and the right edge of the last, float64, length BINS + 1; bin 0 is taken as the atom 0."""
    bits = ((np.arange(BINS - 1, dtype=np.int64) + _LOWEST) << _SHIFT).astype(np.int32)
    return np.concatenate([[0.0], bits.view(np.float32).astype(np.float64), [np.inf]])


def quantile(counts: np.ndarray, probability: float, whole: bool = False):
    """A quantile and its residual per group, from weighted counts of shape (groups, BINS).

    The quantile of the pooled distribution F; a group's residual is ``(p w_g - F_g(q)) / (f(q) mean w)`` (the linearised
    estimator, Bahadur), whose standard deviation over sqrt(groups) is the standard error. ``whole``: the values
    are whole numbers, and the answer is one (its residual is then that of the distribution function at it).
    """
    pooled = counts.sum(axis=0)
    total = pooled.sum()
    below = np.cumsum(pooled)
    k = int(np.searchsorted(below, probability * total))
    left, right = edges()[k], edges()[k + 1]
    inside = pooled[k]
    before = below[k] - inside
    if k == 0 or whole:
        value, share, width = left, 0.0, 0.0
    else:
        share = (probability * total - before) / inside
        width = right - left if np.isfinite(right) else np.inf
        value = left + share * width if np.isfinite(width) else left
    groups = counts[:, :k].sum(axis=1) + share * counts[:, k]
    density = inside / total / width if width and np.isfinite(width) else np.inf
    weights = counts.sum(axis=1)
    residuals = (probability * weights - groups) / (density * weights.mean())
    return float(value), residuals
