"""Fields and numbers as JSON values and as text."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.fields import rules
from jaxq.engine.model import Model

WIDTH = 80
"""Columns of a narrow terminal: units are left out where a table would be wider."""
LONGEST_TEXT = 100
"""Characters of a field's text in a line."""


def finite(x: float) -> float | None:
    """``x`` as a float, None unless finite (JSON has no NaN)."""
    return float(x) if math.isfinite(x) else None


def plain(value):
    """A field's value as JSON: numbers, lists, names, tables, with what is in them; a module (a law) as its own text."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (np.generic, np.ndarray)) or hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, dict):
        return {str(name): _inside(held) for name, held in value.items()}
    if isinstance(value, (int, float)):
        return value
    return str(value)


def _inside(held):
    """What a table holds, as `plain`, lists as such."""
    return [_inside(x) for x in held] if isinstance(held, (list, tuple)) else plain(held)


def in_words(value):
    """A field's JSON value for a line of text: a table goes by its name."""
    return value.get("name", "table") if isinstance(value, dict) else value


def value_text(value, digits: int = 10, most: int = 6) -> str:
    """A field's value for a line or a table: ``2`` of 2.0, ``none`` of None; lists are cut after ``most`` values, long text
    such as a law of many values after `LONGEST_TEXT` characters."""
    value = in_words(value)
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        shown = ",".join(value_text(x, digits, most) for x in value[:most])
        return f"{shown},... ({len(value)} values)" if len(value) > most else shown
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    text = str(value)
    return f"{text[:LONGEST_TEXT]}..." if len(text) > LONGEST_TEXT else text


def whole_text(value) -> str:
    """As `value_text`, with nothing cut: values that differ have different texts."""
    value = in_words(value)
    if isinstance(value, (list, tuple)):
        return ",".join(map(whole_text, value))
    return "none" if value is None else str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def describe(system: Model) -> dict[str, Any]:
    """The fields of a system as JSON values."""
    return {name: plain(value) for name, value in system.parameters().items()}


def scalings(system: Model) -> dict[str, str]:
    """Of each field that holds observed values: their mean, and what it is scaled to."""
    found = {}
    for name, rule in rules(type(system)).items():
        other, _, what = rule.observed.partition(".")
        value = getattr(getattr(system, other, None), what, None) if what else None
        if value is not None:
            mean, to = (value, name) if what == "mean" else (1 / value, system._mean_by(name))
            found[other] = f"observed mean {mean:.6g}, scaled to {to}"
    return found


def parameters_text(parameters: Mapping[str, Any], run: Mapping[str, Any] | None = None) -> str:
    """Fields as ``name=value``, each with its entry of `scalings` if the run has one."""
    notes = {name: f" ({note})" for name, note in (run or {}).get("scaled", {}).items()}
    return "  ".join(f"{name}={value_text(value)}{notes.get(name, '')}" for name, value in parameters.items())


def number(x, digits: int = 6) -> str:
    """A number for a table; empty for None."""
    return "" if x is None else x if isinstance(x, str) else f"{x:.{digits}g}"


def pair(mean: float, width: float | None) -> tuple[str, str]:
    """A mean and its half-width as text."""
    if width is None or width <= 1e-12 * abs(mean):
        return f"{mean:.6g}", "" if width is None else "0"
    digits = 1 - math.floor(math.log10(width))
    size = max(abs(mean), width)
    if not 1e-4 <= size < 1e9 or digits > 9:
        shown = max(1, digits + math.floor(math.log10(size)))
        return f"{mean:.{shown}e}", f"{width:.1e}"
    return f"{mean:.{max(digits, 0)}f}", f"{width:.{max(digits, 0)}f}"


def rounded(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as text, the mean or quantile and the ends of its interval to the place of its half-width."""
    shown = {name: number(x) if x is None or isinstance(x, (int, float)) else str(x) for name, x in row.items()}
    middle = "mean" if "mean" in row else "value"
    if row.get(middle) is not None and row.get("half_width") is not None:
        shown[middle], shown["half_width"] = pair(row[middle], row["half_width"])
        places = len(shown["half_width"].partition(".")[2])
        if places and "e" not in shown["half_width"]:
            shown |= {end: f"{row[end]:.{places}f}" for end in ("low", "high") if row.get(end) is not None}
    if isinstance(row.get("z"), float):
        shown["z"] = f"{row['z']:.2f}"
    return shown


def aligned(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as lines of aligned columns."""
    if not rows:
        return []
    table = [list(rows[0]), *[list(rounded(row).values()) for row in rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
