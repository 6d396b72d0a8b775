"""Transient means with their intervals, the stationary means they go to, and the sample paths that were kept."""

from collections.abc import Collection
from typing import Any

import numpy as np

from jaxq.engine.initial import initial_text
from jaxq.engine.transient import Paths
from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import axis_label, given_or_new, heading
from jaxq.plotting.style import colours, house

MOST_PATHS = 20
"""Paths drawn of one observable; more make a smear."""


@house()
def plot_paths(paths: Paths, ax: Any = None, *, metric: str | None = None) -> Any:
    """Mean of an observable against time, its pointwise interval as a band, the kept paths as thin steps.

    The exact stationary mean, where it is known, and the times at which the system changes by itself are lines.

    Args:
        paths: what `jaxq.paths` returned.
        ax: the Axes (default: a new figure).
        metric: which observable (default: the first).

    Returns:
        The Axes.
    """
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    name = metric or next(iter(paths.mean))
    kept = paths.paths.get(name, ())
    if len(kept) and np.isin(kept, (0, 1)).all():  # an indicator: its paths would fill the picture
        kept = ()
    for i, path in enumerate(kept[:MOST_PATHS]):
        label = f"{min(len(kept), MOST_PATHS)} sample paths" if i == 0 else None
        ax.step(paths.times, path, where="post", color="0.72", linewidth=0.6, label=label, zorder=1)
    ax.plot(paths.times, paths.mean[name], color=simulation, label=f"mean, {100 * paths.level:g} % interval")
    band = paths.mean[name] + np.outer([-1, 1], paths.half_width[name])
    ax.fill_between(paths.times, *band, color=simulation, alpha=0.3, linewidth=0)
    if name in paths.stationary:
        ax.axhline(paths.stationary[name], color=oracle, linestyle="--", linewidth=1.1, label="stationary mean (exact)")
    label = "change"
    for time in paths.switches:
        if paths.times[0] <= time <= paths.times[-1]:
            ax.axvline(time, color="0.35", linestyle=":", linewidth=1.0, label=label)
            label = None
    ax.margins(x=0)
    ax.set_xlabel("time")
    ax.set_ylabel(axis_label(name, paths.units.get(name)))
    return ax


def fill_paths(paths: Paths, figure: Any, metric: Collection[str] = ()) -> Any:
    """Axes of its own for every observable. Returns the first."""
    with house():
        names = list(metric or paths.mean)
        axes = panels(figure, [1.7 if len(names) > 1 else 3.2] * len(names), sharex=True)[:, 0]
        for ax, name in zip(axes, names, strict=True):
            plot_paths(paths, ax, metric=name)
            ax.set_xlabel("")
            ax.set_ylabel(ax.get_ylabel().replace(" (", "\n("))
        axes[-1].set_xlabel("time")
        found = {}
        for ax in axes:
            found |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(found.values(), found.keys(), loc="outside lower right", ncols=len(found))
        figure.align_ylabels()
        moved = dict.fromkeys(paths.schedule.get("fields", ()), "by schedule")
        begins = {} if paths.initial is None else {"initial": initial_text(paths.initial)}
        head(figure, heading(paths.system, paths.parameters | moved | begins), paths.flags)
    return axes[0]
