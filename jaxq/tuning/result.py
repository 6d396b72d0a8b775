"""What a tuning returns: the parameters found, how, and whether the simulation confirms the gain."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import Flag, flag_lines
from jaxq.engine.metric import Metric
from jaxq.engine.objective import Optimum
from jaxq.engine.plain import aligned, finite, plain
from jaxq.engine.result import Result
from jaxq.engine.saved import NONE, SCHEMA, Saved
from jaxq.tuning.descent import Step

DESCENT = {Flag.OBJECTIVE_NOT_FINITE, Flag.OBJECTIVE_UNDEFINED, Flag.NOT_CONVERGED}
"""Flags of a descent that did not come to rest."""


@dataclasses.dataclass(frozen=True)
class Verification:
    """Start and best simulated on the same random words.

    ``gain``: how much better ``metric`` is at best than at start (start minus best for an objective to be made small),
    with the half-width from paired replicas; its mean is None where one of the two is withheld.
    """

    metric: str
    gain: Metric
    start: Result
    best: Result

    @property
    def sure(self) -> bool:
        """Whether the interval of the gain excludes 0."""
        gain = self.gain
        return gain.mean is not None and gain.half_width is not None and abs(gain.mean) > gain.half_width > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the metric at both, the gain, and how it was run."""
        gain = {"mean": self.gain.mean, "half_width": self.gain.half_width, "level": self.gain.level}
        both = {
            name: {**result[self.metric].to_dict(), "flags": list(result.flags)}
            for name, result in (("start", self.start), ("best", self.best))
        }
        return {"metric": self.metric, "gain": gain, **both, "run": self.best.run}

    @classmethod
    def from_dict(cls, system: str, data: dict[str, Any]) -> "Verification":
        """The inverse of `to_dict`: of the two results of ``system`` only the metric is known."""
        start, best = (result_of(system, data["metric"], data[name], data["run"]) for name in ("start", "best"))
        return cls(data["metric"], Metric(**data["gain"]), start, best)


def result_of(system: str, metric: str, saved: dict[str, Any], run: dict[str, Any]) -> Result:
    """A result of one metric, saved with its flags."""
    told = {name: x for name, x in saved.items() if name != "flags"}
    return Result(system, {}, {}, {metric: Metric(**told)}, run, flags=tuple(map(Flag, saved.get("flags", ()))))


@dataclasses.dataclass(frozen=True)
class Tuning(Saved):
    """Parameters tuned by gradient.

    Attributes:
        system: its name.
        fixed: the fields that were not tuned.
        objective: name of the objective.
        start: values, objective and norm of the gradient, in the coordinates of the descent (`Step`).
        best: the same of the best; the objective is the metric itself where it can be evaluated (``hard``), the
            values of ``best`` are as printed.
        average: the mean of the last quarter of the iterates; None where the descent ended early.
        trace: every iterate, with the smooth objective at its temperature.
        verification: the simulation of start and best; None if it was not asked for or there is no metric.
        flags: what went wrong, in the descent or the runs (`jaxq.engine.flags`).
        tuned: the system, a `Model`, with the best parameters; None if this was read from a file.
        meaning: what the objective is, one line; it need not be the simulated metric that it stands for.
        known: the optimum that is known without tuning, where there is one.
        run: how a simulated objective was descended on: method, replicas, seed, events, devices; None of a formula.
        bounds: the numbers that ended at the end of what they may be, with that bound.
    """

    system: str
    fixed: dict[str, Any]
    objective: str
    start: Step
    best: Step
    average: Step | None
    trace: tuple[Step, ...]
    verification: Verification | None
    flags: tuple[str, ...]
    tuned: Any = dataclasses.field(repr=False)
    meaning: str = ""
    known: Optimum | None = None
    run: dict[str, Any] | None = None
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)

    index = ("step",)
    marks = frozenset({"trace"})
    endings = (".json", ".csv")

    @property
    def converged(self) -> bool:
        """Whether the descent ran to its end and its iterates had come to rest."""
        return not DESCENT & set(self.flags)

    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1); no NaN or Infinity in it."""
        steps = {"start": self.start, "best": self.best, "average": self.average}
        known = {name: step for name, step in steps.items() if step is not None}
        return {
            "schema": SCHEMA,
            "system": self.system,
            "fixed": self.fixed,
            "parameters": {name: _values(step) for name, step in known.items()},
            "objective": {
                "name": self.objective,
                "meaning": self.meaning,
                **{name: finite(step.objective) for name, step in known.items()},
            },
            "iterates": {name: _found(step) for name, step in known.items()},
            "known": None
            if self.known is None
            else {
                "parameters": {name: plain(x) for name, x in self.known.values.items()},
                "objective": self.known.objective,
                "source": self.known.source,
            },
            "run": self.run,
            "bounds": self.bounds,
            "verification": None if self.verification is None else self.verification.to_dict(),
            "trace": [{"parameters": _values(step), **_found(step)} for step in self.trace],
            "flags": list(self.flags),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Tuning":
        """The inverse of `to_dict` but for ``tuned``."""
        ends = {
            name: _step({**told, "parameters": data["parameters"][name]}) for name, told in data["iterates"].items()
        }
        known, check, objective = data["known"], data["verification"], data["objective"]
        return cls(
            data["system"],
            data["fixed"],
            objective["name"],
            ends["start"],
            ends["best"],
            ends.get("average"),
            tuple(map(_step, data["trace"])),
            None if check is None else Verification.from_dict(data["system"], check),
            tuple(map(Flag, data["flags"])),
            None,
            objective["meaning"],
            None if known is None else Optimum(known["parameters"], known["objective"], known["source"]),
            data["run"],
            data.get("bounds", {}),
        )

    def rows(self) -> list[dict[str, Any]]:
        """The trace with one column a number; element i of a list is ``name_i``, from 1,
        and of a matrix ``name_i_j``."""
        return [{"step": step.step, **columns(step), **_found(step)} for step in self.trace]

    def objective_text(self) -> str:
        """What the objective is, and that it is not what is simulated, in one line."""
        metric = "" if self.verification is None or self.run is not None else self.verification.metric
        apart = f"; it stands for the simulated {metric} and need not equal it" * bool(metric)
        return f"objective {self.objective}: {self.meaning}{apart}"

    def bounds_text(self) -> str | None:
        """Which numbers ended at a bound, in one line; None where none did."""
        ends = ", ".join(f"{name} = {bound:g}" for name, bound in self.bounds.items())
        return f"at the bound: {ends}" if ends else None

    def run_text(self) -> str | None:
        """How a simulated objective was descended on, in one line; None of a formula."""
        if self.run is None:
            return None
        run = self.run
        ran = f"{run['steps']} steps, {run['replicas']} replicas, {run['events']:.4g} events, seed {run['seed']}"
        time = f"{run['seconds']:.3g} s, {run['compile_seconds']:.3g} of them compiling"
        controls = f", regressed on {run['controls']} controls" if run.get("controls") else ""
        window = f" of the last {run['window']} events" if run.get("window") else ""
        return f"derivatives by {run['method']}{window}{controls}: {ran}; {time}"

    def ends(self) -> dict[str, dict[str, float]]:
        """Values and objective, with its standard error if it is simulated, at start and best."""
        both = {"start": self.start, "best": self.best}
        found = {name: {**columns(step), "objective": step.objective} for name, step in both.items()}
        if self.run is not None:
            for name, step in both.items():
                found[name]["standard error"] = step.objective_error or 0.0
        return found

    def __str__(self) -> str:
        lines = [f"{self.system}  {self.objective}"]
        lines += aligned([{"": name, **end} for name, end in self.ends().items()])
        lines.append(self.objective_text())
        lines += filter(None, [self.run_text(), self.bounds_text()])
        if self.known is not None:
            shown = ", ".join(f"{name} {x:.6g}" for name, x in flat(plain_values(self.known.values)).items())
            lines.append(f"known optimum: {shown}, objective {self.known.objective:.6g} ({self.known.source})")
        if self.verification is not None:
            gain = self.verification.gain
            shown = "withheld" if gain.mean is None else f"{gain.mean:.6g} +- {gain.half_width or 0:.2g}"
            lines.append(f"gain in simulated {self.verification.metric}: {shown}")
        return "\n".join([*lines, *flag_lines(self.flags)])


def columns(step: Step) -> dict[str, float]:
    """The values of an iterate, one number a name."""
    return flat(_values(step))


def flat(values: dict[str, Any]) -> dict[str, float]:
    """Plain values with one number a name; element i of a list is ``name_i``, from 1."""
    found = {}
    for name, value in values.items():
        array = np.asarray(value)
        found |= {
            "_".join([name, *(str(i + 1) for i in at)]): x
            for at, x in zip(np.ndindex(array.shape), array.ravel().tolist(), strict=True)
        }
    return found


def _found(step: Step) -> dict[str, float]:
    """Everything of an iterate but its values; standard errors where it is simulated."""
    found = {key.name: getattr(step, key.name) for key in dataclasses.fields(step) if key.name != "values"}
    return {name: x for name, x in found.items() if x is not None}


def _step(saved: dict[str, Any]) -> Step:
    """The iterate that was saved, its values as arrays."""
    values = {name: np.asarray(x, np.float64)[()] for name, x in saved["parameters"].items()}
    return Step(values=values, **{name: x for name, x in saved.items() if name != "parameters"})


def _values(step: Step) -> dict[str, Any]:
    return plain_values(step.values)


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Fields by name as JSON values."""
    return {name: plain(value) for name, value in values.items()}
