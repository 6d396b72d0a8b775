"""What `customers` returns: a record a customer, in columns."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import Flag, flag_lines
from jaxq.engine.plain import aligned, parameters_text
from jaxq.engine.saved import NONE, SCHEMA, Saved

SHOWN = 10
"""CustomerLog in a text."""


@dataclasses.dataclass(frozen=True)
class CustomerLog(Saved):
    """Customers of one system, those of a replica after those of another, as they come.

    Attributes:
        system: title of the system.
        parameters: its fields by name.
        columns: by name, shape (records,); times in model time, whole numbers, or true and false.
        run: replicas, customers of each, skip, seed, seconds (compiling included), versions.
        flags: overflow | nan (`jaxq.engine.flags`).
    """

    system: str
    parameters: dict[str, Any]
    columns: dict[str, np.ndarray] = dataclasses.field(repr=False)
    run: dict[str, Any]
    flags: tuple[str, ...] = ()

    index = ("replica", "customer")
    marks = frozenset({"customers"})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def rows(self) -> list[dict[str, Any]]:
        """One row a customer."""
        columns = {name: x.tolist() for name, x in self.columns.items()}
        return [dict(zip(columns, map(_known, row), strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_pandas(self) -> Any:
        """The columns as a ``pandas.DataFrame``. ImportError without pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas (pip install pandas); columns has the same as arrays") from None
        return pandas.DataFrame(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a service never starts."""
        return {
            "schema": SCHEMA,
            "system": self.system,
            "parameters": self.parameters,
            "customers": {name: list(map(_known, values.tolist())) for name, values in self.columns.items()},
            "run": self.run,
            "flags": list(self.flags),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "CustomerLog":
        """The inverse of `to_dict`."""
        columns = {
            name: np.array([np.nan if x is None else x for x in values]) for name, values in data["customers"].items()
        }
        return cls(data["system"], data["parameters"], columns, data["run"], tuple(map(Flag, data["flags"])))

    def arrays(self) -> dict[str, Any]:
        """The columns by name."""
        return dict(self.columns)

    def __str__(self) -> str:
        first = {name: x[:SHOWN].tolist() for name, x in self.columns.items()}
        rows = [
            {name: f"{x:.6g}" if isinstance(x, float) else str(x) for name, x in zip(first, row, strict=True)}
            for row in zip(*first.values(), strict=True)
        ]
        head = f"{self.system}  {parameters_text(self.parameters)}"
        more = [f"{SHOWN} of {len(self)} records"] if len(self) > SHOWN else []
        return "\n".join([head, *aligned(rows), *more, *flag_lines(self.flags)])


def _known(x: Any) -> Any:
    """A value, None for nan."""
    return None if x != x else x
