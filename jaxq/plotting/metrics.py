"""One result: every metric's interval next to its oracle."""

import dataclasses
from typing import Any

from jaxq.engine.derivatives import Gradients
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result
from jaxq.plotting.labels import COLOUR, ORACLE, axis_label, given_or_new, tidy


def plot_metrics(result: Result, ax: Any = None) -> Any:
    """Deviation of every metric from its oracle in percent, with its interval; returns the Axes.

    Metrics without an exact oracle show their relative half-width around zero, hollow. The values are written on the
    right; a withheld mean has no interval.
    """
    ax = given_or_new(ax)
    tidy(ax)
    names = list(result.metrics)
    compared_to = {}
    for row, name in enumerate(names):
        metric = result[name]
        exact = metric.kind in ("exact", "identity") and bool(metric.oracle)
        place = _deviation(metric, exact)
        if place is not None:
            face = COLOUR if exact else "white"
            style = {"fmt": "o", "color": COLOUR, "markerfacecolor": face, "markersize": 5, "capsize": 3}
            compared_to.setdefault("with oracle" if exact else "without oracle", (row, place, style))
            ax.errorbar(place[0], row, xerr=place[1], **style)
        ax.annotate(
            _value(metric),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
            color="firebrick" if metric.mean is None else "0.25",
        )
    ax.axvline(0.0, color=ORACLE, linewidth=1.2, zorder=1)
    ax.set_yticks(range(len(names)), [axis_label(name, result[name].unit) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.margins(x=0.1)
    level = f"{100 * result.run['level']:g} %"
    hollow = "; hollow: no exact oracle" if "without oracle" in compared_to else ""
    ax.set_xlabel(f"deviation from the oracle, % of it, with {level} intervals{hollow}")
    flags = f"   flags: {', '.join(result.flags)}" if result.flags else ""
    ax.set_title(f"{result.system}{flags}", loc="left", color="firebrick" if flags else "black")
    return ax


def plot_gradients(found: Gradients, ax: Any = None) -> Any:
    """`plot_metrics` of every derivative; returns the Axes."""
    own = {f"{name} by {path}": x for name, slopes in found.derivatives.items() for path, x in slopes.items()}
    return plot_metrics(dataclasses.replace(found.result, metrics=own), ax)


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
    if metric.mean is None:
        return "withheld"
    shown = f"{metric.mean:.5g}" + (f" ± {metric.half_width:.1g}" if metric.half_width else "")
    return shown + (f"  ({metric.kind} {metric.oracle:.5g})" if metric.oracle is not None else "")
