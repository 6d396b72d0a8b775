"""Transient means with their intervals, and the sample paths that were kept."""

from typing import Any

import numpy as np

from jaxq.engine.paths import Paths
from jaxq.plotting.labels import given_or_new, tidy

MOST_PATHS = 20
"""Paths drawn of one observable; more make a smear."""


def plot_paths(paths: Paths, ax: Any = None) -> Any:
    """Mean of every observable against time, its pointwise interval as a band, the kept paths as thin steps.

    Args:
        paths: what `jaxq.paths` returned.
        ax: the Axes (default: a new figure).

    Returns:
        The Axes.
    """
    ax = given_or_new(ax)
    tidy(ax)
    for name, mean in paths.mean.items():
        (line,) = ax.plot(paths.times, mean, label=name.replace("_", " "))
        band = mean + np.outer([-1, 1], paths.half_width[name])
        ax.fill_between(paths.times, *band, color=line.get_color(), alpha=0.25, linewidth=0)
        for path in paths.paths.get(name, ())[:MOST_PATHS]:
            ax.step(paths.times, path, where="post", color=line.get_color(), alpha=0.4, linewidth=0.6)
    ax.set_xlabel("time")
    if len(paths.mean) == 1:
        ax.set_ylabel(next(iter(paths.mean)).replace("_", " "))
    else:
        ax.legend(frameon=False)
    if paths.flags:
        ax.set_title(f"flags: {', '.join(paths.flags)}", loc="left", fontsize="small", color="firebrick")
    return ax
