"""What `paths` returns: means and intervals on a grid of times, and the paths that were kept."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import Flag, flag_lines
from jaxq.engine.initial import initial_text
from jaxq.engine.plain import aligned, finite, parameters_text
from jaxq.engine.saved import NONE, SCHEMA, Saved
from jaxq.engine.schedule import schedule_lines
from jaxq.engine.tabular import of_run


@dataclasses.dataclass(frozen=True)
class Paths(Saved):
    """Transient means of one system on a grid of times.

    Attributes:
        system: title of the system.
        parameters: its fields by name.
        times: the grid, model time, shape (times,).
        mean: mean over replicas at each time, by observable, shape (times,); nan where it is withheld.
        half_width: half-width of the pointwise Student interval at ``level``, by observable, shape (times,).
        level: confidence level of each interval (each by itself, not of the curve).
        paths: the first replicas' values by observable, shape (keep_paths, times); empty without keep_paths.
        run: replicas, seed, events (of all replicas), seconds (compiling included), devices, versions.
        flags: truncated | overflow | invalid_rates | index_out_of_range | nan (`jaxq.engine.flags`); means from there on are
            withheld.
        units: of the observables that are metrics as they are, where the system names them.
        stationary: exact stationary means, by observable, where the oracle of the system has them.
        switches: times at which the system changes by itself or by schedule.
        schedule: ``fields``, by name pairs of a time and the value from then on, and ``period``; empty without one.
        initial: the state at time 0 as it was given, by name or as lists; None: that of the system.
    """

    system: str
    parameters: dict[str, Any]
    times: np.ndarray = dataclasses.field(repr=False)
    mean: dict[str, np.ndarray] = dataclasses.field(repr=False)
    half_width: dict[str, np.ndarray] = dataclasses.field(repr=False)
    level: float
    paths: dict[str, np.ndarray] = dataclasses.field(repr=False)
    run: dict[str, Any]
    flags: tuple[str, ...] = ()
    units: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    stationary: dict[str, float] = dataclasses.field(default_factory=dict)
    switches: tuple[float, ...] = ()
    schedule: dict[str, Any] = dataclasses.field(default_factory=dict)
    initial: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a mean is withheld or an interval undefined."""
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "system": self.system,
            "parameters": self.parameters,
            "times": self.times.tolist(),
            "observables": {
                name: {"mean": _listed(self.mean[name]), "half_width": _listed(self.half_width[name])}
                for name in self.mean
            },
            "level": self.level,
            "run": self.run,
            "flags": list(self.flags),
            "units": self.units,
            "stationary": self.stationary,
            "switches": list(self.switches),
            **({"schedule": self.schedule} if self.schedule else {}),
            **({} if self.initial is None else {"initial": self.initial}),
        }
        if self.paths:
            data["paths"] = {name: [_listed(path) for path in values] for name, values in self.paths.items()}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Paths":
        """The inverse of `to_dict`."""
        seen, kept = data["observables"], data.get("paths", {})
        return cls(
            data["system"],
            data["parameters"],
            np.array(data["times"], float),
            {name: np.array(x["mean"], float) for name, x in seen.items()},
            {name: np.array(x["half_width"], float) for name, x in seen.items()},
            data["level"],
            {name: np.array(x, float) for name, x in kept.items()},
            data["run"],
            tuple(map(Flag, data["flags"])),
            data.get("units", {}),
            data.get("stationary", {}),
            tuple(data.get("switches", ())),
            data.get("schedule", {}),
            data.get("initial"),
        )

    def arrays(self) -> dict[str, Any]:
        """``times``, ``mean/<name>``, ``half_width/<name>``, ``paths/<name>``."""
        kinds = {"mean": self.mean, "half_width": self.half_width, "paths": self.paths}
        return {
            "times": self.times,
            **{f"{kind}/{name}": x for kind, named in kinds.items() for name, x in named.items()},
        }

    def path_rows(self) -> list[dict[str, Any]]:
        """The kept sample paths as tidy records: one row a replica, time and observable."""
        return [
            {"replica": i, "time": float(t), "observable": name, "value": finite(x)}
            for name, values in self.paths.items()
            for i, path in enumerate(values)
            for t, x in zip(self.times, path, strict=True)
        ]

    index = ("time", "observable")
    marks = frozenset({"observables"})

    def records(self) -> list[dict[str, Any]]:
        """The `rows`, with replicas, level and seed of the run."""
        return [{**row, **of_run({**self.run, "level": self.level})} for row in self.rows()]

    def rows(self) -> list[dict[str, Any]]:
        """One row a time and observable, for tables and CSV."""
        return [
            {"time": float(t), "observable": name, "mean": finite(m), "half_width": finite(h)}
            for name in self.mean
            for t, m, h in zip(self.times, self.mean[name], self.half_width[name], strict=True)
        ]

    def __str__(self) -> str:
        shown = np.unique(np.linspace(0, len(self.times) - 1, 11).round().astype(int))
        rows = [
            {
                "time": float(self.times[i]),
                **{name: f"{self.mean[name][i]:.6g} +- {self.half_width[name][i]:.2g}" for name in self.mean},
            }
            for i in shown
        ]
        return "\n".join([*self.head(), *aligned(rows), *flag_lines(self.flags)])

    def head(self) -> list[str]:
        """What was followed, in lines of a text: system, initial state, schedule."""
        begins = [] if self.initial is None else [f"initial  {initial_text(self.initial)}"]
        return [f"{self.system}  {parameters_text(self.parameters)}", *begins, *schedule_lines(self.schedule)]


def _listed(values: np.ndarray) -> list[float | None]:
    return [finite(x) for x in values]
