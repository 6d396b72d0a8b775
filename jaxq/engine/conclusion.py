"""From the output analysis of a point to its result: flags, metrics beside their oracle, quantiles, and what was run."""

import dataclasses
import math

import numpy as np

from jaxq.engine.control_choice import MOST, PER_CONTROL
from jaxq.engine.controls import WithControls, split
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.fields import units
from jaxq.engine.flags import Flag
from jaxq.engine.flags import withheld as withholds
from jaxq.engine.levels import LEAST_GROUPS, Law
from jaxq.engine.metric import Metric, as_reference
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.output_analysis import Analysis, discarded, evaluate
from jaxq.engine.plain import describe, finite, scalings
from jaxq.engine.plan import Point
from jaxq.engine.process import Process
from jaxq.engine.quantity import primary, unit
from jaxq.engine.rarity import hardly_due
from jaxq.engine.record import title
from jaxq.engine.result import Result
from jaxq.engine.sums import Sums
from jaxq.engine.walk import left_range
from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import family_bound

LOOKED_AT = 4096
"""Replicas whose last states are looked at."""
DISAGREEMENT = 1e-4
"""Chance that a correct run is flagged ``disagrees``, over all its points and comparisons."""


def variance_ratios(plain: dict[str, Estimate], controlled: dict[str, Estimate]) -> dict[str, float | None]:
    """How many times smaller the variance of each metric is for its controls; None where it was rounding without them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {name: np.float64(x.standard_error) / controlled[name].standard_error for name, x in plain.items()}
    known = {name for name, x in plain.items() if x.standard_error > x.rounding}
    return {name: finite(float(ratio) ** 2) if name in known else None for name, ratio in ratios.items()}


def control_record(process: Process, model: Model, sums: Sums, analysis: Analysis) -> dict:
    """What was used of the controls that were asked for: how many, the highest degree of a phi, the least degrees of
    freedom of an interval, and the variance ratios of the metrics; none where replicas are too few."""
    freedom = min(e.degrees for e in analysis.metrics.values())
    if not isinstance(process, WithControls):
        reason = f"each needs {PER_CONTROL} replicas, and {MOST} are the most"
        return {"controls": 0, "degree": 0, "freedom": freedom, "variance_ratio": {}, "reason": reason}
    ratios = variance_ratios(evaluate(model, sums), analysis.metrics)
    return {
        "controls": len(split(sums)[1]),
        "degree": process.degree,
        "freedom": freedom,
        "variance_ratio": ratios,
    }


def known_zero(reference) -> bool:
    """Whether a reference says that a metric is 0, exactly."""
    if reference is None:
        return False
    reference = as_reference(reference)
    return reference.value == 0 and reference.kind in ("exact", "identity")


def known_above(reference, bound: float) -> bool:
    """Whether the metric is known to be more than what nothing that was seen allows."""
    return reference is not None and as_reference(reference).value > bound


def out_of_range(ensemble: Ensemble, point: int, process: Process) -> bool:
    """Whether a count of a jump process has gone below 0, or what is made of a state passes 32 bits, as the replicas show at
    the end: what none of so many shows is too rare to matter much. The walk before a run need not have met it."""
    return left_range(process, ensemble.states(point, LOOKED_AT))


def conclude_point(
    ensemble: Ensemble,
    point: int,
    planned: Point,
    options: Options,
    analysis: Analysis,
    flags: list[str],
    run: dict,
    varied,
    points: int = 1,
) -> Result:
    """The result of one point of an ensemble, of so many in the run, as it was planned. Some flags keep the means out of it
    (`Flag.withholds`)."""
    system = planned.model
    flags = [*flags, *_gone_wrong(ensemble, point, planned.process)]
    sums = ensemble.sums(point, analysis.cut or 0)
    if analysis.growth:
        flags.append(Flag.UNSTABLE)
    elif analysis.cut is None:
        flags.append(Flag.WARMUP_UNDETERMINED)
    if not all(math.isfinite(e.value) for name, e in analysis.metrics.items() if name not in analysis.upper):
        flags.append(Flag.NAN)
    references, first = planned.oracle, primary(system.metric_table, analysis.metrics)
    zero = {name for name in analysis.upper if known_zero(references.get(name))}
    upper = {name: bound for name, bound in analysis.upper.items() if name not in zero}
    means = {
        name: Estimate(0.0, estimate.residuals) if name in zero else estimate
        for name, estimate in analysis.metrics.items()
    }
    asked = {target.metric for target in options.targets(first or tuple(analysis.metrics))}
    due = {name for name in first if name in upper and known_above(references.get(name), upper[name])}
    if due or upper.keys() & asked:
        flags.append(Flag.NOT_SEEN)
    tail = system.stationarity().tail
    if tail is not None:
        flags.append(Flag(tail))
    if hardly_due(planned.largest, sums.time.value * ensemble.replicas):
        flags.append(Flag.RARE_TRANSITION)
    if ensemble.replicas * analysis.batches == 1:
        flags.append(Flag.NO_INTERVAL)
    withheld = withholds(flags)
    start = None if analysis.cut is None else discarded(ensemble, analysis)
    distributions = {name: ensemble.distribution(point, name, start) for name in options.counted()}
    if any(distribution.empty for distribution in distributions.values()):
        flags.append(Flag.NAN)
    laws = {name: Law(d, planned.tails.get(name), options.level, withheld) for name, d in distributions.items()}
    quantiles = {name: laws[name].quantiles(asked) for name, asked in options.quantile_probabilities().items()}
    levels = {name: laws[name].service_levels(asked) for name, asked in options.thresholds().items()}
    missing = any(
        row["value"] is None
        for name, rows in quantiles.items()
        if not distributions[name].empty
        for row in rows.values()
    )
    if missing and not withheld:
        flags.append(Flag.NOT_SEEN)
    histograms = {name: law.histogram() for name, law in laws.items() if not (withheld or law.seen.empty)}
    metrics = {}
    for name, e in means.items():
        told = references.get(name), quantiles.get(name), withheld, upper.get(name), unit(system.metric_table, name)
        metrics[name] = Metric.of(e, options.level, *told)
    run = run | _length_and_method(ensemble, options, analysis, sums)
    if options.control != "none" and not withheld:
        run["control"] = control_record(ensemble.processes[point], ensemble.systems[point], sums, analysis)
        run["method"] += ", regressed on controls" * (run["control"]["controls"] > 0)
    fields, scaled = describe(system), scalings(system)
    if scaled:
        run["scaled"] = scaled
    result = Result(
        title(system),
        fields,
        {name: fields[name] for name in varied if name in fields},
        metrics,
        run,
        analysis.growth,
        estimates={} if withheld else means,
        histograms=histograms,
        quantiles=quantiles,
        service_levels=levels,
        distributions={} if withheld else distributions,
        primary=first,
        units=units(type(system)),
    )
    if _disagrees(result, means, points):
        flags.append(Flag.DISAGREES)
    return dataclasses.replace(result, flags=tuple(dict.fromkeys(flags)))


def _disagrees(result: Result, means: dict[str, Estimate], points: int) -> bool:
    """Whether something of one point, of so many, is further from its oracle than a correct run would bring it."""
    scores = result.scores()
    degrees = [means[name].degrees if name in means else LEAST_GROUPS - 1 for name in scores]
    return bool(scores) and max(map(abs, scores.values())) > family_bound(
        len(scores), 1 - DISAGREEMENT / points, min(degrees)
    )


def _gone_wrong(ensemble: Ensemble, point: int, process: Process) -> list[Flag]:
    """What the replicas of a point are marked with."""
    rows = slice(point * ensemble.replicas, (point + 1) * ensemble.replicas)
    invalid = ensemble.invalid[rows].any()
    found = {
        Flag.OVERFLOW: ensemble.overflow[rows].any() or (not invalid and out_of_range(ensemble, point, process)),
        Flag.INDEX_OUT_OF_RANGE: ensemble.beyond[rows].any(),
        Flag.INVALID_RATES: invalid,
    }
    return [flag for flag, there in found.items() if there]


def _length_and_method(ensemble: Ensemble, options: Options, analysis: Analysis, sums: Sums) -> dict:
    """How long a point was run, what of it was left out, and what its intervals come from."""
    layout = ensemble.layout
    return {
        "events": ensemble.events * ensemble.replicas,
        "events_per_replica": int(sums.events.value),
        "time": finite(sums.time.value),
        "warmup": None if analysis.cut is None else discarded(ensemble, analysis),
        "warmup_method": options.warmup if isinstance(options.warmup, str) else "given",
        "correlation": finite(analysis.memory * ensemble.windows.span * layout.events_per_block),
        "method": "batch-means" if analysis.batches > 1 else "replica-t" if layout.group == 1 else "group-t",
        **({"groups": ensemble.groups} if layout.group > 1 else {}),
    }
