"""Figures without pyplot, and so without a display."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxq.engine.files import replacing
from jaxq.plotting.labels import WRONG, tidy
from jaxq.plotting.style import house

WIDTH = 6.4
"""Inches of a figure, the width of a page."""


def write(figure: Any, path, **options: Any) -> None:
    """A matplotlib Figure as the file that the ending of ``path`` says, whole or not at all."""
    with house(), replacing(path) as partial:
        figure.savefig(partial, format=Path(path).suffix[1:], **options)


def empty() -> Any:
    """A new Figure."""
    from matplotlib.figure import Figure

    return Figure(layout="constrained")


def sized(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """A new Figure of so many inches and its tidy Axes, one or an array as `Figure.subplots` gives them."""
    figure = empty()
    figure.set_size_inches(width, height)
    axes = figure.subplots(rows, columns, **options)
    for ax in np.ravel(axes):
        tidy(ax)
    return figure, axes


def panels(figure: Any, heights: list[float], columns: int = 1, **options: Any) -> Any:
    """Axes of these heights (inches) below each other; array of shape (rows, columns)."""
    figure.set_size_inches(WIDTH, sum(heights) + 0.4)
    figure.set_layout_engine("constrained", h_pad=0.06, hspace=0.02)
    return figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights, **options)


def head(figure: Any, text: str, flags: Any = ()) -> None:
    """What the figure is of, on top of it, and in red what is wrong."""
    figure.suptitle(text, x=0.01, ha="left", color="0.2")
    if flags:
        figure.axes[0].set_title(f"flags: {', '.join(flags)}", loc="left", fontsize="small", color=WRONG, pad=14)
