"""A metric along a swept field: simulated points on the curve of the oracle, and what is left of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxq.engine.agreement import bound_of
from jaxq.engine.metric import as_reference
from jaxq.engine.result import Result, Results
from jaxq.plotting.comparison import fill_comparison, plot_means
from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import COLOUR, MINUS, WRONG, axis_label, given_or_new, heading, point_label
from jaxq.plotting.style import CYCLE, colours, house

COLOURS = (COLOUR, *CYCLE[2:])
MOST_NAMED = 6
"""Lines that have a colour and a name each; more take a colour map."""
CURVE = 60
"""Steps of the curve of an oracle."""


class Line(NamedTuple):
    """The points of a sweep that differ in the field of the x axis only."""

    label: str
    colour: Any
    members: list[Result]


@house()
def plot_results(results: Sequence[Result], ax: Any = None, *, metric: str | None = None) -> Any:
    """A metric of several results; returns the Axes.

    Along a swept number: the simulated means with intervals as points, the oracle as a curve, other swept fields as
    further lines; more than six lines take a colour map. Of a comparison: `jaxq.plotting.comparison.plot_means`.

    Args:
        results: what `jaxq.sweep` or `jaxq.compare` returned.
        ax: the Axes (default: a new figure).
        metric: which metric (default: the first primary metric of the system).
    """
    ax = given_or_new(ax)
    name = metric or primary_metric(results[0])
    field = swept_field(results)
    flags = sorted({flag for result in results for flag in result.flags})
    if flags:
        ax.set_title(f"flags: {', '.join(flags)}", loc="left", fontsize="small", color=WRONG)
    if field is None:
        plot_means(results, ax, metric=name)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        return ax
    lines = lines_of(results, field)
    _draw(results, ax, name, field, lines)
    _key(ax, results, name, lines, field)
    ax.set_xlabel(axis_label(field, results[0].units.get(field)))
    ax.set_ylabel(axis_label(name, results[0][name].unit))
    return ax


@house()
def plot_residuals(results: Sequence[Result], ax: Any = None, *, metric: str) -> Any:
    """Differences to an exact oracle in standard errors along a swept number; returns the Axes.

    The band holds all of them at once with 95 %, if the simulation is right.
    """
    ax = given_or_new(ax)
    field = swept_field(results)
    assert field is not None
    only = [Result(r.system, r.parameters, r.point, {metric: r.metrics[metric]}, r.run) for r in results]
    bound = bound_of(only)[1]
    ax.axhspan(-bound, bound, color="0.93", zorder=0, linewidth=0)
    ax.axhline(0.0, color="0.5", linewidth=0.9, zorder=1)
    lines = lines_of(results, field)
    for line in lines:
        x, z = _values(line.members, field, metric, "z")
        ax.plot(x, z, "o", color=line.colour, markersize=3)
    highest = max([1.25 * bound, *[1.15 * abs(line) for line in ax.dataLim.intervaly if np.isfinite(line)]])
    ax.set_ylim(-highest, highest)
    ax.set_yticks([-bound, 0, bound], [f"{MINUS}{bound:.1f}", "0", f"{bound:.1f}"])
    ax.set_ylabel("difference\n(s.e.)")
    note = f"band: {len(results)} points together, 95 %"
    ax.annotate(note, (1, 1), xycoords="axes fraction", ha="right", va="bottom", fontsize="x-small", color="0.45")
    return ax


def fill_results(results: Results, figure: Any, metric: Sequence[str] = ()) -> Any:
    """Of every metric (default: the first primary metric) the points on the curve, and below what is left of them; of a
    comparison means and differences. Returns the first Axes."""
    with house():
        names = list(metric) or [primary_metric(results[0])]
        field = swept_field(results)
        ax = _fill_sweep(results, figure, names, field) if field else fill_comparison(results, figure, names)
        varied = results[0].point if field is None else {name for r in results for name in r.point}
        head(figure, heading(results[0].system, results[0].parameters, varied), results.flags)
    return ax


def _fill_sweep(results: Results, figure: Any, names: list[str], field: str) -> Any:
    judged = {name: any(name in r.metrics and r.metrics[name].z is not None for r in results) for name in names}
    heights = [height for name in names for height in ([2.6, 0.8] if judged[name] else [2.6])]
    axes = iter(panels(figure, heights, sharex=True)[:, 0])
    first = last = None
    for name in names:
        last = plot_results(results, next(axes), metric=name)
        last.set_title("")
        last.set_xlabel("")
        if first is None:
            first = last
        elif last.get_legend() is not None:
            last.get_legend().remove()
        if judged[name]:
            last = plot_residuals(results, next(axes), metric=name)
    assert last is not None
    last.set_xlabel(axis_label(field, results[0].units.get(field)))
    figure.align_ylabels()
    return first


def primary_metric(result: Result) -> str:
    """The first primary metric of the system; else the first metric."""
    return next((name for name in result.primary if name in result.metrics), next(iter(result.metrics)))


def swept_field(results: Sequence[Result]) -> str | None:
    """The first field of a sweep that is a number in every result and takes two values; None for a comparison."""
    if getattr(results, "differences", None):
        return None
    for name in results[0].point:
        values = [result.point.get(name) for result in results]
        if all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values) and len(set(values)) > 1:
            return name
    return None


def lines_of(results: Sequence[Result], field: str) -> list[Line]:
    """The lines of a sweep, in order of the other fields, each with its colour."""
    others = [key for key in results[0].point if key != field]
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(point_label(result.point, others), []).append(result)
    simulation, _, *further = colours()
    if len(found) <= MOST_NAMED:
        shades: list[Any] = [simulation, *further][: len(found)] * len(found)
    else:
        from matplotlib import colormaps, rcParams

        shades = [colormaps[rcParams["image.cmap"]](x) for x in np.linspace(0.0, 0.92, len(found))]
    return [
        Line(label, colour, sorted(members, key=lambda r: r.point[field]))
        for (label, members), colour in zip(found.items(), shades, strict=False)
    ]


def _draw(results: Sequence[Result], ax: Any, name: str, field: str, lines: list[Line]) -> None:
    oracle = colours()[1]
    for line in lines:
        colour = line.colour if len(lines) > 1 else oracle
        x, y = _curve(results, line.members, field, name)
        known = np.isfinite(y).any()
        if known:
            ax.plot(x, y, color=colour, linewidth=1.1, zorder=1)
        x, mean = _values(line.members, field, name, "mean")
        width = np.nan_to_num(_values(line.members, field, name, "half_width")[1])
        style = "o" if known else "o-"
        ax.errorbar(x, mean, width, fmt=style, color=line.colour, linewidth=1, markerfacecolor="white", zorder=3)
        for missing in x[~np.isfinite(mean)]:
            ax.axvline(missing, color=WRONG, linewidth=0.8, alpha=0.4)
    values = [r.point[field] for r in results]
    if all(isinstance(x, int) for x in values):
        ax.xaxis.get_major_locator().set_params(integer=True)


def _curve(results: Sequence[Result], members: list[Result], field: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The oracle of a line: between the points too where its system is at hand and the field is real."""
    x, y = _values(members, field, name, "oracle")
    model = getattr(results, "model", None)
    if model is None or not np.isfinite(y).any() or all(isinstance(r.point[field], int) for r in members):
        return x, y
    fine = np.union1d(np.linspace(x[0], x[-1], CURVE + 1), x)
    values = []
    for at in fine:
        try:
            with np.errstate(all="ignore"):
                values.append(as_reference(model.replace(**members[0].point | {field: at}).oracle()[name]).value)
        except (KeyError, ValueError, ArithmeticError):
            values.append(np.nan)
    return fine, np.array(values)


def _values(members: list[Result], field: str, name: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    found = [getattr(r.metrics[name], key) if name in r.metrics else None for r in members]
    return (
        np.array([r.point[field] for r in members], float),
        np.array([np.nan if v is None else v for v in found], float),
    )


def _key(ax: Any, results: Sequence[Result], name: str, lines: list[Line], field: str) -> None:
    """What the lines are: names, or the scale of the colour map, and how the oracle and the simulation are drawn."""
    from matplotlib.lines import Line2D

    several = len(lines) > 1
    simulation, oracle = ("0.35", "0.35") if several else colours()[:2]
    level = f"simulation, {100 * results[0].run['level']:g} % interval"
    handles = [Line2D([], [], color=simulation, marker="o", markerfacecolor="white", linestyle="", label=level)]
    kinds = {r.metrics[name].kind for r in results if name in r.metrics} - {None}
    if kinds:
        inexact = ", ".join(sorted(str(kind) for kind in kinds - {"exact", "identity"}))
        handles.append(Line2D([], [], color=oracle, label=f"oracle ({inexact})" if inexact else "oracle"))
    if not several:
        ax.legend(handles=handles)
        return
    if len(lines) <= MOST_NAMED:
        handles = [Line2D([], [], color=line.colour, label=line.label) for line in lines] + handles
        ax.legend(handles=handles)
        return
    ax.legend(handles=handles)
    others = [key for key in results[0].point if key != field]
    scale = _scale(ax, lines)
    if len(others) == 1 and isinstance(lines[0].members[0].point[others[0]], (int, float)):
        values = [line.members[0].point[others[0]] for line in lines]
        shown = np.unique(np.linspace(0, len(lines) - 1, 12).round().astype(int))
        scale.set_ticks(shown, labels=[f"{values[i]:g}" for i in shown])
        scale.set_label(axis_label(others[0], results[0].units.get(others[0])))
    else:
        scale.set_ticks(range(len(lines)), labels=[line.label for line in lines])
    scale.ax.tick_params(which="both", length=0)


def _scale(ax: Any, lines: list[Line]) -> Any:
    """A bar of the colours of the lines, in their order."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    norm = BoundaryNorm(np.arange(len(lines) + 1) - 0.5, len(lines))
    shades = ScalarMappable(norm, ListedColormap([line.colour for line in lines]))
    scale = ax.figure.colorbar(shades, ax=ax, pad=0.02, aspect=30)
    scale.outline.set_visible(False)
    return scale
