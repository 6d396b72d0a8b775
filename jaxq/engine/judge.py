"""What the host concludes from windowed sums: warm-up, precision, growth, and the final result of a point."""

import dataclasses
import math

import numpy as np

from jaxq.engine.options import Options
from jaxq.engine.result import WITHHELD, Metric, Result, describe, finite
from jaxq.engine.stack import Stack
from jaxq.engine.system import Sums, System
from jaxq.stats import warmup
from jaxq.stats.estimate import Estimate
from jaxq.stats.histogram import Distribution

GROUPS = 256
"""Replicas are added up in groups of this number for warm-up detection."""
FEW = 30
"""Below this many replicas, intervals are from batch means within replicas."""
GROWTH_T = 5.0
NOTHING = 1e-6
"""Growth over half of a run, as a share of the largest metric, that is rounding: a constant has next to no spread."""
LINEAR = 0.75
"""Slope of the second half over that of the first, above which a rise is growth and not a slow relaxation."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A look at one point: windows to discard (None: undetermined) and its metrics over the rest."""

    cut: int | None
    metrics: dict[str, Estimate]


def evaluate(system: System, sums: Sums) -> dict[str, Estimate]:
    """The metrics; 0/0 becomes nan (and a flag), not a warning. A metric that is a plain number gets residuals 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = system.metrics(sums)
    still = np.zeros_like(sums.events.residuals)
    return {name: x if isinstance(x, Estimate) else Estimate(float(x), still) for name, x in found.items()}


def window_metrics(stack: Stack, point: int) -> list[dict[str, Estimate]]:
    """The metrics of one point over each complete window."""
    system = stack.systems[point]
    groups = min(stack.replicas, GROUPS)
    return [evaluate(system, stack.sums(point, w, w + 1, groups)) for w in range(stack.windows.filled)]


def initial_cut(stack: Stack, point: int, options: Options) -> int | None:
    """Windows to discard, the longest over all metrics; None if undetermined."""
    system, count = stack.systems[point], stack.windows.filled
    if count < 8:
        return None
    series = window_metrics(stack, point)
    if options.warmup == "mser5" or stack.replicas < 8:
        cuts = [warmup.mser5(np.array([w[name].value for w in series])) for name in series[0]]
    else:
        groups = min(stack.replicas, GROUPS)
        half = evaluate(system, stack.sums(point, count // 2, count, groups))
        whole = evaluate(system, stack.sums(point, 0, count, groups))
        points = len(stack.systems)
        cuts = [
            warmup.cut_of_metric([w[name] for w in series], half[name], whole[name].half_width(), points)
            for name in series[0]
        ]
    known = [cut for cut in cuts if cut is not None]
    return max(known) if len(known) == len(cuts) else None


def settled_cut(stack: Stack, point: int) -> int | None:
    """Windows that begin before the system's last change, in any replica; None if that is past the middle."""
    change = stack.systems[point].last_change()
    for cut in range(stack.windows.filled // 2 + 1 if change > 0 else 0):
        time = stack.sums(point, 0, cut).time
        if (time.value + time.residuals).min() >= change:
            return cut
    return None if change > 0 else 0


def estimates(stack: Stack, point: int, cut: int) -> dict[str, Estimate]:
    """The metrics of one point from window ``cut`` on: replica-t, or batch means when replicas are few."""
    windows = stack.windows
    if stack.replicas >= FEW or windows.filled - cut < 2:
        return evaluate(stack.systems[point], stack.sums(point, cut))
    batches = min(windows.filled - cut, -(-FEW // stack.replicas))
    return evaluate(stack.systems[point], stack.sums(point, cut, windows.filled, batches=batches))


def discarded(stack: Stack, verdict: Verdict) -> int:
    """Events per replica before the estimates begin."""
    return (verdict.cut or 0) * stack.windows.span * stack.layout.events_per_block


def look(stack: Stack, point: int, options: Options) -> Verdict:
    """The state of one point now."""
    if isinstance(options.warmup, str):
        cut = initial_cut(stack, point, options)
    else:
        cut = min(
            math.ceil(options.warmup / stack.layout.events_per_block / stack.windows.span), stack.windows.filled - 1
        )
    settled = settled_cut(stack, point)
    cut = None if cut is None or settled is None else max(cut, settled)
    return Verdict(cut, estimates(stack, point, stack.windows.filled // 2 if cut is None else cut))


def missing_precision(stack: Stack, point: int, verdict: Verdict, options: Options) -> str | None:
    """What is still too wide, in words; None if every target is met."""
    if verdict.cut is None:
        return "the end of warm-up"
    system = stack.systems[point]
    for target in options.targets(system.headline or tuple(verdict.metrics)):
        estimate = verdict.metrics[target.metric]
        width = estimate.half_width(options.level)
        allowed = target.size if target.absolute else target.size * abs(estimate.value)
        if not width <= allowed:
            return f"{target.metric} {estimate.value:.5g} +- {width:.2g}, wanted {allowed:.2g}"
    return None


def growing(stack: Stack, point: int, level: float) -> dict[str, dict[str, float | None]]:
    """Growth rates, per unit of model time, of the metrics that rise linearly over the last half of the run."""
    if stack.windows.filled < 8 or stack.replicas < 2:
        return {}
    series = window_metrics(stack, point)
    half = stack.windows.filled // 2
    length = stack.sums(point, half, 2 * half).time.value / half
    values = [abs(metric.value) for metric in series[-1].values() if math.isfinite(metric.value)]
    found, largest = {}, max(values, default=0.0)
    for name in series[0]:
        slope, ratio = warmup.growth([w[name] for w in series], length)
        error = slope.standard_error
        grown = slope.value * length * half
        least = max(GROWTH_T * error * length * half, NOTHING * largest)
        if error > 0 and grown > least and ratio >= LINEAR:
            found[name] = {"rate": slope.value, "half_width": finite(slope.half_width(level)), "level": level}
    return found


def conclude(
    stack: Stack, point: int, options: Options, verdict: Verdict, flags: list[str], run: dict, varied
) -> Result:
    """The result of one point. Flags under `WITHHELD` keep the means out of it."""
    system = stack.systems[point]
    flags = list(flags)
    rows = slice(point * stack.replicas, (point + 1) * stack.replicas)
    if stack.overflow[rows].any():
        flags.append("overflow")
    growth = {}
    if verdict.cut is None or not isinstance(options.warmup, str):
        growth = growing(stack, point, options.level)
        if growth:
            flags.append("unstable")
        elif verdict.cut is None:
            flags.append("warmup_undetermined")
    if not all(math.isfinite(e.value) for e in verdict.metrics.values()):
        flags.append("nan")
    withheld = any(flag in WITHHELD for flag in flags)
    references = system.oracle()
    start = None if verdict.cut is None else discarded(stack, verdict)
    wanted = options.quantile_probabilities()
    distributions = {name: stack.distribution(point, name, start) for name in wanted}
    if any(distribution.empty for distribution in distributions.values()):
        flags.append("nan")
    quantiles = {name: _quantiles(distributions[name], wanted[name], options.level, withheld) for name in wanted}
    histograms = {name: _histogram(d) for name, d in distributions.items() if not (withheld or d.empty)}
    metrics = {
        name: Metric.of(e, options.level, references.get(name), quantiles.get(name), withheld)
        for name, e in verdict.metrics.items()
    }
    sums = stack.sums(point, verdict.cut or 0)
    run = {
        **run,
        "events": stack.events * stack.replicas,
        "events_per_replica": int(sums.events.value),
        "time": finite(sums.time.value),
        "warmup": None if verdict.cut is None else discarded(stack, verdict),
        "warmup_method": options.warmup if isinstance(options.warmup, str) else "given",
        "method": "replica-t" if stack.replicas >= FEW else "batch-means",
    }
    fields = describe(system)
    return Result(
        system.title(),
        fields,
        {name: fields[name] for name in varied},
        metrics,
        run,
        growth,
        tuple(dict.fromkeys(flags)),
        {} if withheld else verdict.metrics,
        histograms,
        quantiles,
        {} if withheld else distributions,
    )


def _quantiles(distribution: Distribution, probabilities, level: float, withheld: bool):
    """Quantiles by probability, each with the ends of its interval and half its length; None where not known."""
    found = {}
    for p in probabilities:
        value, low, high = (math.nan,) * 3 if withheld else distribution.quantile(p, level)
        ends = {"half_width": (high - low) / 2, "low": low, "high": high}
        found[f"{p:.12g}"] = {key: finite(x) for key, x in {"value": value, **ends}.items()}
    return found


def _histogram(distribution: Distribution) -> dict[str, list]:
    """The pooled distribution as plain lists, by bin."""
    pooled = distribution.counts.sum(axis=0)
    return {
        "left": [finite(x) for x in distribution.left],
        "right": [finite(x) for x in distribution.right],
        "probability": (pooled / pooled.sum()).tolist(),
    }
