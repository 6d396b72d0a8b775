"""The distribution of a quantity that a run kept a histogram of (``quantiles``)."""

from typing import Any

import numpy as np

from jaxq.engine.result import Result
from jaxq.plotting.labels import COLOUR, ORACLE, axis_label, given_or_new
from jaxq.plotting.style import house

TAIL = 0.001
"""Probability to the right of the picture."""
CELLS = 80
MOST_BARS = 512


@house()
def plot_histogram(result: Result, quantity: str, ax: Any = None) -> Any:
    """The distribution of ``quantity``; returns the Axes.

    Probabilities of whole numbers as bars; otherwise a density, with an atom at zero written down. The quantiles that
    were asked for are lines. Raises KeyError if the run kept no histogram of ``quantity``.
    """
    if quantity not in result.histograms:
        raise KeyError(f"{quantity}: no histogram was kept; run with quantiles={quantity!r}")
    ax = given_or_new(ax)
    left, right, probability = bins(result.histograms[quantity])
    metric = result.metrics.get(quantity)
    unit = None if metric is None else metric.unit
    if np.all(left == right) and np.all(left == np.floor(left)) and np.ptp(left) <= MOST_BARS:
        shown = np.cumsum(probability) - probability < 1 - TAIL
        ax.bar(left[shown], probability[shown], 0.85, color=COLOUR, alpha=0.6)
        ax.set_ylabel("probability")
    else:
        _density(ax, left, right, probability)
        ax.set_ylabel("density" if unit is None else f"density (1/{unit})")
    for p, q in result.quantiles.get(quantity, {}).items():
        if q["value"] is not None and q["value"] <= ax.get_xlim()[1]:
            ax.axvline(q["value"], color=ORACLE, linewidth=1, linestyle=":")
            text, place = f" {100 * float(p):g} %: {q['value']:.3g}", (q["value"], 0.98)
            where = ("data", "axes fraction")
            ax.annotate(text, place, xycoords=where, color=ORACLE, fontsize="small", va="top")
    ax.set_xlabel(axis_label(quantity, unit))
    ax.set_ylim(bottom=0)
    return ax


def bins(histogram: dict[str, list]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(left ends, right ends, probabilities) of the bins of a histogram."""
    left = np.array(histogram["left"], float)
    right = np.array([np.nan if x is None else x for x in histogram["right"]], float)
    return left, np.where(np.isfinite(right), right, 2 * left), np.array(histogram["probability"], float)


def _density(ax: Any, left: np.ndarray, right: np.ndarray, probability: np.ndarray) -> None:
    at_zero = (left == 0) & (right == 0)
    atom, probability = probability[at_zero].sum(), np.where(at_zero, 0.0, probability)
    below = np.cumsum(probability)
    end = right[min(np.searchsorted(below, below[-1] - TAIL), right.size - 1)]
    start = min(0.0, left[np.searchsorted(below, TAIL)]) if left[0] < 0 else 0.0
    if not end > start:
        return
    edges = np.linspace(start, end, CELLS + 1)
    # the bins are finer than the cells except far out, so the distribution function is interpolated at their ends
    ends = np.stack([left, right], axis=1).ravel()
    values = np.stack([below - probability, below], axis=1).ravel()
    inside = np.interp(edges, ends, values, left=0.0)
    ax.stairs(np.diff(inside) / np.diff(edges), edges, fill=True, color=COLOUR, alpha=0.5)
    ax.set_xlim(start, end)
    if atom > 0:
        ax.annotate(f"P(0) = {atom:.4g}", (0.98, 0.9), xycoords="axes fraction", ha="right", color="0.25")
