"""A search: the gain from each start."""

from typing import Any

from jaxq.plotting.labels import COLOUR, ORACLE, given_or_new, tidy
from jaxq.tuning.outcome import Outcome


def plot_outcome(outcome: Outcome, ax: Any = None) -> Any:
    """Gain over the baseline on fresh random numbers, with intervals that hold together, starts in order of it.

    Args:
        outcome: what `jaxq.search` returned.
        ax: the Axes (default: a new figure).

    Returns:
        The Axes.
    """
    ax = given_or_new(ax)
    tidy(ax)
    known = [climb for climb in outcome.climbs if climb.gain.mean is not None]
    ordered = sorted(known, key=lambda climb: climb.gain.mean or 0.0)
    for place, climb in enumerate(ordered, 1):
        colour = COLOUR if climb.sure else "grey"
        ax.errorbar(place, climb.gain.mean, climb.gain.half_width, fmt="o", color=colour, capsize=3, markersize=4)
    ax.axhline(0, color=ORACLE, linewidth=0.8)
    ax.set_xlabel("start, by gain")
    ax.set_ylabel(f"gain in {outcome.metric.replace('_', ' ')}")
    ax.set_title(f"{outcome.sure} of {len(outcome.climbs)} starts gain for sure", loc="left", fontsize="small")
    return ax
