"""Consoles: results on stdout, everything else on stderr."""

import sys
from typing import Any

WIDE = 100_000
"""Columns where stdout is a file or a pipe, so that no line is cut or folded."""


def stdout_console() -> Any:
    """The console that results are printed on."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_line(kind: str, text: str) -> None:
    """One line ``kind: text`` on stderr."""
    print(f"{kind}: {' '.join(text.split())}", file=sys.stderr)


def new_table() -> Any:
    """A table without vertical rules; cells fold rather than lose characters."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def add_column(table: Any, header: str, numeric: bool = False) -> None:
    """A column; numbers to the right."""
    table.add_column(header, justify="right" if numeric else "left", overflow="fold")
