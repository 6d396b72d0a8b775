"""What a run returns: metrics with intervals next to their oracles, how they were obtained, and what went wrong."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxq.checks import FieldError, is_number
from jaxq.engine.flags import Flag, flag_lines
from jaxq.engine.host_numbers import host_numbers, off_device
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.plain import WIDTH, aligned, in_words, parameters_text
from jaxq.engine.saved import NONE, SCHEMA, Saved, load
from jaxq.engine.tabular import html_table, of_run
from jaxq.stats.distribution import Distribution
from jaxq.stats.estimate import Estimate

BESIDE = ("half_width", "low", "high", "oracle", "z")
"""What stands beside the value of a quantile or of a service level."""


@dataclasses.dataclass(frozen=True)
class Result(Saved):
    """One system simulated. ``estimates`` keeps the per-replica residuals of every metric for a user's own statistics.

    ``quantiles`` has, by quantity and probability, the value, the ends of its interval (low, high) and half its length;
    where the law is known also the exact value (oracle) and z, by how many standard errors P(X <= oracle) is off its own.
    ``service_levels`` has the same of P(X <= x), by quantity and threshold x.
    ``primary``: the metrics that the system puts first. ``units``: of its fields, where known.
    """

    system: str
    parameters: dict[str, Any]
    point: dict[str, Any]
    metrics: dict[str, Metric]
    run: dict[str, Any]
    growth: dict[str, dict[str, float | None]] = dataclasses.field(default_factory=dict)
    flags: tuple[str, ...] = ()
    estimates: dict[str, Estimate] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    histograms: dict[str, dict[str, list]] = dataclasses.field(default_factory=dict, repr=False)
    quantiles: dict[str, dict[str, dict[str, float | None]]] = dataclasses.field(default_factory=dict)
    service_levels: dict[str, dict[str, dict[str, float | None]]] = dataclasses.field(default_factory=dict)
    distributions: dict[str, Distribution] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    primary: tuple[str, ...] = ()
    units: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)

    index = ("metric",)
    marks = frozenset({"point"})

    def __getitem__(self, metric: str) -> Metric:
        try:
            return self.metrics[metric]
        except KeyError:
            raise KeyError(f"{metric}: {self.system} has the metrics {', '.join(self.metrics)}") from None

    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1); no NaN or Infinity in it."""
        return {
            "schema": SCHEMA,
            "system": self.system,
            "parameters": self.parameters,
            "point": self.point,
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "run": self.run,
            "growth": self.growth,
            "flags": list(self.flags),
            "primary": list(self.primary),
            "units": self.units,
            **({"histograms": self.histograms} if self.histograms else {}),
            **({"quantiles": self.quantiles} if self.quantiles else {}),
            **({"service_levels": self.service_levels} if self.service_levels else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Result":
        """The inverse of `to_dict`; residuals by replica come from the arrays."""
        metrics = {
            name: Metric(**{"level": data["run"].get("level", 0.95), **m}) for name, m in data["metrics"].items()
        }
        means = {
            name: arrays[f"mean/{name}"].item() for name in metrics if f"mean/{name}" in arrays
        }  # none if withheld
        freedom = {name: arrays[key].item() for name in means if (key := f"freedom/{name}") in arrays}
        return cls(
            data["system"],
            data["parameters"],
            data["point"],
            metrics,
            data["run"],
            data["growth"],
            tuple(map(Flag, data["flags"])),
            estimates={
                name: Estimate(mean, arrays[f"replicas/{name}"] - mean, freedom=freedom.get(name))
                for name, mean in means.items()
            },
            histograms=data.get("histograms", {}),
            quantiles=data.get("quantiles", {}),
            service_levels=data.get("service_levels", {}),
            primary=tuple(data.get("primary", ())),
            units=data.get("units", {}),
        )

    def arrays(self) -> dict[str, Any]:
        """Values of every metric by replica, their mean and degrees of freedom: ``replicas/<name>`` and so on."""
        found: dict[str, Any] = {}
        for name, values in self.replica_values().items():
            estimate = self.estimates[name]
            found |= {f"replicas/{name}": values, f"mean/{name}": estimate.value}
            found |= {} if estimate.freedom is None else {f"freedom/{name}": estimate.freedom}
        return found

    def csv_rows(self) -> list[dict[str, Any]]:
        """The `records` with the system and its flags, as of several results."""
        return Results([self]).records()

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, for tables and CSV."""
        any_upper = any(m.upper is not None for m in self.metrics.values())
        any_unit = any(m.unit is not None for m in self.metrics.values())
        return [
            {
                "metric": name,
                "mean": m.mean,
                "half_width": m.half_width,
                **({"upper": m.upper} if any_upper else {}),
                "oracle": m.oracle,
                "kind": m.kind,
                "z": m.z,
                **({"unit": m.unit} if any_unit else {}),
            }
            for name, m in self.metrics.items()
        ]

    def records(self) -> list[dict[str, Any]]:
        """One row a metric, quantile or service level, with its standard error, and replicas, level and seed of the run."""
        known = [{**row, "standard_error": self.metrics[row["metric"]].standard_error} for row in self.rows()]
        return [{**row, **of_run(self.run)} for row in [*known, *self.level_records()]]

    def probability_below(self, quantity: str, value: float) -> tuple[float, float]:
        """(P(quantity <= value), half-width at the level of the run): a service level, from the histogram.

        Raises:
            KeyError: the run kept no histogram of ``quantity``, withheld it, or was read from a file.
        """
        if quantity not in self.distributions:
            raise KeyError(f"{quantity}: no distribution was kept; run with quantiles={quantity!r}")
        value = host_numbers(off_device(value))
        if not is_number(value):
            raise FieldError("value", value, "must be a number")
        return self.distributions[quantity].probability_below(value, self.run["level"])

    def infeasible(self, parameters: dict[str, Any], point: dict[str, Any], reason: str) -> "Result":
        """The result of a point beside this one that could not be run."""
        metrics = {name: Metric(None, None, metric.level, unit=metric.unit) for name, metric in self.metrics.items()}
        nothing = {"events": 0, "events_per_replica": 0, "time": None, "warmup": None, "correlation": None}
        run = {**self.run, **nothing, "reason": reason}
        names = {"primary": self.primary, "units": self.units}
        return Result(self.system, parameters, point, metrics, run, flags=(Flag.INFEASIBLE,), **names)

    def replica_values(self) -> dict[str, np.ndarray]:
        """Per-replica values of every metric (the linearised estimator: mean plus residual), shape (replicas,); those of
        groups of replicas, (``run["groups"]``,), where these are very many."""
        return {name: estimate.value + estimate.residuals for name, estimate in self.estimates.items()}

    def quantile_rows(self) -> list[dict[str, Any]]:
        """One row a quantile, for tables and CSV."""
        return _flat(self.quantiles, "probability")

    def service_level_rows(self) -> list[dict[str, Any]]:
        """One row a service level, for tables and CSV."""
        return _flat(self.service_levels, "threshold")

    def level_records(self) -> list[dict[str, Any]]:
        """Quantiles and service levels as rows of the table of metrics: ``waiting_time:0.9``, ``waiting_time<=20``."""
        named = [(f"{row['quantity']}:{row['probability']}", row) for row in self.quantile_rows()]
        named += [(f"{row['quantity']}<={row['threshold']}", row) for row in self.service_level_rows()]
        return [
            {"metric": name, "mean": row["value"], **{key: row[key] for key in BESIDE if key in row}}
            for name, row in named
        ]

    def scores(self) -> dict[str, float]:
        """z of every metric, quantile and service level that has one, named as in `level_records`."""
        found = {name: metric.z for name, metric in self.metrics.items()}
        found |= {row["metric"]: row.get("z") for row in self.level_records()}
        return {name: z for name, z in found.items() if z is not None}

    @property
    def control_line(self) -> str | None:
        """What control variates were used, and by how much they have narrowed the intervals; None where none were wanted."""
        if "control" not in self.run:
            return None
        name, used = self.run["options"]["control"], self.run["control"]
        if "reason" in used:
            return f"control = {name}: none used, {used['reason']}"
        known = [ratio for ratio in used["variance_ratio"].values() if ratio is not None]
        gain = f"; variances {min(known):.3g} to {max(known):.3g} times smaller" if known else ""
        count = f"{used['controls']} up to degree {used['degree']}, {used['freedom']} degrees of freedom"
        return f"control = {name}: {count}{gain}"

    def __str__(self) -> str:
        fields = parameters_text(self.point or self.parameters, self.run)
        table = aligned(self.rows())
        if max(map(len, table), default=0) > WIDTH:
            table = aligned([{k: v for k, v in row.items() if k != "unit"} for row in self.rows()])
        lines = [
            f"{self.system}  {fields}",
            *table,
            *aligned(self.quantile_rows()),
            *aligned(self.service_level_rows()),
        ]
        lines += [] if self.control_line is None else [self.control_line]
        lines += flag_lines(self.flags)
        lines += [self.run["reason"]] if "reason" in self.run else []
        return "\n".join(lines)


class Results(Saved, list):
    """Results of a sweep or a comparison, with the paired differences of the latter. ``model``: the system of the first
    point of a sweep, where it is at hand; files do not keep it."""

    def __init__(self, results=(), differences: list[dict[str, Any]] | None = None, model: Model | None = None):
        super().__init__(results)
        self.differences = differences or []
        self.model = model

    marks = frozenset({"results"})

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that any result carries."""
        return tuple(dict.fromkeys(flag for result in self for flag in result.flags))

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, quantile or service level of each result, with what varies between them and its flags."""
        return self._long(lambda result: [*result.rows(), *result.level_records()])

    def records(self) -> list[dict[str, Any]]:
        """The `rows` with standard errors, and replicas, level and seed of the run."""
        return self._long(Result.records)

    def _long(self, rows: Callable[[Result], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        return [
            {"system": r.system, **{k: in_words(v) for k, v in r.point.items()}, **row, "flags": " ".join(r.flags)}
            for r in self
            for row in rows(r)
        ]

    def _caption(self) -> str:
        fixed = {k: v for k, v in self[0].parameters.items() if k not in self[0].point} if self else {}
        return f"{self[0].system}  {parameters_text(fixed)}" if self else "no results"

    @property
    def index(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The system, what varies, and the metric."""
        return ("system", *dict.fromkeys(name for result in self for name in result.point), "metric")

    def to_dict(self) -> dict[str, Any]:
        """``{"schema": 1, "results": [...], "differences": [...]}``."""
        data: dict[str, Any] = {"schema": SCHEMA, "results": [result.to_dict() for result in self]}
        if self.differences:
            data["differences"] = self.differences
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "Results":
        """The inverse of `to_dict`; residuals by replica come from the arrays."""
        if not data["results"]:
            raise KeyError("results")  # as where there are none
        of = [{key.removeprefix(f"{i}/"): x for key, x in arrays.items()} for i in range(len(data["results"]))]
        return cls(map(Result.from_dict, data["results"], of), data.get("differences"))

    def arrays(self) -> dict[str, Any]:
        """Those of each result, by its place: ``0/replicas/<name>``."""
        return {f"{i}/{name}": x for i, result in enumerate(self) for name, x in result.arrays().items()}

    @classmethod
    def load(cls, path) -> "Results":
        """Read what `save` wrote as JSON or NPZ; a single result counts as one of one. ValueError if there is none."""
        found = load(path)
        return cls([found]) if isinstance(found, Result) else super().load(path)

    def csv_rows(self) -> list[dict[str, Any]]:
        """The `records`, and below them the paired differences, which say in ``minus`` what was taken off."""
        return [*self.records(), *self.differences]

    def _repr_html_(self) -> str:
        paired = f"<p>paired differences</p>\n{html_table(self.differences)}" if self.differences else ""
        return f"{super()._repr_html_()}\n{paired}".rstrip()

    def __str__(self) -> str:
        parts = [str(result) for result in self]
        if self.differences:
            parts.append("paired differences\n" + "\n".join(aligned(self.differences)))
        return "\n\n".join(parts)


def _flat(levels: dict[str, dict[str, dict[str, float | None]]], asked: str) -> list[dict[str, Any]]:
    """One row each, with the quantity and what was asked of it; all with the same columns."""
    columns = dict.fromkeys(key for rows in levels.values() for row in rows.values() for key in row)
    return [
        {"quantity": name, asked: at, **columns, **row} for name, rows in levels.items() for at, row in rows.items()
    ]
