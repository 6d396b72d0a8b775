"""A record such as a network, described by the name of one in a library, a TOML file or a table; its parts, checked."""

import dataclasses
import difflib
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError, shown, vector, within
from jaxq.engine.host_numbers import host_column, host_numbers

NAME = re.compile(r"\w+")
Record = TypeVar("Record")


class Axis(NamedTuple):
    """What a number is given for: ``kind``, such as class, and the ``names`` of all of them."""

    kind: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"one a {self.kind} ({', '.join(self.names)})"

    def check_size(self, field: str, value: Any) -> None:
        """FieldError unless a value is None or a number for each."""
        if value is not None and np.size(value) != len(self.names):
            raise FieldError(field, np.asarray(value), f"must be {len(self.names)} numbers, {self}")


def described(
    field: str, given: str | Mapping[str, Any] | Record, kind: type[Record], library: Mapping[str, Record]
) -> Record:
    """A dataclass ``kind`` from its name in a library, the path of a TOML file or the table of one; one that is made stays.

    Raises:
        FieldError: there is none of that name, the file cannot be read, or `from_table` refuses what it says.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, Mapping):
        return from_table(field, given, kind)
    assert isinstance(given, str)
    if given.endswith(".toml"):
        try:
            data = tomllib.loads(Path(given).read_text(encoding="utf-8"))
        except OSError as error:
            raise FieldError(field, given, str(error.strerror)) from None
        except ValueError as error:
            raise FieldError(field, given, str(error)) from None
        return from_table(field, data, kind, given)
    if given not in library:
        close = difflib.get_close_matches(given, library, 1, 0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise FieldError(field, given, f"must be one of {', '.join(library)}, or a .toml file{hint}")
    return library[given]


def told(record: Any, library: Mapping[str, Any]) -> Any:
    """What a record can be made again from: its name in the library, or else its table."""
    return record.name if library.get(record.name) is record else record.to_dict()


def from_table(field: str, data: Mapping[str, Any], kind: type[Record], name: str = "") -> Record:
    """A dataclass from a table whose keys are its fields; ``name`` where it has none. FieldError for a key that is unknown
    or missing."""
    declared = dataclasses.fields(kind)  # pyright: ignore[reportArgumentType]
    known = [of.name for of in declared]
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {close[0]}?" if close else f"a {field} has {', '.join(known)}"
            raise FieldError(field, ..., f"unknown key {key}; {hint}")
    needed = [of.name for of in declared if of.default is dataclasses.MISSING]
    for key in needed:
        if key not in data:
            words = f"{', '.join(needed[:-1])} and {needed[-1]}"
            raise FieldError(field, ..., f"{key} is missing; a {field} needs {words}")
    return kind(**{"name": name or field, **data})


def names(field: str, given: Sequence[str], count: int, counted: str) -> tuple[str, ...]:
    """The names of so many things, different words; 1, 2, ... where none is given. ``counted``: the field that says how
    many. FieldError where they are not."""
    if not isinstance(given, (list, tuple)):
        raise FieldError(field, given, "must be a list of names")
    found = tuple(map(str, given)) or tuple(str(k + 1) for k in range(count))
    if len(found) != count:
        raise FieldError(field, ", ".join(found), f"must be {count} names, as {counted} has {count} numbers")
    for name in found:
        if not NAME.fullmatch(name) or found.count(name) > 1:
            raise FieldError(field, name, "must be different names of letters, digits and underscores")
    return found


def column(
    field: str, given: Any, of: Axis | None, *, positive: bool = False, signed: bool = False, default: Any = None
) -> Float[np.ndarray, " values"]:
    """A checked vector, of any size from 1 where ``of`` is None; ``default``: each number where none is given."""
    size = None if of is None else len(of.names)
    if given is None and default is not None:
        return np.full(size or 0, default)
    array = host_column(field, given, "a list of numbers")
    low = -math.inf if signed else 0.0
    return vector(field, array, size, low, open_low=positive, meaning="" if of is None else str(of))


def rows(field: str, given: Any, down: Axis, across: Axis, *, signed: bool = False, default: Any = None) -> np.ndarray:
    """A checked matrix, a row for each of ``down``; ``default``: each number where none is given."""
    if given is None and default is not None:
        return np.full((len(down.names), len(across.names)), default)
    given = host_numbers(given)
    if not isinstance(given, (list, tuple, np.ndarray)) or len(given) != len(down.names):
        count = len(given) if isinstance(given, (list, tuple, np.ndarray)) else shown(given)
        raise FieldError(field, ..., f"must be {len(down.names)} rows, {down}, not {count}")
    found, low = [], -math.inf if signed else 0.0
    for i, row in enumerate(given):
        place, rule = f" row {i + 1} ({down.kind} {down.names[i]})", f"{len(across.names)} numbers, {across}"
        numbers = host_column(field, row, rule, place)
        if numbers.shape != (len(across.names),):
            raise FieldError(field, row, f"must be {rule}", place)
        for j, x in enumerate(numbers):
            if not within(x, low):
                where = f"{place}, {across.kind} {across.names[j]}"
                raise FieldError(field, x, f"must be {'a number' if signed else '>= 0'}", where, short=True)
        found.append(numbers)
    return np.stack(found)
