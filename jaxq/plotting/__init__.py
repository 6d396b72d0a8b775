"""Figures of results. Every function takes a result and an Axes and returns the Axes; matplotlib is imported inside."""

from collections.abc import Callable
from typing import Any

from jaxq.engine.derivatives import Gradients
from jaxq.engine.paths import Paths
from jaxq.engine.result import Result, Results
from jaxq.plotting.figure import empty, write
from jaxq.plotting.metrics import plot_gradients, plot_metrics
from jaxq.plotting.paths import plot_paths
from jaxq.plotting.search import plot_outcome
from jaxq.plotting.sweep import plot_results
from jaxq.plotting.trace import plot_tuning
from jaxq.tuning.outcome import Outcome
from jaxq.tuning.result import Tuning

_DRAWN: dict[type, Callable[..., Any]] = {
    Result: plot_metrics,
    Results: plot_results,
    Gradients: plot_gradients,
    Paths: plot_paths,
    Tuning: plot_tuning,
    Outcome: plot_outcome,
}


def plot(found: Any, ax: Any = None, *, metric: str | None = None, path: Any = None) -> Any:
    """Draw what jaxq found.

    Args:
        found: a `Result` (every metric beside its oracle), `Results` (a metric of a sweep or a comparison), `Gradients` (all
            derivatives beside theirs), `Paths` (transient means), a `Tuning` (its steps) or an `Outcome` (the gain from
            each start).
        ax: matplotlib Axes to draw on; none: new ones, of a figure without a display where ``path`` is given.
        metric: of `Results`, which metric; none: the first headline metric.
        path: a file, .png, .svg or .pdf, that the figure is written to.

    Returns:
        The Axes.

    Raises:
        TypeError: ``found`` cannot be drawn, or has no choice of a metric.

    Example:
        >>> jaxq.plot(jaxq.sweep(jaxq.MMc(), {"arrival_rate": [0.5, 0.8]}), metric="waiting_time", path="wait.png")
    """
    draw = next((draw for kind, draw in _DRAWN.items() if isinstance(found, kind)), None)
    if draw is None:
        kinds = ", ".join(kind.__name__ for kind in _DRAWN)
        raise TypeError(f"found = {type(found).__name__}: must be one of {kinds}, to be drawn")
    if metric is not None and draw is not plot_results:
        raise TypeError(f"metric = {metric}: must be none for {type(found).__name__}; only Results have a choice")
    axes = empty() if ax is None and path is not None else ax
    axes = draw(found, axes) if metric is None else draw(found, axes, metric=metric)
    if path is not None:
        write(axes.figure, path)
    return axes
