"""Names for axes: words instead of identifiers, with units."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jaxq.engine.plain import pair, value_text
from jaxq.plotting.style import CYCLE, house

COLOUR, ORACLE = CYCLE[:2]
"""Simulation, oracle."""
WITHHELD, WRONG = "withheld", "firebrick"
"""What is said in place of a mean that is not shown, and the colour of that and of flags."""
LINE = 95
"""Characters of a line of a heading."""
MINUS, TIED = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


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


def interval_label(mean: float, width: float | None) -> str:
    """A mean with its half-width: ``−3.58 ± 0.02``."""
    return " ± ".join(filter(None, pair(mean, width))).replace("-", MINUS)


def heading(system: str, parameters: Mapping[str, Any], but: Collection[str] = ()) -> str:
    """What a figure is of: the system, and its fields that have a value, ``but`` those that vary.

    A line ends after a field, never within one.
    """
    known = {name: x for name, x in parameters.items() if name not in but and x is not None}
    fields = [f"{name.replace('_', ' ')} {value_label(x)}".replace(" ", TIED) for name, x in known.items()]
    text = f"{system}:{TIED}{TIED}{', '.join(fields)}" if fields else system
    lines = textwrap.fill(text, LINE, max_lines=2, placeholder=" ...", break_on_hyphens=False)
    return lines.replace(TIED, " ")


def write_column(ax: Any, place: float, head: str, texts: Sequence[str]) -> None:
    """A column of text ``place`` points to the right of the axes: a header, and a text a row."""
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": "small", "annotation_clip": False}
    ax.annotate(head, (1.0, 1.0), xytext=(place, 1), xycoords="axes fraction", color="0.45", va="bottom", **style)
    for row, text in enumerate(texts):
        at = {"xycoords": ("axes fraction", "data"), "color": WRONG if text == WITHHELD else "0.2", "va": "center"}
        ax.annotate(text, (1.0, row), xytext=(place, 0), **at, **style)


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
