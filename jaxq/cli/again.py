"""The command that finds a saved result again."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.derivatives import Gradients
from jaxq.engine.exact import ExactResult
from jaxq.engine.initial import initial_text, nested
from jaxq.engine.options import OPTIONS, Options
from jaxq.engine.result import Results
from jaxq.engine.saved import Saved
from jaxq.engine.schedule import schedule_texts
from jaxq.engine.transient import Paths
from jaxq.systems.find import known
from jaxq.tuning.outcome import Outcome
from jaxq.tuning.result import Tuning

FILES = ("checkpoint", "checkpoint_every", "devices")
"""Options that change no number."""


def command(found: Saved, system: str | None = None) -> str | None:
    """The command line that gives the same numbers; None for a tuning or a search, whose steps no result has, for a system
    that has no name and of which it is not said where it is (``system``), a field that is a table, or one that varies and is
    a list."""
    if isinstance(found, (Tuning, Outcome)):
        return None
    first: Any = found[0] if isinstance(found, Results) else found.result if isinstance(found, Gradients) else found
    fields = dict(first.parameters)
    words = {Paths: "paths", Gradients: "gradient", Results: "sweep", ExactResult: "exact"}.get(type(found), "run")
    options: dict[str, Any] = {}
    if not isinstance(found, ExactResult):
        options = {"replicas": first.run["replicas"], "seed": first.run["seed"]}
    if isinstance(found, Results):
        words = "compare" if found.differences else "sweep"
        names = list(dict.fromkeys(name for result in found for name in result.point))
        points = [tuple(result.point.get(name) for name in names) for result in found]
        if any(isinstance(x, (list, dict)) for point in points for x in point):
            return None  # a list is one value on the command line
        grid = {name: list(dict.fromkeys(point[i] for point in points)) for i, name in enumerate(names)}
        if len({r.system for r in found}) > 1 or len(set(points)) != np.prod([len(x) for x in grid.values()]):
            return None  # no product of values
        fields |= {name: ",".join(map(_text, values)) for name, values in grid.items()}
    if isinstance(found, Gradients):
        told = found.run["gradient"]
        options |= {"parameter": list(found.parameters), "method": told["method"]}
        options |= {name: told.get(name) for name in ("side", "window")}
    if isinstance(found, Paths):
        options |= {
            "times": _grid(found.times),
            "level": found.level,
            "keep_paths": len(next(iter(found.paths.values()), ())),
        }
        if found.schedule:
            options |= {"schedule": schedule_texts(found.schedule["fields"]), "period": found.schedule["period"]}
        if found.initial is not None:
            if nested(found.initial):
                return None
            options["initial"] = initial_text(found.initial)
        options["totals"] = any(name.startswith(("average_", "count_")) for name in found.mean)
    elif options:
        options |= _changed(first.run["options"])
    name = system or first.system
    if (system is None and name not in known()) or any(isinstance(x, dict) for x in fields.values()):
        return None
    parts = ["jaxq", words, shlex.quote(name)]
    for name, value in {**fields, **options}.items():
        for one in value if isinstance(value, list) and name in (*OPTIONS, "parameter", "schedule") else [value]:
            if one is None or one is False or (name == "keep_paths" and not one):
                continue
            parts.append(f"--{name.replace('_', '-')}")
            parts += [] if one is True else [shlex.quote(_text(one))]
    return " ".join(parts)


def _changed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are not the default."""
    default = Options(precision=0.01).to_dict()
    found = {}
    for name, value in options.items():
        usual = default[name]
        if name not in FILES and value not in (usual, list(usual) if isinstance(usual, tuple) else usual):
            found[name] = value
    return {name: x for name, x in found.items() if x is not None}


def _grid(times: np.ndarray) -> str:
    even = np.linspace(times[0], times[-1], times.size)
    if times.size > 2 and np.array_equal(even, times):
        return f"{_text(times[0])}:{_text(times[-1])}:{times.size}"
    return ",".join(map(_text, times))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    if isinstance(value, (bool, str)) or value is None:
        return str(value).lower() if not isinstance(value, str) else value
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
