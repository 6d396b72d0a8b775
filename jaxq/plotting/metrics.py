"""One result: every metric's interval next to its oracle."""

import dataclasses
from collections.abc import Collection
from typing import Any

from jaxq.engine.derivatives import Gradients
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result
from jaxq.plotting.distribution import fill_distribution
from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import (
    MINUS,
    WITHHELD,
    axis_label,
    given_or_new,
    heading,
    interval_label,
    write_column,
)
from jaxq.plotting.style import colours, house


@house()
def plot_metrics(result: Result, ax: Any = None, *, metric: Collection[str] = ()) -> Any:
    """Deviation of every metric from its oracle in percent, with its interval; returns the Axes.

    Metrics without an exact oracle show their relative half-width around zero, hollow. The values are written on the
    right; a withheld mean has no interval.

    Args:
        result: what `jaxq.simulate` returned.
        ax: the Axes (default: a new figure).
        metric: which metrics (default: all).
    """
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    names = list(metric or result.metrics)
    hollow = False
    for row, name in enumerate(names):
        found = result[name]
        exact = found.kind in ("exact", "identity") and bool(found.oracle)
        place = _deviation(found, exact)
        if place is not None:
            hollow |= not exact
            face = simulation if exact else "white"
            ax.errorbar(place[0], row, xerr=place[1], fmt="o", color=simulation, markerfacecolor=face, capsize=3)
    values = [_value(result[name]) for name in names]
    write_column(ax, 8, "simulation", values)
    write_column(ax, 24 + 4.7 * max(map(len, values)), "oracle", [_known(result[name]) for name in names])
    ax.axvline(0.0, color=oracle, zorder=1)
    ax.set_yticks(range(len(names)), [axis_label(name, result[name].unit) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(*[sign * 1.08 * max(*map(abs, ax.get_xlim()), 1e-9) for sign in (-1, 1)])
    ax.xaxis.get_major_locator().set_params(nbins=5)
    level = f"{100 * result.run['level']:g} % interval"
    ax.set_xlabel(f"deviation from the oracle (%), {level}{'; hollow: no exact oracle' if hollow else ''}")
    return ax


@house()
def plot_gradients(found: Gradients, ax: Any = None, *, metric: Collection[str] = ()) -> Any:
    """`plot_metrics` of the derivatives of every ``metric`` (default: all); returns the Axes."""
    return plot_metrics(_slopes(found, metric), ax)


@house()
def fill_result(result: Result, figure: Any, metric: Collection[str] = ()) -> Any:
    """Metrics, and below them the distributions that were kept. Returns the Axes of the metrics."""
    quantities = [name for name in result.histograms if not metric or name in metric]
    rows = len(metric or result.metrics)
    first, *others = figure.subfigures(
        1 + len(quantities), 1, squeeze=False, height_ratios=[0.9 + 0.27 * rows, *[2.7] * len(quantities)]
    )[:, 0]
    figure.set_size_inches(6.8, 1.2 + 0.27 * rows + 2.7 * len(quantities))
    ax = plot_metrics(result, first.subplots(), metric=metric)
    for part, quantity in zip(others, quantities, strict=True):
        fill_distribution(result, quantity, part)
    head(figure, heading(result.system, result.parameters), result.flags)
    return ax


@house()
def fill_gradients(found: Gradients, figure: Any, metric: Collection[str] = ()) -> Any:
    """All derivatives. Returns the Axes."""
    slopes = _slopes(found, metric)
    ax = plot_metrics(slopes, panels(figure, [0.7 + 0.27 * len(slopes.metrics)])[0, 0])
    head(figure, heading(slopes.system, slopes.parameters), found.flags)
    return ax


def _slopes(found: Gradients, metric: Collection[str]) -> Result:
    derivatives = {name: found.derivatives[name] for name in metric or found.means}
    own = {f"d {name} / d {path}": x for name, slopes in derivatives.items() for path, x in slopes.items()}
    return dataclasses.replace(found.result, metrics=own)


def _deviation(metric: Metric, exact: bool) -> tuple[float, float] | None:
    """Centre and half-width in percent; None where there is nothing to show."""
    if metric.mean is None:
        return None
    scale = abs(metric.oracle) if exact and metric.oracle else abs(metric.mean)
    if not scale:
        return None
    centre = metric.mean - metric.oracle if exact and metric.oracle is not None else 0.0
    return 100 * centre / scale, 100 * (metric.half_width or 0.0) / scale


def _value(metric: Metric) -> str:
    return WITHHELD if metric.mean is None else interval_label(metric.mean, metric.half_width)


def _known(metric: Metric) -> str:
    if metric.oracle is None:
        return ""
    return f"{metric.oracle:.6g}".replace("-", MINUS) + ("" if metric.kind == "exact" else f" ({metric.kind})")
