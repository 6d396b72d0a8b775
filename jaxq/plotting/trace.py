"""A tuning: objective and parameters along its steps."""

from typing import Any

from jaxq.engine.fields import units
from jaxq.plotting.labels import COLOUR, ORACLE, axis_label, given_or_new, tidy
from jaxq.tuning.result import Tuning, columns

MOST_LINES = 20
"""Numbers drawn of all parameters together; more make a smear."""


def plot_tuning(tuning: Tuning, ax: Any = None) -> Any:
    """Objective against the step on the left axis, with a band of two standard errors where it is simulated; parameters on
    one on the right; the best iterate is marked.

    Args:
        tuning: what `jaxq.tune` returned.
        ax: the Axes (default: a new figure).

    Returns:
        The Axes of the objective.
    """
    ax = given_or_new(ax)
    tidy(ax)
    steps = [step.step for step in tuning.trace]
    (left,) = ax.plot(steps, [step.objective for step in tuning.trace], color=COLOUR, label="objective")
    if tuning.run is not None:  # simulated: two standard errors
        bounds = [
            [step.objective + sign * (step.objective_error or 0.0) for step in tuning.trace] for sign in (-2.0, 2.0)
        ]
        ax.fill_between(steps, *bounds, color=COLOUR, alpha=0.2, linewidth=0)
    ax.axhline(tuning.best.objective, color=COLOUR, linewidth=0.8, linestyle=":")
    ax.set_xlabel("step")
    ax.set_ylabel(f"objective, {tuning.objective.replace('_', ' ')}", color=COLOUR)
    ax.tick_params(axis="y", colors=COLOUR)
    right = ax.twinx()
    right.spines["top"].set_visible(False)
    rows = [columns(step) for step in tuning.trace]
    best = columns(tuning.best)
    lines = [left]
    for i, name in enumerate(list(best)[:MOST_LINES]):
        style = ("-", "--", "-.", ":")[i % 4]
        words = name.replace("_", " ")
        lines += right.plot(
            steps, [row[name] for row in rows], style, color=ORACLE, label=f"{words}, best {best[name]:.4g}"
        )
        right.plot(tuning.best.step, best[name], "o", color=ORACLE, markersize=5, clip_on=False)
    several, first = len(tuning.best.values) > 1, next(iter(tuning.best.values))
    right.set_ylabel("parameters" if several else axis_label(first, units(type(tuning.tuned)).get(first)), color=ORACLE)
    right.tick_params(axis="y", colors=ORACLE)
    above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": min(4, len(lines))}
    ax.legend(handles=lines, frameon=False, fontsize="small", **above)
    if tuning.flags:
        ax.set_title(f"flags: {', '.join(tuning.flags)}", loc="left", fontsize="small", color="firebrick")
    return ax
