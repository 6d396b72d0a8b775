"""A tuning: objective and parameters along its steps, and what the simulation says of both ends."""

from typing import Any

import numpy as np

from jaxq.engine.fields import units
from jaxq.plotting.figure import head, panels
from jaxq.plotting.labels import WITHHELD, WRONG, axis_label, given_or_new, heading, interval_label
from jaxq.plotting.style import colours, house
from jaxq.tuning.result import Tuning, columns

MOST_LINES = 20
"""Numbers drawn of all parameters together; more make a smear."""


@house()
def plot_tuning(tuning: Tuning, ax: Any = None) -> Any:
    """Objective against the step, with a band of two standard errors where it is simulated; returns the Axes.

    Of a formula the line is the smooth objective that the descent follows; the objective itself, settled, is marked at
    start and best. The known optimum, where there is one, is a line.

    Args:
        tuning: what `jaxq.tune` returned.
        ax: the Axes (default: a new figure).
    """
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    steps = [step.step for step in tuning.trace]
    simulated = tuning.run is not None
    label = "objective, ± 2 standard errors" if simulated else "smooth objective"
    objective = np.array([step.objective for step in tuning.trace])
    ax.plot(steps, objective, color=simulation, label=label, zorder=2)
    if simulated:
        error = np.array([step.objective_error or 0.0 for step in tuning.trace])
        ax.fill_between(steps, objective - 2 * error, objective + 2 * error, color=simulation, alpha=0.25, linewidth=0)
    if tuning.known is not None:
        ax.axhline(tuning.known.objective, color=oracle, linestyle="--", linewidth=1.1, label="known optimum")
    ends = [(tuning.start, "white"), (tuning.best, simulation)]
    label = "start and best" if simulated else "settled objective, start and best"
    for step, face in ends:
        ax.plot(
            step.step, step.objective, "o", color=simulation, markerfacecolor=face, markersize=5, label=label, zorder=4
        )
        label = None
    ax.set_xlabel("step")
    ax.set_ylabel("objective\n" + tuning.objective.replace("_", " ").replace(":", " "))
    ax.legend()
    return ax


@house()
def plot_parameters(tuning: Tuning, ax: Any = None) -> Any:
    """The parameters against the step, start and best marked; returns the Axes."""
    ax = given_or_new(ax)
    simulation, _, *further = colours()
    steps = [step.step for step in tuning.trace]
    rows, best = [columns(step) for step in tuning.trace], columns(tuning.best)
    shades = [simulation, *further]
    for i, name in enumerate(list(best)[:MOST_LINES]):
        colour, style = shades[i % len(shades)], ("-", "--", "-.", ":")[i // len(shades) % 4]
        label = f"{name.replace('_', ' ')}, best {best[name]:.4g}"
        ax.plot(steps, [row[name] for row in rows], style, color=colour, label=label)
        for step, face in [(tuning.start, "white"), (tuning.best, colour)]:
            ax.plot(step.step, columns(step)[name], "o", color=colour, markerfacecolor=face, markersize=5, zorder=4)
    several, first = len(tuning.best.values) > 1, next(iter(tuning.best.values))
    ax.set_ylabel("parameters" if several else axis_label(first, tuning.tuned and units(type(tuning.tuned)).get(first)))
    ax.set_xlabel("step")
    ax.legend(ncols=1 if len(best) <= 4 else 2)
    return ax


@house()
def plot_check(tuning: Tuning, ax: Any = None) -> Any:
    """The metric simulated at start and best, with intervals, oracles and the paired gain; returns the Axes."""
    ax = given_or_new(ax)
    simulation, oracle = colours()[:2]
    check = tuning.verification
    assert check is not None
    for row, (result, face) in enumerate([(check.start, "white"), (check.best, simulation)]):
        found = result[check.metric]
        if found.oracle is not None:
            ax.plot(found.oracle, row, "|", color=oracle, markersize=13, markeredgewidth=1.6, zorder=1)
        if found.mean is None:
            ax.annotate(WITHHELD, (0.02, row), xycoords=("axes fraction", "data"), color=WRONG, va="center")
        else:
            ax.errorbar(
                found.mean,
                row,
                xerr=found.half_width or 0.0,
                fmt="o",
                color=simulation,
                markerfacecolor=face,
                capsize=3,
            )
    ax.set_yticks([0, 1], ["start", "best"])
    ax.set_ylim(1.6, -0.6)
    ax.grid(False, axis="y")
    ax.margins(x=0.12)
    ax.xaxis.get_major_locator().set_params(nbins=6)
    gain = WITHHELD if check.gain.mean is None else interval_label(check.gain.mean, check.gain.half_width)
    unit = check.best[check.metric].unit
    ax.set_xlabel(
        f"simulated {axis_label(check.metric, unit)}, {100 * check.gain.level:g} % intervals; paired gain {gain}"
    )
    return ax


def fill_tuning(tuning: Tuning, figure: Any) -> Any:
    """Objective, parameters and the simulated check. Returns the Axes of the objective."""
    with house():
        checked = tuning.verification is not None
        axes = panels(figure, [2.3, 1.8, *([1.0] if checked else [])])[:, 0]
        axes[0].sharex(axes[1])
        plot_tuning(tuning, axes[0]).set_xlabel("")
        axes[0].tick_params(labelbottom=False)
        plot_parameters(tuning, axes[1])
        if checked:
            plot_check(tuning, axes[2])
        figure.align_ylabels(axes[:2])
        head(figure, heading(tuning.system, tuning.fixed), tuning.flags)
    return axes[0]
