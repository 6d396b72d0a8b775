"""A column of numbers of a text file, from which empirical laws and traces are read.

It is written ``FILE``, or ``FILE#COLUMN`` where the file has several: by the name in the first row, or by number from 1. The
first line says what stands between columns: ``;`` if it has one, else a tab, else ``,``, else white space. The first row
is a header if no cell of it is a number. ``#`` at the start of a line or after white space starts a comment. The text is
UTF-8, cells may be quoted, and nothing is guessed: a cell that is no number, or a row of another length, is refused with
its line.
"""

import csv
import itertools
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxq.checks import FieldError
from jaxq.laws.law import shortest

_COMMENT = re.compile(r'(^|\s)#[^"]*$')
_LIKE_DATA = re.compile(r"[-+.\d]")
"""How numbers, dates and times begin, and names of columns do not."""
_SHOWN = 30
"""Characters of a cell that a sentence quotes."""
_RULE = "must be a finite number such as 1.5 (dates, times of day and decimal commas are not read)"


class Column(NamedTuple):
    """The numbers of one column."""

    name: tuple[str, str]
    """What was read, field and value, as sentences begin with it."""
    values: np.ndarray  # (n,), float64, finite
    lines: list[int]  # (n,), the line in the file of each, from 1

    def refused(self, i: int, rule: str) -> ValueError:
        """The error that says that the i-th number is not allowed, and what is."""
        return FieldError(*self.name, f"line {self.lines[i]} has {shortest(self.values[i])}: {rule}")


def numbers_or_column(name: tuple[str, str], text: str, usage: str) -> list[float] | Column:
    """Numbers with commas between, or a column of a file; ``usage`` says what may be given. Raises FieldError."""
    if not text:
        raise FieldError(*name, f"must be {usage}")
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        pass  # no numbers, so a file
    try:
        return read_column(name, text)
    except OSError as error:
        raise FieldError(*name, f"must be {usage} ({error.strerror})") from None


def read_column(name: tuple[str, str], text: str) -> Column:
    """The column that ``text``, ``FILE`` or ``FILE#COLUMN``, stands for.

    Args:
        name: field and value, as the sentences of errors begin with them.
        text: the file and, where it has several, the column. A file whose own name has a ``#`` is found first.

    Returns:
        One number a row, at least one, with their lines.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no UTF-8 text, has no such column, has several and none was named, or has a row of another
            length or a cell that is no finite number.
    """
    file, mark, wanted = text.rpartition("#")
    if not mark or os.path.exists(text):
        file, wanted = text, None
    text_lines, between = _read(name, file)
    rows = _rows(name, text_lines, between)
    first = list(itertools.islice(rows, 2))
    names = _header(first)
    if len(first) < 1 + bool(names):
        raise FieldError(*name, "must have numbers, and the file has none")
    width = len(names or first[0][1])
    place = _place(name, wanted, names, width, between)
    cells, lines = [], []
    for line, row in itertools.chain(first[bool(names) :], rows):
        if len(row) != width:
            cells_here = f"{len(row)} cell{'s' * (len(row) != 1)}"
            raise FieldError(*name, f"line {line} has {cells_here}: must have {width}, as the first row")
        cells.append(row[place])
        lines.append(line)
    return Column(name, _numbers(name, cells, lines), lines)


def _read(name: tuple[str, str], file: str) -> tuple[list[str], str]:
    """(lines without comments, what stands between columns)."""
    try:
        with open(file, encoding="utf-8-sig") as opened:
            text = opened.readlines()
    except ValueError:
        raise FieldError(*name, f"must be a file of text in UTF-8, and {file} is none") from None
    text = [_COMMENT.sub("", line) if "#" in line else line for line in text]
    head = [line.strip() for line in text if line.strip()][:2]
    between = next((mark for mark in ";\t," if head and mark in head[0]), " ")
    if between == " ":
        text = [line.strip() for line in text]
        if len(head) > 1 and len(head[1].split()) == 1 and not any(map(_is_number, head[0].split())):
            between = "\0"  # a title of several words over one column
    return text, between


def _rows(name: tuple[str, str], text: list[str], between: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not empty."""
    reader = csv.reader(text, delimiter=between, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield reader.line_num, row
    except csv.Error as error:
        raise FieldError(*name, f"line {reader.line_num} is no row of cells ({error})") from None


def _header(rows: list[tuple[int, list[str]]]) -> list[str] | None:
    """The names in the first row; None if that is a row of data."""
    first = [cell.strip() for cell in rows[0][1]] if rows else []
    named = any(cell and not _LIKE_DATA.match(cell) for cell in first)
    return first if named and not any(map(_is_number, first)) else None


def _place(name: tuple[str, str], wanted: str | None, names: list[str] | None, width: int, between: str) -> int:
    """Which column is wanted, from 0."""
    if wanted is None and width == 1:
        return 0
    if wanted is not None and names and names.count(wanted) == 1:
        return names.index(wanted)
    if wanted is not None and wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    if names:
        listed = ", ".join(names[:20]) + (", ..." if width > 20 else "")
        raise FieldError(*name, f"the file has the columns {listed}: must be FILE#COLUMN, one of them or its number")
    numbered = f"FILE#COLUMN, a number from 1 to {width}" if width > 1 else "FILE#1 or FILE"
    hint = " (a comma stands between columns, not for a decimal point)" if between == "," else ""
    raise FieldError(*name, f"the file has {width} column{'s' * (width > 1)} without names: must be {numbered}{hint}")


def _numbers(name: tuple[str, str], cells: list[str], lines: list[int]) -> np.ndarray:
    """Cells as numbers."""
    try:
        values = np.array(list(map(float, cells)))
        if np.all(np.isfinite(values)) and "_" not in "".join(cells):
            return values
    except ValueError:
        pass
    i = next(i for i, cell in enumerate(cells) if not (_is_number(cell) and np.isfinite(float(cell))))
    cell = cells[i].strip()
    shown = f"{cell[:_SHOWN]}..." if len(cell) > _SHOWN else cell or "an empty cell"
    raise FieldError(*name, f"line {lines[i]} has {shown}: {_RULE}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
