"""What a run returns: metrics with intervals next to their oracles, how they were obtained, and what went wrong."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxq.engine.fields import rules
from jaxq.engine.files import check_ending, check_parent, read_json, read_npz, write_csv, write_json, write_npz
from jaxq.engine.system import Reference, System
from jaxq.stats.estimate import Estimate
from jaxq.stats.histogram import Distribution

SCHEMA = 1
WITHHELD = ("unstable", "warmup_undetermined", "overflow", "invalid_rates", "infinite_mean")
"""Flags under which no stationary mean is given."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric: mean, half-width at ``level``, oracle with its kind, z; ``mean`` is None where it is withheld.

    ``upper``: where what the metric counts was never seen, mean 0 has no half-width; instead it is under ``upper`` with a
    probability of 95 %, if occurrences are independent (the rule of three). A ratio to it has no mean, and no bound.
    """

    mean: float | None
    half_width: float | None
    level: float
    standard_error: float | None = None
    oracle: float | None = None
    kind: str | None = None
    z: float | None = None
    quantiles: dict[str, dict[str, float | None]] | None = None
    upper: float | None = None

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        level: float,
        reference=None,
        quantiles=None,
        withheld=False,
        upper: float | None = None,
    ) -> "Metric":
        """A metric from its estimate and reference; z only against ``exact`` and ``identity`` references."""
        reference = None if reference is None else as_reference(reference)
        error, z = estimate.standard_error, None
        keep = not withheld and math.isfinite(estimate.value)
        if reference is not None and reference.kind in ("exact", "identity") and keep:
            z = standardised(estimate, reference)
        return cls(
            estimate.value if keep else None,
            finite(estimate.half_width(level)) if keep and upper is None else None,
            level,
            finite(error) if keep else None,
            None if reference is None else finite(reference.value),
            None if reference is None else reference.kind,
            None if z is None else finite(z),
            None if withheld else quantiles,
            upper if keep or (upper == math.inf and not withheld) else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values without the entries that are absent; ``mean`` and ``half_width`` are always there."""
        values = {k: None if v == math.inf else v for k, v in dataclasses.asdict(self).items()}
        return {k: v for k, v in values.items() if v is not None or k in ("mean", "half_width")}


ROUNDING = 2.0**-23
"""What the float32 parameters of the compiled loop may move a metric by, as a share of it."""


def standardised(estimate: Estimate, reference: Reference) -> float | None:
    """The difference in standard errors; in units of rounding where that is larger. None without an interval.

    Of what was hardly seen, or never: the root of how many occurrences the difference is, their number being Poisson, if
    each lasts a correlation time of the run.
    """
    difference, error = estimate.value - reference.value, estimate.standard_error
    if not math.isfinite(error):
        return None
    size = max(abs(estimate.value), abs(reference.value))
    hardly = math.sqrt(estimate.episode * abs(difference))
    spread = max(math.hypot(error, reference.error), estimate.rounding, ROUNDING * size, hardly)
    return difference / spread if difference else 0.0


LONGEST_TEXT = 100
"""Characters of a field's text in a line."""


def finite(x: float) -> float | None:
    """``x`` as a float, None unless finite (JSON has no NaN)."""
    return float(x) if math.isfinite(x) else None


def as_reference(x) -> Reference:
    """A bare number counts as an exact reference."""
    return x if isinstance(x, Reference) else Reference(float(x))


def plain(value):
    """A field's value as JSON: numbers, lists, names, tables; a module (a law) as its own text."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (np.generic, np.ndarray)) or hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, (int, float, dict)):
        return value
    return str(value)


def in_words(value):
    """A field's JSON value for a line of text: a table goes by its name."""
    return value.get("name", "table") if isinstance(value, dict) else value


def brief(value):
    """As `in_words`; of long text, such as a law of many values, the beginning."""
    value = in_words(value)
    return f"{value[:LONGEST_TEXT]}..." if isinstance(value, str) and len(value) > LONGEST_TEXT else value


@dataclasses.dataclass(frozen=True)
class Result:
    """One system simulated. ``estimates`` keeps the per-replica residuals of every metric for a user's own statistics.

    ``quantiles`` has, by quantity and probability, the value, the ends of its interval (low, high) and half its length.
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
    distributions: dict[str, Distribution] = dataclasses.field(default_factory=dict, repr=False, compare=False)

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
            **({"histograms": self.histograms} if self.histograms else {}),
            **({"quantiles": self.quantiles} if self.quantiles else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Result":
        """The inverse of `to_dict` (without per-replica residuals). ValueError for another schema."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema = {data.get('schema')}: must be {SCHEMA}")
        metrics = {
            name: Metric(**{"level": data["run"].get("level", 0.95), **m}) for name, m in data["metrics"].items()
        }
        return cls(
            data["system"],
            data["parameters"],
            data["point"],
            metrics,
            data["run"],
            data["growth"],
            tuple(data["flags"]),
            histograms=data.get("histograms", {}),
            quantiles=data.get("quantiles", {}),
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, for tables and CSV."""
        any_upper = any(m.upper is not None for m in self.metrics.values())
        return [
            {
                "metric": name,
                "mean": m.mean,
                "half_width": m.half_width,
                **({"upper": m.upper} if any_upper else {}),
                "oracle": m.oracle,
                "kind": m.kind,
                "z": m.z,
            }
            for name, m in self.metrics.items()
        ]

    def probability_below(self, quantity: str, value: float) -> tuple[float, float]:
        """(P(quantity <= value), half-width at the level of the run): a service level, from the histogram.

        Raises:
            KeyError: the run kept no histogram of ``quantity``, withheld it, or was read from a file.
        """
        if quantity not in self.distributions:
            raise KeyError(f"{quantity}: no distribution was kept; run with quantiles={quantity!r}")
        return self.distributions[quantity].probability_below(value, self.run["level"])

    def infeasible(self, parameters: dict[str, Any], point: dict[str, Any], reason: str) -> "Result":
        """The result of a point beside this one that could not be run."""
        metrics = {name: Metric(None, None, metric.level) for name, metric in self.metrics.items()}
        nothing = {"events": 0, "events_per_replica": 0, "time": None, "warmup": None, "correlation": None}
        run = {**self.run, **nothing, "reason": reason}
        return Result(self.system, parameters, point, metrics, run, flags=("infeasible",))

    def replica_values(self) -> dict[str, np.ndarray]:
        """Per-replica values of every metric (the linearised estimator: mean plus residual), shape (replicas,)."""
        return {name: estimate.value + estimate.residuals for name, estimate in self.estimates.items()}

    def quantile_rows(self) -> list[dict[str, Any]]:
        """One row a quantile, for tables and CSV."""
        return [
            {"quantity": name, "probability": p, **row}
            for name, rows in self.quantiles.items()
            for p, row in rows.items()
        ]

    def save(self, path) -> None:
        """Write by the ending of ``path``: JSON, CSV (a row a metric or quantile), NPZ (values by replica, the JSON)."""
        save([self], path, single=True)

    @classmethod
    def load(cls, path) -> "Result":
        """Read what `save` wrote as JSON or NPZ. ValueError if the file holds several results, or none."""
        found = load(path)
        if isinstance(found, Results):
            raise ValueError(f"{path}: holds {len(found)} results of a sweep or comparison; use jaxq.Results.load")
        return found

    def __str__(self) -> str:
        shown = self.point or self.parameters
        fields = ", ".join(with_scaling(k, brief(v), self.run) for k, v in shown.items())
        lines = [f"{self.system}  {fields}", *aligned(self.rows()), *aligned(self.quantile_rows())]
        lines += [f"FLAG {flag}: {MEANING[flag]}" for flag in self.flags]
        lines += [self.run["reason"]] if "reason" in self.run else []
        return "\n".join(lines)

    def plot(self, ax=None):
        """Means with intervals and oracles on an Axes (`jaxq.plotting.metrics`); returns the Axes."""
        from jaxq.plotting.metrics import plot_metrics

        return plot_metrics(self, ax)


MEANING = {
    "truncated": "stopped by --max-events or --time-limit before what was asked for",
    "overflow": "a state, or a whole number observed or counted, left its representation; means are withheld",
    "invalid_rates": "a rate was negative or not finite, or the total rate above its bound; means are withheld",
    "unfinished": "interrupted; the estimates are of the part that ran",
    "unstable": "the system grows (or falls) without end; means are withheld, the rates are reported",
    "warmup_undetermined": "the run is too short against its transient or its correlation; means are withheld",
    "precision_not_reached": "the intervals are wider than asked for",
    "nan": "a metric is not a number; it has no mean",
    "not_seen": "what a metric counts never happened in this run: a mean of 0 may be small, a ratio to it has none",
    "rare_transition": "a transition that can happen was due fewer than 10 times in the whole run, or never",
    "infeasible": "this point of a sweep has no stationary regime, or fields that do not go together; it was not run",
    "heavy_tail": "an average over time has no finite variance here: its interval is only a scale, far too narrow",
    "infinite_mean": "a stationary mean is infinite here (heavy tail of a law); means are withheld",
    "no_interval": "too short, for one replica, against its own correlation: give more events or more replicas",
    "disagrees": "a mean is further from its exact value than chance allows (one correct run in 10,000)",
}


class Results(list):
    """Results of a sweep or a comparison, with the paired differences of the latter."""

    def __init__(self, results=(), differences: list[dict[str, Any]] | None = None):
        super().__init__(results)
        self.differences = differences or []

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that any result carries."""
        return tuple(dict.fromkeys(flag for result in self for flag in result.flags))

    def to_dict(self) -> dict[str, Any]:
        """``{"schema": 1, "results": [...], "differences": [...]}``."""
        data: dict[str, Any] = {"schema": SCHEMA, "results": [result.to_dict() for result in self]}
        if self.differences:
            data["differences"] = self.differences
        return data

    def save(self, path) -> None:
        """Write JSON, CSV or NPZ by the ending of ``path``, as `Result.save`."""
        save(self, path)

    @classmethod
    def load(cls, path) -> "Results":
        """Read what `save` wrote as JSON or NPZ; a single result counts as one of one. ValueError if there is none."""
        found = load(path)
        return found if isinstance(found, Results) else cls([found])

    def __str__(self) -> str:
        parts = [str(result) for result in self]
        if self.differences:
            parts.append("paired differences\n" + "\n".join(aligned(self.differences)))
        return "\n\n".join(parts)

    def plot(self, ax=None):
        """Headline metric against the swept field, or bars of a comparison (`jaxq.plotting.sweep`)."""
        from jaxq.plotting.sweep import plot_results

        return plot_results(self, ax)


def describe(system: System) -> dict[str, Any]:
    """The fields of a system as JSON values."""
    return {name: plain(value) for name, value in system.parameters().items()}


def scalings(system: System) -> dict[str, str]:
    """Of each field that holds observed values: their mean, and what it is scaled to."""
    found = {}
    for name, rule in rules(type(system)).items():
        other, _, what = rule.observed.partition(".")
        value = getattr(getattr(system, other, None), what, None) if what else None
        if value is not None:
            mean, to = (value, name) if what == "mean" else (1 / value, f"1/{name}")
            found[other] = f"observed mean {mean:.6g}, scaled to {to}"
    return found


def with_scaling(name: str, shown: Any, run: Mapping[str, Any]) -> str:
    """A field in a line of text, ``name=value``, with its entry of `scalings` if the run has one."""
    note = run.get("scaled", {}).get(name)
    return f"{name}={shown}" + (f" ({note})" if note else "")


def number(x, digits: int = 6) -> str:
    """A number for a table; empty for None."""
    return "" if x is None else x if isinstance(x, str) else f"{x:.{digits}g}"


def aligned(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as lines of aligned columns."""
    if not rows:
        return []
    table = [list(rows[0]), *[[number(x) for x in row.values()] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]


def save(results, path, single: bool = False) -> None:
    """Write results atomically as ``.json``, ``.csv`` or ``.npz``. ValueError for another ending, or without a folder."""
    path = Path(path)
    check_ending("out", path)
    check_parent("out", path)
    data = results[0].to_dict() if single else results.to_dict()
    if path.suffix == ".json":
        write_json(path, data)
    elif path.suffix == ".csv":
        rows = [
            {"system": r.system, **{k: in_words(v) for k, v in r.point.items()}, **row, "flags": " ".join(r.flags)}
            for r in results
            for row in [*r.rows(), *map(_as_metric, r.quantile_rows())]
        ]
        write_csv(path, rows)
    else:
        arrays: dict[str, Any] = {"result": json.dumps(data, allow_nan=False)}
        for i, result in enumerate(results):
            prefix = "" if single else f"{i}/"
            for name, values in result.replica_values().items():
                arrays[f"{prefix}replicas/{name}"] = values
                arrays[f"{prefix}mean/{name}"] = result.estimates[name].value
        write_npz(path, arrays)


def _as_metric(row: dict[str, Any]) -> dict[str, Any]:
    """A quantile as a row of the table of metrics: ``waiting_time:0.9``."""
    ends = {key: row[key] for key in ("half_width", "low", "high")}
    return {"metric": f"{row['quantity']}:{row['probability']}", "mean": row["value"], **ends}


def load(path) -> Result | Results:
    """What `save` wrote as JSON or NPZ, with the per-replica residuals of the latter. ValueError for anything else."""
    path = Path(path)
    if path.suffix == ".csv":
        raise ValueError(f"{path}: a .csv is a table for other programs; save as .json or .npz to load it again")
    check_ending("path", path, (".json", ".npz"))
    arrays = read_npz(path) if path.suffix == ".npz" else {}
    try:
        data = json.loads(str(arrays["result"])) if arrays else read_json(path)
        if "results" not in data:
            return _with_replicas(Result.from_dict(data), arrays, "")
        found = [_with_replicas(Result.from_dict(x), arrays, f"{i}/") for i, x in enumerate(data["results"])]
        return Results(found, data.get("differences"))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: holds no result of simulate, sweep or compare") from error


def _with_replicas(result: Result, arrays: dict[str, np.ndarray], prefix: str) -> Result:
    kept = [name for name in result.metrics if f"{prefix}replicas/{name}" in arrays]  # none if withheld
    means = {name: float(arrays[f"{prefix}mean/{name}"]) for name in kept}
    estimates = {name: Estimate(means[name], arrays[f"{prefix}replicas/{name}"] - means[name]) for name in kept}
    return dataclasses.replace(result, estimates=estimates)
