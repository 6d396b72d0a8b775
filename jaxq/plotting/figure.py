"""Figures without pyplot, and so without a display."""

from pathlib import Path
from typing import Any

from jaxq.engine.files import replacing


def write(figure: Any, path, **options: Any) -> None:
    """A matplotlib Figure as the file that the ending of ``path`` says, whole or not at all."""
    with replacing(path) as partial:
        figure.savefig(partial, format=Path(path).suffix[1:], dpi=150, **options)


def empty() -> Any:
    """The Axes of a new Figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4.2), layout="constrained").subplots()
