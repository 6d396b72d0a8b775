"""Names for axes: words instead of identifiers, with units."""

import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from jaxq.engine.plain import value_text
from jaxq.plotting.style import CYCLE, house

COLOUR, ORACLE = CYCLE[:2]
"""Simulation, oracle."""
WRONG = "firebrick"
"""Flags, and what is withheld."""
LINE = 95
"""Characters of a line of a heading."""


def axis_label(name: str, unit: str | None) -> str:
    """A metric or a field for an axis: ``waiting time (time)``; a share or a probability says so itself."""
    words = name.replace("_", " ")
    return words if unit in (None, "", "share", "probability") else f"{words} ({unit})"


def value_label(value: Any) -> str:
    """A field's value for a legend or a tick."""
    return value_text(value, digits=6, most=4)


def point_label(point: dict[str, Any], names=None) -> str:
    """What a point varies; the name of a field is left out where it is the only one."""
    names = list(point) if names is None else names
    if len(names) == 1 and isinstance(point[names[0]], str):
        return point[names[0]]
    return ", ".join(f"{name.replace('_', ' ')} {value_label(point[name])}" for name in names)


def heading(system: str, parameters: Mapping[str, Any], but: Collection[str] = ()) -> str:
    """What a figure is of: the system, and its fields that have a value, ``but`` those that vary."""
    known = {name: x for name, x in parameters.items() if name not in but and x is not None}
    fields = ", ".join(f"{name.replace('_', ' ')} {value_label(x)}" for name, x in known.items())
    return textwrap.fill(f"{system}:  {fields}" if fields else system, LINE, max_lines=2, placeholder=" ...")


def given_or_new(ax: Any) -> Any:
    """``ax``, or the Axes of a new pyplot figure; tidy."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1]
    tidy(ax)
    return ax


def plain_decades(*axes: Any) -> None:
    """Ticks at 1, 2 and 5 of each decade of logarithmic axes, as plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    for axis in axes:
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())


def tidy(ax: Any) -> None:
    """Spines and grid of the style in force, on Axes that were made under another."""
    from matplotlib import rcParams

    with house():
        ax.spines["top"].set_visible(rcParams["axes.spines.top"])
        ax.spines["right"].set_visible(rcParams["axes.spines.right"])
        if rcParams["axes.grid"]:
            ax.grid(True, color=rcParams["grid.color"], linewidth=rcParams["grid.linewidth"])
        ax.set_axisbelow(rcParams["axes.axisbelow"])
