"""Systems that were compared: their means, and beside these the paired differences to the first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import labels
from jaxq.plotting.figure import panels
from jaxq.plotting.labels import WITHHELD, WRONG, axis_label, given_or_new, interval_label, value_label, write_column
from jaxq.plotting.style import colours, house


@house()
def plot_means(results: Sequence[Result], ax: Any = None, *, metric: str) -> Any:
    """A metric of each system, a row each, with its interval, and its oracle as a tick; returns the Axes."""
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    level = f"simulation, {100 * results[0].run['level']:g} % interval"
    kinds = sorted({r.metrics[metric].kind or "" for r in results if metric in r.metrics} - {"", "exact", "identity"})
    known = f"oracle ({', '.join(kinds)})" if kinds else "oracle"
    for row, result in enumerate(results):
        found = result.metrics.get(metric, Metric(None, None, 0.95))
        if found.oracle is not None:
            ax.plot(found.oracle, row, "|", color=oracle, markersize=13, markeredgewidth=1.6, label=known, zorder=1)
            known = None
        if found.mean is None:
            ax.annotate(WITHHELD, (0.5, row), xycoords=("axes fraction", "data"), color=WRONG, va="center")
            continue
        ax.errorbar(found.mean, row, xerr=found.half_width or 0.0, fmt="o", color=simulation, capsize=3, label=level)
        level = None
    _rows(ax, _names(results))
    ax.set_xlabel(axis_label(metric, next((r.metrics[metric].unit for r in results if metric in r.metrics), None)))
    return ax


@house()
def plot_differences(results: Results, ax: Any = None, *, metric: str) -> Any:
    """Paired differences of a metric to the first system, with intervals; filled where the interval excludes 0.

    Differences of the oracles are ticks, and the values are written on the right. Returns the Axes.
    """
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    found = {row["system"]: row for row in results.differences if row["metric"] == metric}
    base, called = results[0].metrics[metric].oracle, labels(results)
    ax.axvline(0.0, color="0.6", linewidth=1.0, zorder=1)
    texts = ["reference"]
    for i, result in enumerate(results[1:], 1):
        row = found.get(called[i])
        other = result.metrics[metric].oracle if metric in result.metrics else None
        if base is not None and other is not None:
            ax.plot(other - base, i, "|", color=oracle, markersize=13, markeredgewidth=1.6, zorder=1)
        if row is None or row["mean"] is None:
            texts.append(WITHHELD)
            continue
        width = row["half_width"] or 0.0
        texts.append(interval_label(row["mean"], row["half_width"]))
        face = simulation if abs(row["mean"]) > width else "white"
        ax.errorbar(row["mean"], i, xerr=width, fmt="o", color=simulation, markerfacecolor=face, capsize=3)
    _rows(ax, _names(results))
    write_column(ax, 8, "", texts)
    ax.set_xlabel(f"difference to {_names(results)[0]}, paired".replace("\n", ", "))
    return ax


def fill_comparison(results: Results, figure: Any, metrics: Sequence[str]) -> Any:
    """Means on the left, paired differences on the right, a row of panels a metric. Returns the first Axes."""
    lines = max(name.count("\n") + 1 for name in _names(results))
    height = 0.8 + len(results) * (0.17 + 0.15 * lines)
    axes = panels(figure, [height] * len(metrics), 2, sharey="row")
    for (left, right), metric in zip(axes, metrics, strict=True):
        plot_means(results, left, metric=metric)
        plot_differences(results, right, metric=metric)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower right", ncols=2)
    return axes[0, 0]


def _rows(ax: Any, names: list[str]) -> None:
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.12)
    ax.xaxis.get_major_locator().set_params(nbins=5)


def _names(results: Sequence[Result]) -> list[str]:
    """What varies of each, on lines of its own, after the system where they are of several."""
    several = len({result.system for result in results}) > 1
    found = []
    for number, result in enumerate(results, 1):
        values = list(result.point.values())
        if len(values) == 1 and isinstance(values[0], str):
            lines = values
        else:
            lines = [f"{name.replace('_', ' ')} {value_label(value)}" for name, value in result.point.items()]
        found.append("\n".join([result.system] * several + lines) or f"{result.system} {number}")
    return found
