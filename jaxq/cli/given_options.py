"""The options that were given, as text or as values of an experiment file: read and checked."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from jaxq.checks import FieldError
from jaxq.cli.options import SHARED
from jaxq.engine.files import check_path
from jaxq.engine.options import OPTIONS, Options

RESULT_ENDINGS = (".json", ".csv", ".npz")
PLOT_ENDINGS = (".png", ".svg", ".pdf")
TEXT = ("warmup", "checkpoint", "control", "replica_range")
"""Options whose value need not be a number."""


def number(value) -> Any:
    """Text as an int or a float; what is no number is left for `Options` to refuse."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            found = kind(value)
        except ValueError:
            continue
        return int(found) if found == found and abs(found) < 2**63 and found == int(found) else found
    return value


def build_options(given: Mapping[str, Any]) -> Options:
    """`Options` from the shared options given as text or as values of an experiment file. Raises ValueError."""
    chosen = {}
    for name in OPTIONS:
        if name not in given:
            continue
        value = given[name]
        if SHARED[name].repeated:
            chosen[name] = texts(name, value)
        else:
            chosen[name] = value if name in TEXT else number(value)
    return Options(**chosen)


def run_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run among those given, converted and checked. Raises ValueError."""
    return {name: value for name, value in build_options(given).to_dict().items() if name in given}


def texts(name: str, value) -> tuple[str, ...]:
    """One text or a list of texts as a tuple. Raises ValueError."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(x, str) for x in values):
        raise FieldError(name, value, "must be a text or a list of texts")
    return tuple(values)


@dataclasses.dataclass(frozen=True)
class Output:
    """Where the result goes besides the terminal."""

    files: tuple[str, ...] = ()
    plot: str | None = None
    json: bool = False
    quiet: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Output":
        """The checked outputs among the shared options. Raises ValueError."""
        flags = {}
        for name in ("json", "quiet"):
            flags[name] = given.get(name, False)
            if not isinstance(flags[name], bool):
                raise FieldError(name, flags[name], "must be true or false")
        output = cls(texts("out", given.get("out", ())), given.get("plot"), **flags)
        for path in output.files:
            check_path("out", path, RESULT_ENDINGS)
        if output.plot is not None:
            check_path("plot", output.plot, PLOT_ENDINGS)
        written = [("checkpoint", given.get("checkpoint")), ("plot", output.plot), *(("out", x) for x in output.files)]
        places: dict[str, str] = {}
        for name, path in written:
            if isinstance(path, str) and places.setdefault(os.path.realpath(path), name) != name:
                other = places[os.path.realpath(path)]
                raise FieldError(name, path, f"must be another file than --{other}, which it would overwrite")
        return output
