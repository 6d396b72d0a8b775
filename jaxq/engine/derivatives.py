"""What `gradient` returns: means, and under each its derivatives with interval, bias of the step or window, oracle and z."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.engine.flags import flag_lines
from jaxq.engine.metric import Metric
from jaxq.engine.plain import aligned, parameters_text
from jaxq.engine.result import Result
from jaxq.engine.saved import NONE, SCHEMA, Saved
from jaxq.engine.tabular import of_run


@dataclasses.dataclass(frozen=True)
class Gradients(Saved):
    """Derivatives of the metrics of one system by some of its parameters.

    ``result``: of the system, in which every derivative is one more metric, ``metric/parameter``, with its estimate by
    replica. ``parameters``: their values by name. ``bias``: by derivative, what the step, or half the window of a score,
    alone would have added to it, and the half-width of that; it has been taken off.

    ``found["queue_length"]`` is a mean, ``found["queue_length", "phi"]`` its derivative.
    """

    result: Result
    parameters: dict[str, float]
    bias: dict[str, tuple[float | None, float | None]]

    @property
    def flags(self) -> tuple[str, ...]:
        """What went wrong."""
        return self.result.flags

    @property
    def run(self) -> dict[str, Any]:
        """How it was run, with the method, the side and the step or window as ``run["gradient"]``."""
        return self.result.run

    @property
    def means(self) -> dict[str, Metric]:
        """The metrics of the system itself."""
        return {name: metric for name, metric in self.result.metrics.items() if "/" not in name}

    @property
    def derivatives(self) -> dict[str, dict[str, Metric]]:
        """By metric and parameter; none of a metric that the method cannot differentiate."""
        metrics = self.result.metrics
        return {
            name: {path: metrics[f"{name}/{path}"] for path in self.parameters if f"{name}/{path}" in metrics}
            for name in self.means
        }

    def __getitem__(self, key: str | tuple[str, str]) -> Metric:
        return self.result["/".join(key) if isinstance(key, tuple) else key]

    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1); no NaN or Infinity in it."""
        data = self.result.to_dict()
        data["metrics"] = {
            name: {
                **metric.to_dict(),
                "derivatives": {
                    path: x.to_dict() | self._bias(name, path) for path, x in self.derivatives[name].items()
                },
            }
            for name, metric in self.means.items()
        }
        return {"schema": SCHEMA, "with_respect_to": self.parameters, **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Gradients":
        """The inverse of `to_dict`; values by replica come from the arrays."""
        metrics, bias = {}, {}
        for name, told in data["metrics"].items():
            metrics[name] = {key: x for key, x in told.items() if key != "derivatives"}
            for path, slope in told["derivatives"].items():
                own = {key: x for key, x in slope.items() if not key.startswith("bias")}
                metrics[f"{name}/{path}"] = own
                if "bias" in slope:
                    bias[f"{name}/{path}"] = (slope["bias"], slope["bias_half_width"])
        return cls(Result.from_dict({**data, "metrics": metrics}, arrays), data["with_respect_to"], bias)

    def _bias(self, name: str, path: str) -> dict[str, float | None]:
        found = self.bias.get(f"{name}/{path}")
        return {} if found is None else {"bias": found[0], "bias_half_width": found[1]}

    index = ("metric", "parameter")
    marks = frozenset({"point", "with_respect_to"})

    def records(self) -> list[dict[str, Any]]:
        """The `rows` with standard errors, and replicas, level and seed of the run."""
        found = []
        for row in self.rows():
            metric = self[row["metric"], row["parameter"]] if row["parameter"] else self[row["metric"]]
            found.append({**row, "standard_error": metric.standard_error, **of_run(self.run)})
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, where ``parameter`` is empty, and one a derivative of it."""
        empty = {"bias": None, "bias_half_width": None}
        rows = []
        for name, metric in self.means.items():
            for path, x in {"": metric, **self.derivatives[name]}.items():
                row = {"metric": name, "parameter": path, "mean": x.mean, "half_width": x.half_width}
                row |= empty | (self._bias(name, path) if path else {})
                rows.append(row | {"oracle": x.oracle, "kind": x.kind, "z": x.z})
        return rows

    def arrays(self) -> dict[str, Any]:
        """Estimates by replica, a derivative by the name ``metric/parameter``."""
        return self.result.arrays()

    def csv_rows(self) -> list[dict[str, Any]]:
        """The `records` with the flags."""
        return [{**row, "flags": " ".join(self.flags)} for row in self.records()]

    def method_text(self) -> str:
        """How the derivatives were obtained, in one line."""
        told = self.run["gradient"]
        if told["method"] == "fluid":
            return (
                "derivatives of fluid objectives, exact for the formula, which is not what is simulated:\n"
                + "\n".join(f"{name}: {meaning}" for name, meaning in told["meaning"].items())
            )
        if told["method"] == "pathwise":
            without = f"; it has none of {', '.join(told['without'])}, finite-difference does" * bool(told["without"])
            return f"derivatives of the path: unbiased, no step{without}"
        if told["method"] == "coupling":
            life = "none ends" if told["lifetime"] is None else f"one lasts {told['lifetime']:.3g} units of time"
            return f"coupled alternatives on one clock: unbiased, no step; {life}"
        if told["method"] == "score":
            return (
                f"score of the last {told['window']} events and up to half as many more; "
                "bias: what half of them alone would have added, taken off"
            )
        side = "" if told["side"] is None else f" on the {told['side']}"
        return (
            f"paired differences{side} on the same random numbers, steps of {100 * told['step']:g} % and twice that; "
            "bias: what one step would have added, taken off"
        )

    def __str__(self) -> str:
        heading = f"{self.result.system}  {parameters_text(self.result.parameters)}"
        lines = [heading, *aligned(self.rows()), self.method_text()]
        return "\n".join([*lines, *flag_lines(self.flags)])
