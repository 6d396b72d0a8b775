"""What the host concludes from windowed sums: warm-up, precision, growth, and the final result of a point."""

import dataclasses
import functools
import math
from collections.abc import Callable, Collection

import numpy as np

from jaxq.engine.controls import SAMPLED, WithControls, rounding_floor, split
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.layout import FEW
from jaxq.engine.model import Model
from jaxq.engine.options import Options, Target
from jaxq.engine.plain import finite
from jaxq.engine.quantity import primary
from jaxq.engine.solved import everywhere
from jaxq.engine.sums import Sums
from jaxq.stats import warmup
from jaxq.stats.batch_means import widened
from jaxq.stats.correlation import correlation_time
from jaxq.stats.estimate import UNSEEN, Estimate
from jaxq.stats.intervals import as_unlikely
from jaxq.stats.regression import Controls, Regression

GROUPS = 256
"""Replicas are added up in groups of this number for warm-up detection."""
RUN, DISCARD = 20.0, 2.0
"""Correlation times that a run must last after warm-up, and that warm-up must last: so long that a transient too small to
be seen is too small to matter, however many replicas there are."""
BATCH, BATCHES = 10.0, 40
"""Correlation times of a batch, where replicas are few, and batches that there must be in all. Those of a queue near
saturation are skewed: 20 of them cover 92 % where 95 % are said."""
GROWTH_T, CERTAIN_T = 5.0, 8.0
"""Standard errors of a slope that is growth at the end of a run; and, at two looks in a row, that ends it: of a normal law,
and as unlikely by chance under Student's (`as_unlikely`)."""
NOTHING = 1e-6
"""Growth below this fraction of the largest metric is rounding error (a constant metric has almost no standard error)."""
LINEAR = 0.75
"""Slope of the second half over that of the first, above which a rise is growth and not a slow relaxation."""


Slopes = tuple[np.ndarray, float]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What is known of one point now.

    ``cut``: windows to discard (None: undetermined). ``metrics``: over the rest. ``memory``: the longest correlation time
    of a metric, in windows. ``upper``: bounds of metrics that are 0 because nothing was seen, infinite for a ratio to
    nothing. ``growth``: rates of what grows or falls without end, looked for where nothing else says that the run has warmed
    up; ``certain``: so clearly that to see it again is evidence enough. ``batches``: batches a replica is cut into for the
    intervals.
    """

    cut: int | None
    metrics: dict[str, Estimate]
    memory: float
    upper: dict[str, float]
    growth: dict[str, dict]
    certain: bool
    batches: int


def evaluate(system: Model, sums: Sums) -> dict[str, Estimate]:
    """The metrics, without controls; 0/0 becomes nan (and a flag), not a warning. A metric that is a plain number gets
    residuals 0."""
    sums, _ = split(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = system.metrics(sums)
    still = np.zeros_like(sums.events.residuals)
    return {name: x if isinstance(x, Estimate) else Estimate(float(x), still) for name, x in found.items()}


def controls_of(sums: Sums) -> Controls | None:
    """The control variates that were observed."""
    means = split(sums)[1]
    return Controls(means) if means else None


def regression_on(ensemble: Ensemble, point: int, controls: Controls) -> Regression:
    """The regression of metrics on controls, which knows what rounding may do."""
    process = ensemble.processes[point]
    assert isinstance(process, WithControls)
    floor, own = rounding_floor(process, ensemble.states(point, SAMPLED)), len(process.functions)
    return Regression(controls, lambda slopes: floor(slopes[:own]))


def control_slopes(ensemble: Ensemble, point: int) -> dict[str, Slopes]:
    """By metric, the slopes on the controls over the last half of the run, and what rounding may do; {} without controls."""
    sums = ensemble.sums(point, ensemble.windows.filled // 2)
    controls = controls_of(sums)
    if controls is None:
        return {}
    regression, system = regression_on(ensemble, point, controls), ensemble.systems[point]
    slopes = {
        name: regression.slopes(metric)
        for name, metric in evaluate(system, sums).items()
        if regression.fits(metric) and name not in system.stationarity().wandering
    }
    return {name: (slope, regression.blur(slope)) for name, slope in slopes.items()}


def viewed(system: Model, sums: Sums, slopes: dict[str, Slopes]) -> dict[str, Estimate]:
    """The metrics, and beside them (names with a dash) what is left of them without the controls: a transient that is small
    beside a metric may be large beside that."""
    found, controls = evaluate(system, sums), controls_of(sums)
    if controls is None:
        return found
    return found | {f"{name} -": controls.taken(*slope, found[name]) for name, slope in slopes.items()}


def window_metrics(ensemble: Ensemble, point: int, slopes: dict[str, Slopes]) -> list[dict[str, Estimate]]:
    """The metrics of one point, `viewed` over each complete window, without those that may wander, and ratios to what some
    window has not seen: 0/0 says nothing of warm-up or growth."""
    series = by_window(ensemble, point, slopes)
    blind = {name for window in series for name, x in window.items() if math.isnan(x.value)}
    left_out = blind.union(ensemble.systems[point].stationarity().wandering)
    return [{name: x for name, x in window.items() if name not in left_out} for window in series]


def by_window(ensemble: Ensemble, point: int, slopes: dict[str, Slopes]) -> list[dict[str, Estimate]]:
    """The metrics, `viewed` over each complete window: all at once where `Model.metrics` is the arithmetic that it should
    be, else one by one."""
    system, filled, groups = ensemble.systems[point], ensemble.windows.filled, min(ensemble.replicas, GROUPS)

    def one(w: int) -> dict[str, Estimate]:
        return viewed(system, ensemble.sums(point, w, w + 1, groups), slopes)

    try:
        found = {name: x.windows(filled) for name, x in viewed(system, ensemble.series(point, groups), slopes).items()}
        series = [{name: windows[w] for name, windows in found.items()} for w in range(filled)]
        alike = all(same(series[w], one(w)) for w in {0, filled - 1} if filled)
    except Exception:  # whatever a user's own arithmetic makes of an axis more
        alike = False
    return series if alike else [one(w) for w in range(filled)]


def same(first: dict[str, Estimate], other: dict[str, Estimate]) -> bool:
    """Whether two evaluations of metrics have the same values and residuals, to rounding."""
    return first.keys() == other.keys() and all(
        np.allclose(x.value, other[name].value, 1e-9, 1e-12, equal_nan=True)
        and np.allclose(x.residuals, other[name].residuals, 1e-6, 1e-12, equal_nan=True)
        for name, x in first.items()
    )


def initial_cut(
    ensemble: Ensemble, point: int, options: Options, series: list[dict[str, Estimate]], memory: float
) -> int | None:
    """Windows to discard, the longest over all metrics; None if undetermined."""
    system, count = ensemble.systems[point], ensemble.windows.filled
    if count < 8:
        return None
    if options.warmup == "mser5":
        cuts = [warmup.mser5(np.array([w[name].value for w in series])) for name in series[0]]
    elif ensemble.replicas < FEW:
        # the first half says how long a run it takes, the second gives the means: few replicas know their correlation so
        # badly that to end where it seems short is to prefer small means
        cuts = [count // 2]
    else:
        groups, slopes = min(ensemble.replicas, GROUPS), control_slopes(ensemble, point)
        series = window_metrics(ensemble, point, slopes) if slopes else series
        half = viewed(system, ensemble.sums(point, count // 2, count, groups), slopes)
        whole = viewed(system, ensemble.sums(point, 0, count, groups), slopes)
        points = len(ensemble.systems)
        cuts = [
            warmup.cut_of_metric([w[name] for w in series], half[name], whole[name].half_width(), points)
            for name in series[0]
        ]
    known = [cut for cut in cuts if cut is not None]
    if len(known) < len(cuts):
        return None
    cut = max([*known, math.ceil(DISCARD * memory) if options.warmup == "auto" else 0])
    batches = most_batches(ensemble)
    needed = max(RUN, BATCH * batches) * memory
    return cut if cut <= count // 2 and count - cut >= needed else None


def settled_cut(ensemble: Ensemble, point: int) -> int | None:
    """Windows that begin before the system's last change, in any replica; None if that is past the middle."""
    change = max(ensemble.systems[point].stationarity().switches, default=0.0)
    for cut in range(ensemble.windows.filled // 2 + 1 if change > 0 else 0):
        time = ensemble.sums(point, 0, cut).time
        if (time.value + time.residuals).min() >= change:
            return cut
    return None if change > 0 else 0


def batches_of(ensemble: Ensemble, cut: int, memory: float) -> int:
    """Batches that each replica is cut into: 1 unless replicas are few, and each of `BATCH` correlation times."""
    return max(1, min(most_batches(ensemble), int((ensemble.windows.filled - cut) / (BATCH * memory))))


def most_batches(ensemble: Ensemble) -> int:
    """Batches of a replica that make `BATCHES` in all; 1 unless replicas are few."""
    return 1 if ensemble.replicas >= FEW else -(-BATCHES // ensemble.replicas)


def estimates(ensemble: Ensemble, point: int, cut: int, batches: int, memory: float) -> dict[str, Estimate]:
    """The metrics of one point from window ``cut`` on: over replicas, or `widened` over batches of them; less their
    regression on what controls there are."""
    last = None if batches == 1 else ensemble.windows.filled
    episode = min(memory, float(ensemble.windows.filled)) * ensemble.windows.span * ensemble.layout.events_per_block
    sums = ensemble.sums(point, cut, last, batches=batches, episode=episode)
    system, controls = ensemble.systems[point], controls_of(sums)
    if controls is None:
        found = evaluate(system, sums)
    else:
        process = ensemble.processes[point]
        assert isinstance(process, WithControls)
        solved = everywhere(process, lambda others: evaluate(system, others), sums)
        found = regressed(system, sums, regression_on(ensemble, point, controls), solved, ensemble.magnified)
    return found if batches == 1 else {name: widened(metric, batches) for name, metric in found.items()}


def regressed(
    system: Model,
    sums: Sums,
    regression: Regression,
    solved: Callable[[str, np.ndarray], bool],
    magnified: tuple[float, ...],
) -> dict[str, Estimate]:
    """The metrics less their regression on controls, taken at the regressed sums, value and slopes: metrics need not be
    linear in sums, and what is left of a ratio may be less than its bias of order 1/replicas, or than what the error of a
    mean times the score of a replica adds to a derivative. ``magnified``: by parameter, how many times what
    rounding does to a mean it does to a derivative."""
    found, curved = evaluate(system, sums), evaluate(system, sums.at(regression.value))
    centred, shares = about_zero(sums), (1.0, *magnified)

    def beside(slopes: np.ndarray) -> float:  # on the controls, and on their quotients by each parameter
        return sum(share * regression.floor(x) for share, x in zip(shares, np.split(slopes, len(shares)), strict=True))

    there, of_derivatives = Regression(centred, regression.floor), Regression(centred, beside)
    for name, own in found.items():
        plain, value = dataclasses.replace(curved[name], value=own.value), curved[name].value
        metric = (of_derivatives if "/" in name else there).corrected(plain, functools.partial(solved, name))
        if metric is not plain:
            near = abs(value - metric.value) <= own.standard_error
            found[name] = dataclasses.replace(metric, value=value) if near else metric
    return found


def about_zero(sums: Sums) -> Controls:
    """The controls with residuals about 0, their mean, and not about what they have come out as: metrics at the regressed
    sums have theirs so, and what controls explain without rest there is no longer that about the means of a sample."""
    _, means = split(sums)
    length = sums.time.residuals / sums.time.value
    return Controls([dataclasses.replace(x, residuals=x.residuals + x.value * length) for x in means])


def unseen(metrics: dict[str, Estimate]) -> dict[str, float]:
    """Bounds of the metrics that are not known because what they count did not happen: of one that is 0 without spread (none
    if it is always 0); infinite for a ratio to it, 0/0."""
    empty = {name: x for name, x in metrics.items() if x.value == 0 and not x.residuals.any()}
    bounds = {name: UNSEEN * x.grain for name, x in empty.items() if 0 < x.grain < math.inf}
    return bounds | {name: math.inf for name, x in metrics.items() if math.isnan(x.value) and x.grain != 0}


def discarded(ensemble: Ensemble, analysis: Analysis) -> int:
    """Events per replica before the estimates begin."""
    return (analysis.cut or 0) * ensemble.windows.span * ensemble.layout.events_per_block


def analyse(ensemble: Ensemble, point: int, options: Options) -> Analysis:
    """The state of one point now."""
    given, automatic = options.warmup, isinstance(options.warmup, str)
    series, filled = window_metrics(ensemble, point, {}), ensemble.windows.filled
    begin, few = warmup.least_cut(filled), ensemble.replicas < FEW
    phased = () if few else ensemble.systems[point].stationarity().phased
    memory = longest_memory(series[begin : filled // 2] if automatic and few else series[begin:], phased)
    if isinstance(given, str):
        cut = initial_cut(ensemble, point, options, series, memory)
    else:
        cut = min(math.ceil(given / ensemble.layout.events_per_block / ensemble.windows.span), filled - 1)
    settled = settled_cut(ensemble, point)
    cut = None if cut is None or settled is None else max(cut, settled)
    used = filled // 2 if cut is None else cut
    batches = batches_of(ensemble, used, memory)
    metrics = estimates(ensemble, point, used, batches, memory)
    growth, certain = {}, False
    if cut is None or not automatic:
        growth, certain = growth_of(ensemble, point, series, options.level)
    return Analysis(cut, metrics, memory, unseen(metrics), growth, certain, batches)


def longest_memory(kept: list[dict[str, Estimate]], but: Collection[str] = ()) -> float:
    """The longest correlation time of the metrics, in windows, those that are named left out."""
    if len(kept) < 2:
        return math.inf  # nothing to tell it from
    return max((correlation_time([w[name] for w in kept]) for name in kept[0] if name not in but), default=1.0)


def missing_precision(ensemble: Ensemble, point: int, analysis: Analysis, options: Options) -> str | None:
    """What is still too wide, in words; None if every target is met."""
    if analysis.cut is None:
        return "the end of warm-up"
    system = ensemble.systems[point]
    asked = {Target.parse(text).metric for text in options.metric}
    for target in options.targets(primary(system.metric_table, analysis.metrics) or tuple(analysis.metrics)):
        estimate = analysis.metrics[target.metric]
        upper = analysis.upper.get(target.metric)
        if upper is not None and not target.absolute and target.metric not in asked:
            continue  # nobody asked for it by name: flagged, but not waited for
        width = estimate.half_width(options.level) if upper is None else upper
        allowed = target.size * (1.0 if target.absolute else ensemble.relative_to(target.metric, analysis.metrics))
        if not width <= allowed:
            return f"{target.metric} {estimate.value:.5g} +- {width:.2g}, wanted {allowed:.2g}"
    return None


def growth_of(ensemble: Ensemble, point: int, series: list[dict[str, Estimate]], level: float) -> tuple[dict, bool]:
    """(rates of growth or fall, per unit of model time, of the metrics that move linearly over the last half of the run;
    whether any is certain)."""
    few = ensemble.replicas < FEW
    if ensemble.windows.filled < (2 * warmup.STRETCHES if few else 8):
        return {}, False
    half = ensemble.windows.filled // 2
    length = ensemble.sums(point, half, 2 * half).time.value / half
    values = [abs(metric.value) for metric in series[-1].values() if math.isfinite(metric.value)]
    found, certain, nothing = {}, False, NOTHING * max(values, default=0.0)
    for name in series[0]:
        slope, ratio = warmup.growth([w[name] for w in series], length)
        slope = warmup.drift([w[name] for w in series[half:]], length) if few else slope
        rate, error = abs(slope.value), slope.standard_error
        if (
            rate > as_unlikely(GROWTH_T, slope.degrees) * error > 0
            and rate * length * half > nothing
            and ratio >= LINEAR
        ):
            found[name] = {"rate": slope.value, "half_width": finite(slope.half_width(level)), "level": level}
            certain = certain or rate > as_unlikely(CERTAIN_T, slope.degrees) * error
    return found, certain
