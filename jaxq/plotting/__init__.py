"""Figures of results. Every function takes a result and an Axes and returns the Axes; matplotlib is imported inside.

The house style (`jaxq/plotting/house.mplstyle`) gives way to every setting of matplotlib that a user has changed.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from jaxq.engine.derivatives import Gradients
from jaxq.engine.exact import ExactResult
from jaxq.engine.result import Result, Results
from jaxq.engine.transient import Paths
from jaxq.plotting.figure import empty, write
from jaxq.plotting.law import fill_law, plot_law
from jaxq.plotting.metrics import fill_gradients, fill_result, plot_gradients, plot_metrics
from jaxq.plotting.paths import fill_paths, plot_paths
from jaxq.plotting.search import fill_outcome, plot_outcome
from jaxq.plotting.sweep import fill_results, plot_results
from jaxq.plotting.trace import fill_tuning, plot_tuning
from jaxq.tuning.outcome import Outcome
from jaxq.tuning.result import Tuning


class Drawn(NamedTuple):
    """How a kind of result is drawn: on given Axes, and as a figure of its own; the metrics to choose from, where one can
    choose, and whether the Axes take one only."""

    on: Callable[..., Any]
    whole: Callable[..., Any]
    metrics: Callable[[Any], Collection[str]] | None = None
    single: bool = False


_DRAWN: dict[type, Drawn] = {
    Result: Drawn(plot_metrics, fill_result, lambda found: found.metrics),
    Results: Drawn(plot_results, fill_results, lambda found: found[0].metrics, single=True),
    Gradients: Drawn(plot_gradients, fill_gradients, lambda found: found.means),
    Paths: Drawn(plot_paths, fill_paths, lambda found: found.mean, single=True),
    Tuning: Drawn(plot_tuning, fill_tuning),
    Outcome: Drawn(plot_outcome, fill_outcome),
    ExactResult: Drawn(plot_law, fill_law, lambda found: found.observed, single=True),
}


def plot(
    found: Any,
    ax: Any = None,
    *,
    metric: str | Collection[str] | None = None,
    path: Any = None,
    figure: Any = None,
) -> Any:
    """Draw what jaxq found.

    Args:
        found: a `Result` (every metric beside its oracle, and distributions), `Results` (a sweep on the curve of its oracle
            with what is left below, or a comparison with its paired differences), `Gradients`, `Paths` (transient means),
            a `Tuning` (objective, parameters, the simulated check), an `Outcome` (the gain from each start) or an
            `ExactResult` (the law of every observation).
        ax: matplotlib Axes to draw the main part on; none: a figure of all parts, without a display where ``path`` is
            given.
        metric: a name or several; none: the first primary metric of `Results`, everything of the others.
        path: a file, .png, .svg or .pdf, that the figure is written to.
        figure: an empty matplotlib Figure for all parts.

    Returns:
        The Axes, the first if there are several.

    Raises:
        TypeError: ``found`` cannot be drawn, or has no choice of a metric.
        KeyError: it has no such metric.

    Example:
        >>> jaxq.plot(jaxq.sweep(jaxq.MMc(), {"arrival_rate": [0.5, 0.8]}), metric="waiting_time", path="wait.png")
    """
    drawn = next((drawn for kind, drawn in _DRAWN.items() if isinstance(found, kind)), None)
    if drawn is None:
        kinds = ", ".join(kind.__name__ for kind in _DRAWN)
        raise TypeError(f"found = {type(found).__name__}: must be one of {kinds}, to be drawn")
    names = [metric] if isinstance(metric, str) else list(metric or ())
    check_metrics(found, names)
    if ax is not None:
        if len(names) > 1 and drawn.single:
            raise TypeError(f"metric = {', '.join(names)}: must be one name where ax is given")
        chosen = {"metric": names[0] if drawn.single else names} if names else {}
        axes = drawn.on(found, ax, **chosen)
    else:
        figure = figure or (empty() if path is not None else _shown())
        axes = drawn.whole(found, figure, **({"metric": names} if names else {}))
    if path is not None:
        write(axes.get_figure(root=True), path)
    return axes


def check_metrics(found: Any, names: Collection[str]) -> None:
    """TypeError where there is no choice of a metric, KeyError if there is none of these names."""
    drawn = next(drawn for kind, drawn in _DRAWN.items() if isinstance(found, kind))
    if names and drawn.metrics is None:
        raise TypeError(f"metric = {', '.join(names)}: must be none for {type(found).__name__}, which has no choice")
    known = () if drawn.metrics is None else drawn.metrics(found)
    for name in names:
        if name not in known:
            raise KeyError(f"metric = {name}: must be one of {', '.join(known)}")


def _shown() -> Any:
    """A new figure of pyplot."""
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained")
