"""What a metric is and what it is measured in: a row of a system's table of metrics."""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple


class Quantity(NamedTuple):
    """A metric, or a family of them: its name, what it is, and its unit; ``primary``: the precision of a run is asked of it.

    Part of a name may stand for others: ``queue_<class>`` is ``queue_1``, ``queue_2``, ... Of two rows that a metric fits,
    the first counts.
    """

    name: str
    meaning: str
    unit: str
    primary: bool = False


@functools.cache
def _pattern(name: str) -> re.Pattern:
    return re.compile(re.sub("<.*?>", ".+", re.escape(name)))


def quantity(table: Iterable[Quantity], metric: str) -> Quantity | None:
    """The row of a table that a metric belongs to; None if there is none."""
    return next((row for row in table if _pattern(row.name).fullmatch(metric)), None)


def unit(table: Iterable[Quantity], metric: str) -> str | None:
    """The unit of a metric; None where the table has none."""
    row = quantity(table, metric)
    return None if row is None else row.unit


def primary(table: Iterable[Quantity], metrics: Iterable[str]) -> tuple[str, ...]:
    """The primary metrics among some, in the order of the table; empty where no row is primary: all count alike."""
    rows = [row for row in table if row.primary]
    return tuple(name for row in rows for name in metrics if _pattern(row.name).fullmatch(name))
