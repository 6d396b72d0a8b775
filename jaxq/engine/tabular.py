"""Results as tables where users look at them: in a notebook and in pandas."""

import html
from abc import ABC, abstractmethod
from typing import Any

from jaxq.engine.flags import flag_lines
from jaxq.engine.plain import number

MOST_ROWS = 60
"""Rows that a notebook shows; `Tabular.rows` has all."""


class Tabular(ABC):
    """A result with ``rows()``, a list of dicts with one item a column; its text begins with a line that says what it is."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """The result as a table."""

    def to_pandas(self) -> Any:
        """The `rows` as a ``pandas.DataFrame``; what is not known is missing. ImportError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas (pip install pandas); rows() has the same as dicts") from None
        return pandas.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        rows = self.rows()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        parts = [f"<p><b>{html.escape(str(self).partition(chr(10))[0])}</b></p>", '<table border="0">']
        parts.append(f"<thead>{_row('th', columns)}</thead><tbody>")
        parts += [_row("td", [_text(row.get(name)) for name in columns]) for row in rows[:MOST_ROWS]]
        parts.append("</tbody></table>")
        if len(rows) > MOST_ROWS:
            parts.append(f"<p>the first {MOST_ROWS} of {len(rows)} rows</p>")
        parts += [f'<p style="color:#b00">{html.escape(line)}</p>' for line in flag_lines(getattr(self, "flags", ()))]
        return "\n".join(parts)


def _text(value: Any) -> str:
    return number(value) if value is None or isinstance(value, (int, float)) else str(value)


def _row(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
