"""`simulate`, `sweep`, `compare`: from systems and options to results; the loop over launches is `jaxq.engine.loop`."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jaxq.checks import FieldError
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.conclusion import conclude_point
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.loop import Loop
from jaxq.engine.memory import too_large
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.outline import initial_rate
from jaxq.engine.plain import describe, finite, plain, whole_text
from jaxq.engine.plan import Plan, plan, plan_comparison, plan_sweep
from jaxq.engine.progress import Silent, Watch, as_meter
from jaxq.engine.result import Result, Results
from jaxq.engine.team import ProcessLost, team
from jaxq.engine.versions import versions

Outcome = TypeVar("Outcome")


def simulate(system: Model, *, meter: Watch = None, **options) -> Result:
    """Simulate one system; estimates of its stationary metrics with intervals, next to its oracle.

    Args:
        system: the system, built from its fields.
        meter: a function that is called with a `jaxq.Progress` about once a second, of which ``estimates()`` are the
            running estimates, or a `jaxq.engine.progress.Meter`; default: a line on stderr after 10, 20, 40, ... seconds.
        **options: see `jaxq.Options`.

    Returns:
        A `Result`. Flags in it mark a run that was truncated, interrupted, unstable, not warmed up, or not as precise
        as asked for.

    Raises:
        ValueError: an option or a field is not allowed, a formula says that there is no stationary regime, or the run
            would not fit into memory (`jaxq.engine.memory`).

    Example:
        >>> jaxq.simulate(jaxq.MMc(arrival_rate=8, service_rate=1, servers=10), precision=0.01)
    """
    return run(plan([system], Options(**options)), meter)[0]


def sweep(system: Model, grid: Mapping[str, Sequence], *, meter: Watch = None, **options) -> Results:
    """Simulate every point of a grid, side by side in one compilation, with common random numbers across it.

    Args:
        system: the system whose other fields are kept.
        grid: values by scalar field; several fields give their product.
        meter, options: as `simulate`. Replicas are per point.

    Returns:
        `Results`, a point each. A point whose fields do not go together, or that has no stationary regime by a formula, is
        flagged ``infeasible`` and says why in ``run["reason"]``; the others run.

    Raises:
        ValueError: also for a field that does not exist, holds no number, has no values or one that it never allows; or
            if no point is feasible.
    """
    return run_sweep(*plan_sweep(system, grid, Options(**options)), meter)


def compare(systems: Sequence[Model], *, meter: Watch = None, **options) -> Results:
    """Simulate several systems on the same random words, and estimate their differences to the first, paired.

    Args:
        systems: two or more systems, of one class or of several.
        meter, options: as `simulate`. Replicas are per system.

    Returns:
        `Results` whose ``differences`` has, for each other system and each metric that both have, the mean
        difference to the first system and its half-width from the paired replicas.
    """
    return run_comparison(plan_comparison(systems, Options(**options)), meter)


def run_sweep(planned: Plan, grid: Mapping[str, Sequence], refused: Mapping, meter: Watch = None) -> Results:
    """Run what `jaxq.engine.plan.plan_sweep` gives; the points that were ``refused`` are marked."""
    results = run(planned, meter, varied=tuple(grid))
    results.model = planned.points[0].model
    for i, (values, reason) in refused.items():
        point = {name: plain(value) for name, value in values.items()}
        results.insert(i, results[0].infeasible({**describe(planned.points[0].model), **point}, point, reason))
    return results


def run_comparison(planned: Plan, meter: Watch = None) -> Results:
    """Run what `jaxq.engine.plan.plan_comparison` gives, and take the paired differences."""
    described = [describe(point.model) for point in planned.points]
    names = dict.fromkeys(name for fields in described for name in fields)
    values = {name: [fields[name] for fields in described if name in fields] for name in names}
    varied = [name for name, given in values.items() if any(value != given[0] for value in given)]
    results = run(planned, meter, varied=tuple(varied))
    base, level, called = results[0], planned.options.level, labels(results)
    for i, other in enumerate(results[1:], 1):
        for name in base.estimates:
            if name in other.estimates:
                difference = other.estimates[name] - base.estimates[name]
                results.differences.append(
                    {
                        "metric": name,
                        "system": called[i],
                        "minus": called[0],
                        "mean": finite(difference.value),
                        "half_width": finite(difference.half_width(level)),
                        "level": level,
                    }
                )
    return results


def labels(results: Sequence[Result]) -> list[str]:
    """A short name of each result of a comparison, no two alike: its system, where they are of several, and what varies; and
    its number, where that does not tell it from the others."""
    several = len({result.system for result in results}) > 1
    found = [
        " ".join([result.system] * several + [f"{name}={whole_text(value)}" for name, value in result.point.items()])
        for result in results
    ]
    numbered = [f"{name or result.system} {i}" for i, (name, result) in enumerate(zip(found, results, strict=True), 1)]
    return [name if name and found.count(name) == 1 else other for name, other in zip(found, numbered, strict=True)]


def run(planned: Plan, meter: Watch = None, varied=()) -> Results:
    """Run the points of a plan for the same number of events and judge each."""
    return launched(planned, meter, lambda loop: conclude(loop, planned, varied))


def launched(
    planned: Plan,
    meter: Watch,
    concluded: Callable[[Loop], Outcome],
    judged: Callable[[list[Ensemble]], Sequence[tuple[Any, int]]] | None = None,
    began: float | None = None,
) -> Outcome:
    """Run the points of a plan to the end of its loop; what is ``concluded`` from it. ``judged``: what the loop looks at
    (default: each point). ``began``: since when its time counts (default: now)."""
    began = time.perf_counter() if began is None else began
    meter = as_meter(meter)
    points, options, replicas = planned.points, planned.options, planned.replicas
    expected = options.events or options.max_events
    if options.horizon is not None:
        expected = min(expected, math.ceil(options.horizon * max(initial_rate(point.process) for point in points)))
    groups = planned.groups
    meter = meter if team().first else Silent()
    meter.start(planned.describe())
    checkpoint = None
    try:
        checkpoint = Checkpoint([[points[i].model for i in members] for members in groups], replicas, options)
        ensembles = [
            Ensemble(
                [points[k].model for k in members],
                replicas,
                options.seed,
                planned.devices,
                [points[k].stepped for k in members],
                first=options.first_replica,
                batch=options.batch,
                events=min(expected, options.max_events // (len(points) * replicas)),
                histograms=options.counted(),
                thresholds=options.thresholds(),
                **checkpoint.layout(i),
            )
            for i, members in enumerate(groups)
        ]
        checkpoint.restore(ensembles)
        looked_at = None if judged is None else judged(ensembles)
        loop = Loop(ensembles, options, meter, checkpoint, began, expected, looked_at)
        with Interrupt() as interrupt:
            loop.run(interrupt)
            return concluded(loop)
    except ProcessLost as lost:
        raise ProcessLost(f"{lost}; {_left(checkpoint)}") from None
    except FieldError:
        raise  # in all processes alike
    except BaseException as error:
        team().leave()
        full = too_large(error, replicas, planned.footprint) if isinstance(error, RuntimeError) else None
        if full is not None:
            raise full from error
        raise
    finally:
        meter.close()


def _left(checkpoint: Checkpoint | None) -> str:
    """What there is of a run that a process was lost of."""
    if checkpoint is None or checkpoint.path is None:
        return "the run is lost, as it had no checkpoint"
    if checkpoint.written is None:
        return f"nothing has been saved since; {checkpoint.path}, where it exists, can be resumed by any number of processes"
    ago = time.monotonic() - checkpoint.written
    return f"{checkpoint.path} has the run of {ago:.0f} s ago, which any number of processes can resume"


def conclude(loop: Loop, planned: Plan, varied) -> Results:
    """The results of a run that has ended."""
    order = [i for members in planned.groups for i in members]
    results: list[Result | None] = [None] * len(order)
    info = run_info(loop, planned)
    for index, (i, (ensemble, point)) in enumerate(zip(order, loop.points, strict=True)):
        results[i] = conclude_point(
            ensemble,
            point,
            planned.points[i],
            loop.options,
            loop.analyses[index],
            loop.flags(index),
            info,
            varied,
            len(order),
        )
    return Results(results)


def run_info(loop: Loop, planned: Plan) -> dict[str, Any]:
    """What was run, and what it took."""
    options = loop.options
    found = {
        "replicas": planned.replicas,
        "seed": int(options.seed),
        "level": options.level,
        "seconds": loop.seconds,
        "compile_seconds": sum(ensemble.compile_seconds for ensemble in loop.ensembles),
        "ns_per_event": 1e9 * loop.seconds / (loop.total_events - loop.resumed or loop.total_events),
        **programs(loop.ensembles),
        "devices": named_devices(planned.devices),
        "versions": versions(),
        "options": {k: plain(v) if not isinstance(v, tuple) else list(v) for k, v in options.to_dict().items()},
        **loop.checkpoint.report(),
    }
    return of_all_processes(found)


def programs(ensembles: Sequence[Ensemble]) -> dict[str, str]:
    """How launches were compiled, and where a kernel was wanted and is none, why (`jaxq.engine.kernel.choice`)."""
    kinds = dict.fromkeys(one.program.kind for one in ensembles)
    reasons = dict.fromkeys(one.fallback for one in ensembles if one.fallback)
    return {"program": ", ".join(kinds), **({"no_kernel": "; ".join(reasons)} if reasons else {})}


def named_devices(devices: Sequence[Any]) -> list[str]:
    """Devices by platform, number and kind."""
    return [f"{d.platform}:{d.id} {d.device_kind}" for d in devices]


def of_all_processes(run: dict[str, Any]) -> dict[str, Any]:
    """What process 0 says of a run, with the devices of all."""

    def together(said: list[dict[str, Any]]) -> dict[str, Any]:
        devices = [device for each in said for device in each["devices"]]
        return {**said[0], "devices": devices, **({"processes": len(said)} if len(said) > 1 else {})}

    return team().decide("run", run, together)
