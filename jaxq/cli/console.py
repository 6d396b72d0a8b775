"""Consoles: results on stdout, everything else on stderr."""

import contextlib
import os
import shutil
import sys
from typing import Any

from jaxq.cli.errors import CannotPrint
from jaxq.engine.files import reason

NARROW = 80
"""Columns at least: a terminal that has fewer folds the lines itself."""
WIDE = 100_000
"""Columns where stdout is a file or a pipe, so that no line is cut or folded."""


class Stdout:
    """A stream that results are printed on; what it cannot take is `CannotPrint`, and then nothing more is tried."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        return self._do("write", text)

    def flush(self) -> None:
        self._do("flush")

    def _do(self, method: str, *args: Any) -> Any:
        if self._stream is None:
            raise CannotPrint("stdout: is closed")
        try:
            return getattr(self._stream, method)(*args)
        except UnicodeEncodeError:  # a name of the user's that the encoding of the terminal has not
            return getattr(self._stream, method)(*(_encodable(text, self._stream.encoding) for text in args))
        except OSError as error:
            with contextlib.suppress(OSError, ValueError):  # or the interpreter tries again when it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise CannotPrint(f"stdout: {reason(error)}") from None


def _encodable(text: str, encoding: str) -> str:
    """Text with an escape, such as ``\\u03bb``, for each character that an encoding has not."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def stdout_console() -> Any:
    """The console that results are printed on; never so narrow that numbers are cut into pieces."""
    from rich.console import Console

    width = max(NARROW, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDE
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_line(kind: str, text: str) -> None:
    """One line ``kind: text`` on stderr."""
    print(f"{kind}: {' '.join(text.split())}", file=sys.stderr)


def new_table(*headers: str) -> Any:
    """A table without vertical rules; cells fold rather than lose characters. A header that begins with ``>`` is of
    numbers, which stand to the right; one that begins with ``!`` is of names, which are not folded."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        kind, text = (header[0], header[1:]) if header[:1] in (">", "!") else ("", header)
        table.add_column(text, justify="right" if kind == ">" else "left", overflow="fold", no_wrap=kind == "!")
    return table
