"""What a search returns: where every climb ended, and what of it the simulation confirms."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import Flag, flag_lines
from jaxq.engine.metric import Metric
from jaxq.engine.plain import aligned, finite
from jaxq.engine.result import Result
from jaxq.engine.saved import NONE, SCHEMA, Saved
from jaxq.tuning.result import flat, plain_values, result_of


@dataclasses.dataclass(frozen=True)
class Climb:
    """One start and its end.

    Attributes:
        start, end: fields by name.
        smooth: the smooth metric where the gradient left off, at the last temperature.
        searched: the metric at the end on the paths of the search, which have been fitted.
        gain: over the baseline on fresh random numbers, paired.
        result: that simulation.
    """

    start: dict[str, Any]
    end: dict[str, Any]
    smooth: float
    searched: float
    gain: Metric
    result: Result

    @property
    def sure(self) -> bool:
        """Whether the whole interval of the gain is above 0."""
        return self.gain.mean is not None and self.gain.half_width is not None and self.gain.mean > self.gain.half_width


@dataclasses.dataclass(frozen=True)
class Outcome(Saved):
    """A search from many starts.

    Attributes:
        system: its name.
        fixed: the fields that were not looked for.
        objective: its name.
        metric: its name.
        baseline: the fields of the system to beat.
        against: its simulation.
        climbs: one a start; the intervals of their gains hold together with probability ``level``.
        best: index of the climb that was highest on the paths of the search, chosen before it was simulated afresh.
        level: see climbs.
        flags: of the simulations.
        tuned: the system, a `Model`, of the best climb; None if this was read from a file.
    """

    system: str
    fixed: dict[str, Any]
    objective: str
    metric: str
    baseline: dict[str, Any]
    against: Result
    climbs: tuple[Climb, ...]
    best: int
    level: float
    flags: tuple[str, ...]
    tuned: Any = dataclasses.field(repr=False)

    index = ("start",)
    marks = frozenset({"climbs"})
    endings = (".json", ".csv")

    @property
    def found(self) -> bool:
        """Whether the best climb beats the baseline for sure."""
        return self.climbs[self.best].sure

    @property
    def sure(self) -> int:
        """Climbs that beat the baseline for sure."""
        return sum(climb.sure for climb in self.climbs)

    def verdict(self) -> str:
        """What may be claimed, in one sentence."""
        base, gain = self.against[self.metric].mean, self.climbs[self.best].gain
        if base is None or gain.mean is None or gain.half_width is None:
            return f"no gain found in {self.metric}: its simulation is withheld"
        shown = f"{gain.mean:.4g} +- {gain.half_width:.2g}"
        if not self.found:
            return f"no gain found in {self.metric}: the best of {len(self.climbs)} starts has {shown} over {base:.6g}"
        relative = f" ({100 * gain.mean / base:+.2f} %)" if base > 0 else ""
        sure = f"{self.sure} of {len(self.climbs)} starts gain for sure"
        return f"gain in {self.metric} {shown}{relative} over {base:.6g}; {sure}"

    def rows(self) -> list[dict[str, Any]]:
        """One row a start; element i of a list is ``name_i``, from 1."""
        return [
            {
                "start": number,
                **flat(plain_values(climb.end)),
                "smooth": climb.smooth,
                "searched": climb.searched,
                self.metric: climb.result[self.metric].mean,
                "gain": climb.gain.mean,
                "half_width": climb.gain.half_width,
            }
            for number, climb in enumerate(self.climbs, 1)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1); no NaN or Infinity in it."""
        return {
            "schema": SCHEMA,
            "system": self.system,
            "fixed": self.fixed,
            "objective": self.objective,
            "metric": self.metric,
            "baseline": {"fields": self.baseline, "result": self.against.to_dict()},
            "found": self.found,
            "sure": self.sure,
            "best": self.best + 1,
            "level": self.level,
            "climbs": [
                {
                    "start": plain_values(climb.start),
                    "end": plain_values(climb.end),
                    "smooth": finite(climb.smooth),
                    "searched": finite(climb.searched),
                    self.metric: climb.result[self.metric].to_dict(),
                    "gain": dataclasses.asdict(climb.gain),
                    "sure": climb.sure,
                }
                for climb in self.climbs
            ],
            "run": self.against.run,
            "flags": list(self.flags),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Outcome":
        """The inverse of `to_dict` but for ``tuned``; of the result of a climb only the metric is known."""
        metric, baseline = data["metric"], data["baseline"]
        climbs = tuple(
            Climb(
                _arrays(climb["start"]),
                _arrays(climb["end"]),
                climb["smooth"],
                climb["searched"],
                Metric(**climb["gain"]),
                result_of(data["system"], metric, climb[metric], data["run"]),
            )
            for climb in data["climbs"]
        )
        return cls(
            data["system"],
            data["fixed"],
            data["objective"],
            metric,
            baseline["fields"],
            Result.from_dict(baseline["result"]),
            climbs,
            data["best"] - 1,
            data["level"],
            tuple(map(Flag, data["flags"])),
            None,
        )

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.system}  {self.objective}", *aligned(self.rows()), self.verdict(), *flag_lines(self.flags)]
        )


def _arrays(values: dict[str, Any]) -> dict[str, Any]:
    """Fields by name from JSON values."""
    return {name: np.asarray(x)[()] for name, x in values.items()}
