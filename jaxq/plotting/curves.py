"""Analytic curves with simulated points on them, and what is left when the curve is taken away."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.plotting.labels import COLOUR, given_or_new
from jaxq.plotting.style import house


@house()
def plot_curve(
    x: Sequence[float], y: Sequence[float], ax: Any = None, *, label: str | None = None, colour: str = COLOUR
) -> Any:
    """An analytic curve as a line; returns the Axes."""
    ax = given_or_new(ax)
    ax.plot(x, y, color=colour, linewidth=1.3, label=label)
    return ax


@house()
def plot_points(
    x: Sequence[float], metrics: Sequence[Metric], ax: Any = None, *, colour: str = COLOUR, marker: str = "o"
) -> Any:
    """Simulated metrics with their intervals; a withheld mean is left out. Returns the Axes."""
    ax = given_or_new(ax)
    _points(ax, x, metrics, [0.0] * len(metrics), colour, marker)
    return ax


@house()
def plot_deviations(
    x: Sequence[float],
    metrics: Sequence[Metric],
    ax: Any = None,
    *,
    colour: str = COLOUR,
    marker: str = "o",
    shift: float = 0.0,
) -> Any:
    """Simulated metrics less their oracles, with intervals, moved by ``shift`` along x; returns the Axes.

    Below a curve it shows intervals that are smaller than the markers on the curve.
    """
    ax = given_or_new(ax)
    ax.axhline(0.0, color="0.5", linewidth=0.9, zorder=1)
    _points(ax, np.asarray(x, float) + shift, metrics, [m.oracle or 0.0 for m in metrics], colour, marker)
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    return ax


def _points(ax: Any, x: Any, metrics: Sequence[Metric], taken: Sequence[float], colour: str, marker: str) -> None:
    mean = np.array([np.nan if m.mean is None else m.mean - value for m, value in zip(metrics, taken, strict=True)])
    width = np.array([0.0 if m.half_width is None else m.half_width for m in metrics])
    style = {"markerfacecolor": "white", "markersize": 4.5, "linewidth": 1.1, "capsize": 2}
    ax.errorbar(x, mean, width, fmt=marker, color=colour, **style)
