"""Several results: a metric along a swept field, or bars of a comparison."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.engine.result import Result
from jaxq.plotting.labels import COLOUR, ORACLE, axis_label, given_or_new, point_label, tidy, value_label

COLOURS = (COLOUR, "#3f8f4f", "#8a4fa3", "#b58900", "#2a9d9d", "#7f7f7f")


def plot_results(results: Sequence[Result], ax: Any = None, *, metric: str | None = None) -> Any:
    """A metric of several results; returns the Axes.

    Along a swept number: the mean with its interval as a band, the oracle as a line, other swept fields as further
    lines. Otherwise: bars with intervals, the oracle as a tick on each.

    Args:
        results: what `jaxq.sweep` or `jaxq.compare` returned.
        ax: the Axes (default: a new figure).
        metric: which metric (default: the first headline metric of the system).
    """
    ax = given_or_new(ax)
    tidy(ax)
    name = metric or headline(results[0])
    field = swept_field(results)
    if field is None:
        _bars(results, ax, name)
    else:
        _lines(results, ax, name, field)
    ax.set_ylabel(axis_label(name, results[0][name].unit))
    flags = sorted({flag for result in results for flag in result.flags})
    if flags:
        ax.set_title(f"flags: {', '.join(flags)}", loc="left", fontsize="small", color="firebrick")
    return ax


def headline(result: Result) -> str:
    """The first headline metric of the system; else the first metric."""
    return next((name for name in result.headline if name in result.metrics), next(iter(result.metrics)))


def swept_field(results: Sequence[Result]) -> str | None:
    """The first field of a sweep that is a number in every result and takes two values; None for a comparison."""
    if getattr(results, "differences", None):
        return None
    for name in results[0].point:
        values = [result.point.get(name) for result in results]
        if all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values) and len(set(values)) > 1:
            return name
    return None


def _lines(results: Sequence[Result], ax: Any, name: str, field: str) -> None:
    series: dict[str, list[Result]] = {}
    others = [key for key in results[0].point if key != field]
    for result in results:
        series.setdefault(point_label(result.point, others), []).append(result)
    whole = all(isinstance(result.point[field], int) for result in results)
    oracles = []
    for i, (label, members) in enumerate(series.items()):
        members = sorted(members, key=lambda r: r.point[field])
        x = np.array([r.point[field] for r in members], float)
        mean, width, oracle = (_column(members, name, key) for key in ("mean", "half_width", "oracle"))
        colour = COLOURS[i % len(COLOURS)]
        level = 100 * members[0].run["level"]
        shown = label or f"simulation, {level:g} % interval"
        ax.fill_between(x, mean - width, mean + width, color=colour, alpha=0.25, linewidth=0)
        known, complete = np.isfinite(oracle).any(), np.isfinite(oracle).all()
        ax.errorbar(x, mean, width, fmt="o" if complete else "o-", color=colour, ms=4, lw=1, capsize=2, label=shown)
        if known:
            oracles += ax.plot(x, oracle, "--", color=ORACLE, linewidth=1.2, zorder=1)
        for missing in x[~np.isfinite(mean)]:
            ax.axvline(missing, color="firebrick", linewidth=0.8, alpha=0.4)
    ax.set_xlabel(_field(results[0], field))
    if oracles:
        oracles[0].set_label(_oracle(results, name))
    if whole:
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, fontsize="small")


def _field(result: Result, name: str) -> str:
    return axis_label(name, result.units.get(name))


def _oracle(results: Sequence[Result], name: str) -> str:
    kinds = {r.metrics[name].kind for r in results if name in r.metrics and r.metrics[name].kind}
    return "oracle" if kinds <= {"exact", "identity"} else f"oracle ({', '.join(sorted(k for k in kinds if k))})"


def _column(results: Sequence[Result], name: str, key: str) -> np.ndarray:
    values = [getattr(r.metrics[name], key) if name in r.metrics else None for r in results]
    return np.array([np.nan if v is None else v for v in values], float)


def _bars(results: Sequence[Result], ax: Any, name: str) -> None:
    positions = np.arange(len(results))
    mean, width, oracle = (_column(results, name, key) for key in ("mean", "half_width", "oracle"))
    level = f"simulation, {100 * results[0].run['level']:g} % interval"
    ax.bar(positions, mean, 0.6, color=COLOUR, alpha=0.35, label=level)
    ax.errorbar(positions, mean, yerr=width, fmt="none", color=COLOUR, capsize=4)
    if np.isfinite(oracle).any():
        ax.hlines(
            oracle, positions - 0.36, positions + 0.36, color=ORACLE, linestyle="--", label=_oracle(results, name)
        )
    ax.set_xticks(positions, [_tick(result, i) for i, result in enumerate(results)])
    ax.grid(False, axis="x")
    if len(results[0].point) == 1 and isinstance(next(iter(results[0].point.values())), (int, float)):
        ax.set_xlabel(_field(results[0], next(iter(results[0].point))))
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)


def _tick(result: Result, index: int) -> str:
    if not result.point:
        return f"{result.system} {index + 1}"
    if len(result.point) == 1:
        return value_label(next(iter(result.point.values())))
    return "\n".join(f"{name.replace('_', ' ')} {value_label(value)}" for name, value in result.point.items())
