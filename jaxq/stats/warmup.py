"""How much of a run to discard: initial bias found from paired windows, and extrapolated.

Many short replicas make the initial bias the main error and the mean curve so smooth that rules for a single path
(MSER-5) cut on noise. Here each early window is compared with the last half of the same replicas; an exponential
``a exp(-t / tau)`` is fitted to the differences, from every later start as well, so that a small slow component is not
hidden by a large fast one; the slowest decay that the data allow decides, and the run is discarded until the bias that
is left in the average falls under 0.03 half-widths, or as much of what rounding may have done where that is more (a
metric that is a constant has no half-width).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num

from jaxq.stats.batch_means import widened
from jaxq.stats.estimate import Estimate

BIAS_SHARE = 0.03
"""Bias left in the average, as a share of its half-width."""
_SIGNIFICANT = 12.0
"""Reduction in chi-square above which a transient is declared (false-alarm probability 1/2000 per fit; several fits are
made). For n points run together it is raised by 2 log n to keep the family-wise false-alarm probability, because the run
continues until no point reports a transient."""
STRETCHES = 16
"""Stretches that windows are put together to, for the growth of few replicas."""
_TAUS = np.geomspace(0.25, 640.0, 45)


def least_cut(windows: int) -> int:
    """What is always discarded, a sixteenth: a transient shorter than that need not be significant to matter."""
    return max(1, windows // 16)


def _decay(tau: float, windows: int) -> Float[np.ndarray, " windows"]:
    """Mean of ``exp(-t / tau)`` over each window, time in windows."""
    t = np.arange(windows + 1)
    return tau * (np.exp(-t[:-1] / tau) - np.exp(-t[1:] / tau))


def _inflation(windows: Sequence[Estimate]) -> float:
    """``(1 + r) / (1 - r)`` with r the correlation of neighbouring windows within replicas, at least 0: by how much sums
    over windows vary more than independent ones would."""
    series = np.array([w.residuals for w in windows])
    square = np.sum(series[:-1] ** 2)
    r = np.sum(series[:-1] * series[1:]) / square if square > 0 and np.isfinite(square) else 0.0
    return (1 + r) / (1 - r) if 0 < r < 0.98 else 1.0 if r <= 0 else 99.0


def cut_of_metric(windows: Sequence[Estimate], last_half: Estimate, half_width: float, points: int = 1) -> int | None:
    """Windows to discard for one metric; None if the run is too short to tell (the cut would pass its middle).

    ``windows``: the metric over each window; ``last_half``: over the second half, paired by replica; ``half_width``:
    of the metric over the whole run; ``points``: systems that are run side by side.
    """
    count = len(windows)
    early = count // 2
    differences = [w - last_half for w in windows[:early]]
    d = np.array([x.value for x in differences])
    error = np.array([x.standard_error for x in differences])
    # A window of a rare event that did not happen has a tiny spread of its own: no window counts for more than usual.
    usual = error[early // 2 :][np.isfinite(error[early // 2 :])]
    error = np.maximum(error, np.sqrt(np.mean(usual**2)) if usual.size else 0.0)
    error = error * np.sqrt(_inflation(windows[early:]))
    known = np.isfinite(d) & (error > 0)
    if known.sum() < 4 or not half_width > 0:
        return least_cut(count)
    curves = np.array([_decay(tau, count) for tau in _TAUS])
    shape = curves[:, :early] - curves[:, early:].mean(axis=1, keepdims=True)
    weight = np.where(known, 1 / np.where(known, error, 1.0), 0.0)
    d = np.where(known, d, 0.0)
    cut = least_cut(count)
    for begin in (0, 1, 2, 4, 8, 16):
        if begin > early - 4:
            break
        x, y = shape[:, begin:] * weight[begin:], d[begin:] * weight[begin:]
        size = (x * y).sum(axis=1) / np.maximum((x * x).sum(axis=1), 1e-300)
        fall = size * (x * y).sum(axis=1)
        if fall.max() < _SIGNIFICANT + 2 * np.log(points):
            continue
        slowest = np.flatnonzero(fall >= fall.max() - 1.0)[-1]
        left = np.cumsum(curves[slowest, ::-1])[::-1] / np.arange(count, 0, -1)
        allowed = BIAS_SHARE * max(half_width, last_half.rounding) * np.sqrt(count / np.arange(count, 0, -1))
        small = np.flatnonzero(np.abs(size[slowest]) * left <= allowed)
        if small.size == 0 or small[0] > early:
            return None
        cut = max(cut, int(small[0]))
    return cut


def mser5(means: Num[np.ndarray, " windows"]) -> int | None:
    """MSER-5 on a mean curve (White 1997): the cut that minimises ``var(rest) / len(rest)``; None past the middle."""
    n = len(means)
    scores = [np.var(means[k:]) / (n - k) for k in range(n - 4)]
    best = int(np.argmin(scores))
    return None if best > n // 2 else best


def growth(windows: Sequence[Estimate], window_time: float) -> tuple[Estimate, float]:
    """(slope of the last half per unit time, slope of the last half over that of the first).

    Least squares over windows, paired by replica. A ratio near 1 is linear growth; a relaxation decays.
    """

    def slope(part):
        t = np.arange(len(part)) - (len(part) - 1) / 2
        weights = t / (np.dot(t, t) * window_time)
        value, residuals = weights @ [w.value for w in part], weights @ [w.residuals for w in part]
        return Estimate(float(value), residuals, float(np.abs(weights) @ [w.rounding for w in part]))

    half = len(windows) // 2
    last, first = slope(windows[half:]), slope(windows[:half])
    return last, last.value / first.value if first.value else float("inf")


def drift(windows: Sequence[Estimate], window_time: float) -> Estimate:
    """Mean growth per unit time, from the increments between `STRETCHES` neighbouring stretches of windows in each replica.

    Where few replicas say little of the spread of a slope, their increments do: those of a random walk depend on their
    neighbours only (`widened`), and those of what returns to its mean cancel, so that they vary less than they seem to.
    """
    size = len(windows) // STRETCHES
    values = np.array([w.value + w.residuals for w in windows[len(windows) - STRETCHES * size :]])
    means = values.reshape(STRETCHES, size, -1).mean(axis=1)
    increments = np.diff(means, axis=0) / (size * window_time)
    return widened(Estimate.of(increments.T.ravel()), STRETCHES - 1)
