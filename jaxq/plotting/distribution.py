"""The distribution function of a quantity that a run kept a histogram of (``quantiles``), and its tail."""

from typing import Any

import numpy as np

from jaxq.engine.result import Result
from jaxq.plotting.histogram import bins
from jaxq.plotting.labels import axis_label, given_or_new
from jaxq.plotting.style import colours, house

LEAST = 1e-6
"""Probabilities below are left out of a tail."""
SEEN = 0.999
"""Share of the distribution that its distribution function shows."""


@house()
def plot_distribution(result: Result, quantity: str, ax: Any = None) -> Any:
    """P(X <= x) of ``quantity``, with the quantiles and service levels that were asked for and their intervals, beside its
    exact law where that is known; returns the Axes.

    Raises KeyError if the run kept no histogram of ``quantity``.
    """
    ax, x, below = _begun(result, quantity, ax)
    _line(ax, x, below)
    _exact(ax, result, quantity, tail=False)
    _quantiles(ax, result, quantity, tail=False)
    _service_levels(ax, result, quantity, tail=False)
    end = x[min(np.searchsorted(below, SEEN * below[-1]), x.size - 1)]
    if end > min(0.0, x[0]):
        ax.set_xlim(min(0.0, x[0]), end)
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("P(X ≤ x)")
    return ax


@house()
def plot_tail(result: Result, quantity: str, ax: Any = None) -> Any:
    """P(X > x) of ``quantity`` on a logarithmic axis, as `plot_distribution`; returns the Axes."""
    ax, x, below = _begun(result, quantity, ax)
    above = 1.0 - below
    shown = above > LEAST
    kept = result.distributions.get(quantity)
    if kept is not None:
        width = np.array([kept.probability_below(at, result.run["level"])[1] for at in x])
        shown &= ~(width >= above)  # further out too few have been seen
        low, high = above - width, above + width
        ax.fill_between(x[shown], low[shown], high[shown], color=colours()[0], alpha=0.25, linewidth=0, step=_step(x))
    _line(ax, x[shown], above[shown])
    _exact(ax, result, quantity, tail=True, to=x[shown].max(initial=0.0))
    _quantiles(ax, result, quantity, tail=True)
    _service_levels(ax, result, quantity, tail=True)
    ax.set_yscale("log")
    ax.set_ylim(0.3 * above[shown].min(initial=1.0), 1.5)
    ax.set_ylabel("P(X > x)")
    return ax


def fill_distribution(result: Result, quantity: str, figure: Any) -> None:
    """Distribution function and tail side by side."""
    left, right = figure.subplots(1, 2)
    plot_distribution(result, quantity, left)
    plot_tail(result, quantity, right)
    if left.get_legend_handles_labels()[0]:
        left.legend(loc="lower right")


def _begun(result: Result, quantity: str, ax: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """(Axes, ends of bins, probability up to there)."""
    if quantity not in result.histograms:
        raise KeyError(f"{quantity}: no histogram was kept; run with quantiles={quantity!r}")
    ax = given_or_new(ax)
    metric = result.metrics.get(quantity)
    ax.set_xlabel(axis_label(quantity, None if metric is None else metric.unit))
    left, right, probability = bins(result.histograms[quantity])
    whole = bool(np.all(left == right))
    x = left if whole else right
    below = np.cumsum(probability)
    return (ax, x, below) if whole else (ax, np.r_[min(0.0, left[0]), x], np.r_[0.0, below])


def _exact(ax: Any, result: Result, quantity: str, tail: bool, to: float = np.inf) -> None:
    """The exact law up to some value, where it is known."""
    histogram = result.histograms[quantity]
    if "exact" in histogram:
        _, x, _ = bins(histogram)
        y = np.array(histogram["exact"], float)
        shown = (x <= to) & np.isfinite(y)
        style = "default" if _step(x) is None else "steps-post"
        y = 1 - y if tail else y
        ax.plot(x[shown], y[shown], color="0.2", linewidth=0.7, drawstyle=style, label="exact")


def _line(ax: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Steps where the values are few, a line through the ends of bins elsewhere."""
    ax.plot(x, y, color=colours()[0], drawstyle="default" if _step(x) is None else "steps-post")


def _step(x: np.ndarray) -> Any:
    return "post" if x.size > 1 and np.all(x == np.floor(x)) else None


def _quantiles(ax: Any, result: Result, quantity: str, tail: bool) -> None:
    label = f"quantiles, {100 * result.run['level']:g} % intervals"
    for p, q in result.quantiles.get(quantity, {}).items():
        value, low, high = q["value"], q["low"], q["high"]
        if value is None:
            continue
        y = 1 - float(p) if tail else float(p)
        width = [[0.0], [0.0]] if low is None or high is None else [[value - low], [high - value]]
        ax.errorbar(value, y, xerr=width, fmt="o", color=colours()[1], markersize=3.5, capsize=3, label=label)
        ax.annotate(
            f"{100 * float(p):g} %: {value:.3g}",
            (value, y),
            xytext=(5, 4 if tail else -4),
            textcoords="offset points",
            fontsize="x-small",
            va="bottom" if tail else "top",
        )
        label = None


def _service_levels(ax: Any, result: Result, quantity: str, tail: bool) -> None:
    label = f"service levels, {100 * result.run['level']:g} % intervals"
    for threshold, row in result.service_levels.get(quantity, {}).items():
        value, low, high = (row[key] for key in ("value", "low", "high"))
        if value is None or low is None or high is None:
            continue
        width = [[value - low], [high - value]]
        y, yerr = (1 - value, width[::-1]) if tail else (value, width)
        ax.errorbar(float(threshold), y, yerr=yerr, fmt="s", color=colours()[2], markersize=3.5, capsize=3, label=label)
        label = None
