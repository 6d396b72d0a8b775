"""Results in files: one writer and one reader for all of them."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.files import (
    check_ending,
    check_parent,
    json_text,
    read_json,
    read_npz,
    write_csv,
    write_json,
    write_npz,
)
from jaxq.engine.tabular import Tabular

SCHEMA = 1
NONE: Mapping[str, np.ndarray] = MappingProxyType({})
"""The arrays of a file that has none."""


class Saved(Tabular):
    """A result that can be written to a file and read again.

    ``marks``: entries that together only its files have. ``endings``: of the files.
    """

    marks: ClassVar[frozenset[str]]
    endings: ClassVar[tuple[str, ...]] = (".json", ".csv", ".npz")

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1); no NaN or Infinity in it."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> Self:
        """The inverse of `to_dict`; ``arrays`` are those of an NPZ, with what JSON does not hold."""

    def arrays(self) -> dict[str, Any]:
        """What an NPZ holds beside the JSON, which is there as ``result``."""
        return {}

    def csv_rows(self) -> list[dict[str, Any]]:
        """What a CSV holds."""
        return self.records()

    def save(self, path) -> None:
        """Write by the ending of ``path``, whole or not at all: JSON, CSV (a table) or NPZ (the JSON, and arrays).

        Raises:
            ValueError: another ending, or there is no such folder. OSError: it cannot be written.
        """
        check_ending("out", path, self.endings)
        path = Path(path)
        check_parent("out", path)
        if path.suffix == ".json":
            write_json(path, self.to_dict())
        elif path.suffix == ".csv":
            write_csv(path, self.csv_rows())
        else:
            write_npz(path, {**self.arrays(), "result": json_text(self.to_dict())})

    @classmethod
    def load(cls, path) -> Self:
        """Read what `save` wrote as JSON or NPZ. ValueError if the file holds another kind of result, or none."""
        found = load(path)
        if not isinstance(found, cls):
            raise ValueError(f"{path}: holds a {type(found).__name__}, no {cls.__name__}; use jaxq.load")
        return found


def load(path) -> Any:
    """What jaxq found, from the .json or .npz file it was saved in.

    Args:
        path: what ``save`` or ``--out`` wrote.

    Returns:
        A `Result`, `Results`, `Gradients`, `Paths`, `CustomerLog`, `Tuning`, `Outcome` or `ExactResult`. Values by replica
        and exact laws are only in an .npz; no file keeps the systems (``Results.model``, ``Tuning.tuned``).

    Raises:
        ValueError: the file holds none of these. OSError: it cannot be read.

    Example:
        >>> jaxq.load("transient.json").to_pandas()
    """
    if str(path).endswith(".csv"):
        raise ValueError(f"{path}: a .csv is a table for other programs; save as .json or .npz to load it again")
    check_ending("path", path, (".json", ".npz"))
    path = Path(path)
    arrays = read_npz(path) if path.suffix == ".npz" else NONE
    try:
        data = json.loads(str(arrays["result"])) if arrays else read_json(path)
        kinds = [kind for kind in Saved.__subclasses__() if kind.marks <= set(data)]
        if kinds:
            if data["schema"] != SCHEMA:
                raise FieldError("schema", data["schema"], f"must be {SCHEMA}")
            return max(kinds, key=lambda kind: len(kind.marks)).from_dict(data, arrays)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
        pass
    raise ValueError(f"{path}: holds no result that jaxq saved")
