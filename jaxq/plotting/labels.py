"""Names for axes: words instead of identifiers, with units."""

from typing import Any

from jaxq.engine.plain import in_words

COLOUR, ORACLE = "#1f5fa8", "#c8541b"
"""Simulation, oracle."""


def axis_label(name: str, unit: str | None) -> str:
    """A metric or a field for an axis: ``waiting time (time)``; a share or a probability says so itself."""
    words = name.replace("_", " ")
    return words if unit in (None, "", "share", "probability") else f"{words} ({unit})"


def value_label(value: Any) -> str:
    """A field's value for a legend or a tick."""
    value = in_words(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ",".join(map(value_label, value[:4])) + (",..." if len(value) > 4 else "")
    return "none" if value is None else str(value)


def point_label(point: dict[str, Any], names=None) -> str:
    """What a point varies; the name of a field is left out where it is the only one."""
    names = list(point) if names is None else names
    if len(names) == 1 and isinstance(point[names[0]], str):
        return point[names[0]]
    return ", ".join(f"{name.replace('_', ' ')} {value_label(point[name])}" for name in names)


def given_or_new(ax: Any) -> Any:
    """``ax``, or the Axes of a new pyplot figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def tidy(ax: Any) -> None:
    """No box, a faint grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
