"""`simulate`, `sweep`, `compare`: from systems and options to results; the loop over launches is `jaxq.engine.loop`."""

import itertools
import math
import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import jax
import numpy as np

from jaxq.checks import FieldError, shown
from jaxq.engine import judge
from jaxq.engine.check import check, check_kind
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.controls import compiled
from jaxq.engine.devices import choose_devices
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import default_replicas
from jaxq.engine.loop import Loop
from jaxq.engine.memory import check_points, check_run
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.outline import compile_seconds, initial_rate, names
from jaxq.engine.plain import describe, finite, in_words, plain
from jaxq.engine.progress import Meter, Patient
from jaxq.engine.range import check_range
from jaxq.engine.result import Result, Results
from jaxq.engine.stack import Stack

LONG_COMPILE = 10.0
"""Estimated seconds of compiling from which they are announced."""


def simulate(system: Model, *, meter: Meter | None = None, **options) -> Result:
    """Simulate one system; estimates of its stationary metrics with intervals, next to its oracle.

    Args:
        system: the system, built from its fields.
        meter: shows progress (`jaxq.engine.progress.Meter`); default: a line on stderr after 10, 20, 40, ... seconds.
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
    return run([system], Options(**options), meter)[0]


def sweep(system: Model, grid: Mapping[str, Sequence], *, meter: Meter | None = None, **options) -> Results:
    """Simulate every point of a grid, side by side in one compilation, with common random numbers across it.

    Args:
        system: the system whose other fields are kept.
        grid: values by scalar field; several fields give their product.
        meter, **options: as `simulate`. Replicas are per point.

    Returns:
        `Results`, a point each. A point whose fields do not go together, or that has no stationary regime by a formula, is
        flagged ``infeasible`` and says why in ``run["reason"]``; the others run.

    Raises:
        ValueError: also for a field that does not exist, holds no number, has no values or one that it never allows; or
            if no point is feasible.
    """
    from jaxq.engine.fields import rules

    check_kind(system)
    known = rules(type(system))
    if grid is not None and not isinstance(grid, Mapping):
        raise TypeError(f"grid = {shown(grid)}: must be a dict of fields and their values")
    if not grid:
        raise FieldError("grid", {}, f"a sweep needs values of a scalar field; {system.title()} has {', '.join(known)}")
    for name, values in grid.items():
        if name not in known or not known[name].scalar:
            scalars = ", ".join(n for n, rule in known.items() if rule.scalar)
            raise FieldError(name, ..., f"only scalar fields can be swept; {system.title()} has {scalars}")
        if not isinstance(values, Collection) or isinstance(values, (str, Mapping)) or getattr(values, "ndim", 1) == 0:
            raise TypeError(f"{name} = {values!r}: must be a list of values")
    chosen = Options(**options)
    check_points(", ".join(grid), math.prod(map(len, grid.values())), chosen.replicas)
    for name, values in grid.items():
        if len(values) == 0:
            raise FieldError(name, [], "a sweep needs at least one value")
        for value in values:
            known[name].check(name, known[name].convert(value))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    systems, refused = feasible(lambda point: system.replace(**point), points)
    results = run(systems, chosen, meter, varied=tuple(grid))
    for i, reason in refused.items():
        point = {name: plain(value) for name, value in points[i].items()}
        results.insert(i, results[0].infeasible({**describe(system), **point}, point, reason))
    return results


def feasible(build: Callable[[dict], Model], points: Sequence[dict]) -> tuple[list[Model], dict[int, str]]:
    """(the systems of the points that can be run, why not by number of the others); ValueError if none can."""
    systems, refused, first = [], {}, None
    for i, point in enumerate(points):
        try:
            system = build(point)
            system.check_stationary()
            systems.append(system)
        except ValueError as error:
            refused[i], first = str(error), first or error
    if first is not None and not systems:
        raise first
    return systems, refused


def compare(systems: Sequence[Model], *, meter: Meter | None = None, **options) -> Results:
    """Simulate several systems on the same random words, and estimate their differences to the first, paired.

    Args:
        systems: two or more systems, of one class or of several.
        meter, **options: as `simulate`. Replicas are per system.

    Returns:
        `Results` whose ``differences`` has, for each other system and each metric that both have, the mean
        difference to the first system and its half-width from the paired replicas.
    """
    systems = [systems] if isinstance(systems, Model) else list(systems)
    if len(systems) < 2:
        raise FieldError("systems", ..., f"{len(systems)} given; a comparison needs at least two")
    for system in systems:
        check_kind(system)
    described = [describe(s) for s in systems]
    varied = [n for n in described[0] if any(n in d and d[n] != described[0][n] for d in described)]
    chosen = Options(**options)
    if chosen.replicas is not None and chosen.replicas < judge.FEW:
        raise FieldError("replicas", chosen.replicas, f"a paired comparison needs at least {judge.FEW}")
    results = run(systems, chosen, meter, varied=tuple(varied))
    base = results[0]
    for i, other in enumerate(results[1:], 1):
        for name in base.estimates:
            if name in other.estimates:
                difference = other.estimates[name] - base.estimates[name]
                results.differences.append(
                    {
                        "metric": name,
                        "system": label(other, i),
                        "minus": label(base, 0),
                        "mean": finite(difference.value),
                        "half_width": finite(difference.half_width(chosen.level)),
                        "level": chosen.level,
                    }
                )
    return results


def label(result: Result, index: int) -> str:
    """A short name of one result of a comparison: what varies, or its number."""
    return " ".join(f"{k}={in_words(v)}" for k, v in result.point.items()) or f"{result.system} {index + 1}"


def run(systems: Sequence[Model], options: Options, meter: Meter | None = None, varied=()) -> Results:
    """Run several points for the same number of events and judge each."""
    began = time.perf_counter()
    structures, compiling = set(), 0.0
    for system in systems:
        check_kind(system)
        system.check_stationary()
        check_range(system)
        if jax.tree.structure(system) not in structures:
            structures.add(jax.tree.structure(system))
            compiling += compile_seconds(system)
            check_names(system, options)
    meter = meter or Patient()
    if not all(hasattr(meter, name) for name in ("start", "update", "close")):
        raise TypeError(f"meter = {meter!r}: must have start, update and close, as jaxq.engine.progress.Meter says")
    devices = choose_devices(options.devices)
    replicas = options.replicas or default_replicas(devices)
    processes = [compiled(system, options.control, replicas) for system in systems]
    groups: dict = {}
    for i, process in enumerate(processes):
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(process))
        groups.setdefault((jax.tree.structure(process), shapes), []).append(i)
    sizes = [(processes[members[0]], len(members)) for members in groups.values()]
    size = check_run(sizes, replicas, devices)
    description = f"{len(systems)} point(s) x {replicas} replicas on {len(devices)} {devices[0].platform} device(s)"
    description += f", {size / 2**20:.3g} MB of state"
    description += f", about {compiling:.0f} s to compile" if compiling > LONG_COMPILE else ""
    expected = options.events or options.max_events
    if options.horizon is not None:
        expected = min(expected, math.ceil(options.horizon * max(initial_rate(system) for system in systems)))
    meter.start(description)
    try:
        points = [[systems[i] for i in members] for members in groups.values()]
        checkpoint = Checkpoint(points, replicas, options)
        stacks = [
            Stack(
                points[i],
                replicas,
                options.seed,
                devices,
                [processes[k] for k in members],
                batch=options.batch,
                events=min(expected, options.max_events // (len(systems) * replicas)),
                histograms=tuple(options.quantile_probabilities()),
                **checkpoint.layout(i),
            )
            for i, members in enumerate(groups.values())
        ]
        checkpoint.restore(stacks)
        loop = Loop(stacks, options, meter, checkpoint, began, expected)
        with Interrupt() as interrupt:
            loop.run(interrupt)
            order = [i for members in groups.values() for i in members]
            return conclude(loop, order, replicas, devices, varied)
    finally:
        meter.close()


def conclude(loop: "Loop", order: Sequence[int], replicas: int, devices: tuple, varied) -> Results:
    """The results of a run that has ended; ``order``: the number of each point of the loop among the systems."""
    options = loop.options
    results: list[Result | None] = [None] * len(order)
    info = {
        "replicas": replicas,
        "seed": options.seed,
        "level": options.level,
        "seconds": loop.seconds,
        "compile_seconds": sum(stack.compile_seconds for stack in loop.stacks),
        "ns_per_event": 1e9 * loop.seconds / (loop.total_events - loop.resumed or loop.total_events),
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in devices],
        "versions": versions(),
        "options": {k: plain(v) if not isinstance(v, tuple) else list(v) for k, v in options.to_dict().items()},
        **loop.checkpoint.report(),
    }
    for index, (i, (stack, point)) in enumerate(zip(order, loop.points, strict=True)):
        results[i] = judge.conclude(stack, point, options, loop.verdicts[index], loop.flags(index), info, varied)
    return Results(results)


def check_names(system: Model, options: Options) -> None:
    """TypeError or ValueError unless the system passes `jaxq.check`, and has what the options and the oracle name, controls
    among it."""
    check(system)
    metrics, quantities = names(system)
    for target in options.targets(()):
        if target.metric not in metrics:
            raise FieldError("metric", target.metric, f"{system.title()} has {', '.join(metrics)}")
    unknown = set(system.oracle()) - set(metrics)
    if unknown:
        raise FieldError("oracle", ..., f"{system.title()} has no metric {', '.join(sorted(unknown))}")
    for name in options.quantile_probabilities():
        if name not in quantities:
            raise FieldError("quantiles", name, f"{system.title()} has {', '.join(quantities)}")
    if options.control != "none":
        compiled(system, options.control, options.replicas or default_replicas(choose_devices(options.devices)))


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    from importlib.metadata import version

    names = ("jaxq", "jax", "jaxlib", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
