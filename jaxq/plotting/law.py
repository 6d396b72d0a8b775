"""An exact stationary law: the distribution of every observed quantity."""

from collections.abc import Collection
from typing import Any

from jaxq.engine.exact import ExactResult
from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import axis_label, given_or_new, heading
from jaxq.plotting.style import colours, house

MOST_LAWS = 6
"""Quantities drawn where none was asked for."""
LEAST = 1e-12
"""Probabilities below are not drawn."""
RANGE = 30
"""Ratio of probabilities from which their axis is logarithmic."""


@house()
def plot_law(found: ExactResult, ax: Any = None, *, metric: str | None = None) -> Any:
    """Probability of every value of an observed quantity and its mean; returns the Axes.

    Args:
        found: what `jaxq.exact` returned.
        ax: the Axes (default: a new figure).
        metric: which observation (default: the first).
    """
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    name = metric or next(iter(found.observed))
    values, law = found.law(name)
    shown = law > LEAST
    ax.plot(values[shown], law[shown], "o-", color=simulation, linewidth=0.8, markersize=3)
    mean = float(values @ law)
    ax.axvline(mean, color=oracle, linestyle="--", linewidth=1.1, label=f"mean {mean:.6g}")
    if law[shown].max() > RANGE * law[shown].min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    ax.set_ylabel("probability")
    ax.set_xlabel(axis_label(name, found.units.get(name)))
    if all(x.is_integer() for x in values.tolist()):
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    return ax


def fill_law(found: ExactResult, figure: Any, metric: Collection[str] = ()) -> Any:
    """Axes of its own for every quantity. Returns the first."""
    if not found.observed:
        raise ValueError("the law of this result was not saved; save it as .npz to draw it")
    with house():
        many = [name for name in found.observed if len(found.law(name)[0]) > 2]  # of two values the mean says all
        names = list(metric or (many or list(found.observed))[:MOST_LAWS])
        columns = min(2, len(names))
        rows = -(-len(names) // columns)
        axes = panels(figure, [3.0 if columns == 1 else 2.2] * rows, columns).ravel()
        for ax, name in zip(axes, names, strict=False):
            plot_law(found, ax, metric=name)
        for ax in axes[len(names) :]:
            ax.remove()
        cut = f"; {found.edge_mass:.1e} of the mass where it was cut" if found.edge_mass else ""
        head(figure, f"{heading(found.system, found.parameters)}\n{found.number_of_states} states{cut}")
    return axes[0]
