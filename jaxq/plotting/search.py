"""A search: the gain from each start."""

from typing import Any

from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import given_or_new, heading
from jaxq.plotting.style import colours, house
from jaxq.tuning.outcome import Outcome


@house()
def plot_outcome(outcome: Outcome, ax: Any = None) -> Any:
    """Gain over the baseline on fresh random numbers, with intervals that hold together, starts in order of it.

    Args:
        outcome: what `jaxq.search` returned.
        ax: the Axes (default: a new figure).

    Returns:
        The Axes.
    """
    ax = given_or_new(ax)
    simulation = colours()[0]
    known = [climb for climb in outcome.climbs if climb.gain.mean is not None]
    ordered = sorted(known, key=lambda climb: climb.gain.mean or 0.0)
    for place, climb in enumerate(ordered, 1):
        colour, face = (simulation, simulation) if climb.sure else ("0.5", "white")
        ax.errorbar(place, climb.gain.mean, climb.gain.half_width, fmt="o", color=colour, markerfacecolor=face)
    ax.axhline(0, color="0.5", linewidth=0.9, zorder=1)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel(f"start, by gain; filled: {outcome.sure} of {len(outcome.climbs)} gain for sure")
    ax.set_ylabel(f"paired gain in {outcome.metric.replace('_', ' ')}")
    return ax


def fill_outcome(outcome: Outcome, figure: Any) -> Any:
    """The gains. Returns the Axes."""
    with house():
        ax = plot_outcome(outcome, panels(figure, [3.2])[0, 0])
        head(figure, heading(outcome.system, outcome.fixed), outcome.flags)
    return ax
