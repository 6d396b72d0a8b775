"""Results as tables where users look at them: in a notebook, pandas, xarray and LaTeX."""

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import flag_lines
from jaxq.engine.plain import rounded

MOST_ROWS = 60
"""Rows that a notebook shows; `Tabular.rows` has all."""
RUN = ("replicas", "level", "seed")
"""What of a run stands in every record."""
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}


class Tabular(ABC):
    """A result with ``rows()``, a list of dicts with one item a column; its text begins with a line that says what it is.

    ``index``: the columns that tell one row from the others.
    """

    index: tuple[str, ...]

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """The result as a table."""

    def records(self) -> list[dict[str, Any]]:
        """The `rows` in long form, for files and data frames: also standard errors, and replicas, level and seed of the
        run, where there are any."""
        return self.rows()

    def to_pandas(self) -> Any:
        """The `records` as a ``pandas.DataFrame``; what is not known is missing. ImportError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas (pip install pandas); records() has the same as dicts") from None
        return pandas.DataFrame(self.records())

    def to_xarray(self) -> Any:
        """The `records` as an ``xarray.Dataset`` with a dimension for each column of ``index``, those of one value left
        out, and a variable for each other column; missing where a combination was not run. ImportError without xarray."""
        try:
            import xarray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise ImportError("to_xarray needs xarray (pip install xarray); records() has the same as dicts") from None
        rows = [{"row": i, **{name: _label(x) for name, x in row.items()}} for i, row in enumerate(self.records())]
        keys = [tuple(row.get(name) for name in self.index) for row in rows]
        index = self.index if len(set(keys)) == len(keys) else ("row",)
        values = {name: list(dict.fromkeys(row.get(name) for row in rows)) for name in index}
        shape = tuple(len(found) for found in values.values())
        data = {}
        for column in dict.fromkeys(name for row in rows for name in row if name not in (*index, "row")):
            cells = np.full(shape, None, object)
            for row in rows:
                cells[tuple(values[name].index(row.get(name)) for name in index)] = row.get(column)
            data[column] = (index, _typed(cells))
        coordinates = {name: _typed(np.array([*found, None], object)[:-1]) for name, found in values.items()}
        dataset = xarray.Dataset(data, coordinates)
        return dataset.squeeze([name for name in index[:-1] if len(values[name]) == 1])

    def to_latex(self, caption: str | None = None, label: str | None = None) -> str:
        """The `rows` as a LaTeX table (needs ``\\usepackage{booktabs}``), half-widths to two digits and means to the same
        place; columns without an entry are left out.

        Args:
            caption: what stands above it (default: what the result says it is).
            label: for ``\\ref``; none: without.
        """
        rows = [rounded(row) for row in self.rows()]
        columns = [c for c in dict.fromkeys(name for row in rows for name in row) if any(row.get(c) for row in rows)]
        numeric = {c: all(_is_number(row.get(c, "")) for row in rows) for c in columns}
        above = latex(self._caption()) if caption is None else caption
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{above}}}"]
        lines += [] if label is None else [rf"\label{{{label}}}"]
        lines += [rf"\begin{{tabular}}{{{''.join('r' if numeric[c] else 'l' for c in columns)}}}", r"\toprule"]
        lines += [" & ".join(HEADERS.get(c, latex(c.replace("_", " "))) for c in columns) + r" \\", r"\midrule"]
        for row in rows:
            cells = [_math(row.get(c, "")) if numeric[c] else latex(row.get(c, "").replace("_", " ")) for c in columns]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])

    def _caption(self) -> str:
        return str(self).partition("\n")[0]

    def _repr_html_(self) -> str:
        heading = f"<p><b>{html.escape(self._caption())}</b></p>"
        wrong = [f'<p style="color:#b00">{html.escape(x)}</p>' for x in flag_lines(getattr(self, "flags", ()))]
        return "\n".join([heading, html_table(self.rows()), *wrong])


HEADERS = {"half_width": r"$\pm$", "z": "$z$"}


def html_table(rows: list[dict[str, Any]], most: int = MOST_ROWS) -> str:
    """Rows as an HTML table of at most so many."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    parts = ['<table border="0">', f"<thead>{_row('th', columns)}</thead><tbody>"]
    parts += [_row("td", [row.get(name, "") for name in columns]) for row in map(rounded, rows[:most])]
    parts.append("</tbody></table>")
    if len(rows) > most:
        parts.append(f"<p>the first {most} of {len(rows)} rows</p>")
    return "\n".join(parts)


def of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Replicas, level and seed of a run, for its records."""
    return {name: run.get(name) for name in RUN}


def latex(text: str) -> str:
    """Text in which LaTeX finds nothing to act on."""
    return "".join(SPECIAL.get(character, character) for character in text)


def _is_number(text: str) -> bool:
    try:
        return not text or bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _math(text: str) -> str:
    """A number in mathematics, so that its sign is a minus."""
    digits, exponent, power = text.partition("e")
    return f"${digits}" + (rf" \cdot 10^{{{int(power)}}}" if exponent else "") + "$" if text else ""


def _typed(cells: np.ndarray) -> np.ndarray:
    """Numbers as such, with nan for what is missing; else texts, empty for what is missing."""
    known = [x for x in cells.ravel() if x is not None]
    if known and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in known):
        whole = len(known) == cells.size and all(isinstance(x, int) for x in known)
        return cells.astype(np.int64 if whole else np.float64)  # None becomes nan
    return np.array(np.frompyfunc(lambda x: "" if x is None else str(x), 1, 1)(cells)).astype(str)


def _label(x: Any) -> Any:
    """A cell that can tell one row from another: lists are none."""
    return str(x) if isinstance(x, list) else x


def _row(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
