"""A run before it runs: all that models and options can get wrong, and all that is derived from them, once each."""

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from jaxq.checks import FieldError, shown
from jaxq.engine.check import HOST, check_kind, check_process
from jaxq.engine.checkpoint import question
from jaxq.engine.control_choice import with_controls
from jaxq.engine.devices import choose_devices
from jaxq.engine.fields import rules
from jaxq.engine.fingerprint import digest
from jaxq.engine.footprint import Footprint
from jaxq.engine.kernel.choice import kernel_wanted
from jaxq.engine.layout import FEW, default_replicas
from jaxq.engine.leaves import alike
from jaxq.engine.memory import check_points, check_run
from jaxq.engine.model import Model
from jaxq.engine.options import COUNTED, Options
from jaxq.engine.outline import compile_seconds, names
from jaxq.engine.process import Process
from jaxq.engine.range import check_range
from jaxq.engine.rarity import ordered, seen
from jaxq.engine.record import title
from jaxq.engine.reference import Tail
from jaxq.engine.team import team

LONG_COMPILE = 10.0
"""Estimated seconds of compiling from which they are announced."""


class Point(NamedTuple):
    """A model with what a run derives from it."""

    model: Model
    process: Process
    """What the model prepares."""
    stepped: Process
    """The same as it is compiled: rare transitions first, with the controls that are asked for."""
    oracle: dict[str, Any]
    tails: dict[str, Tail]
    """Of the quantities that a histogram is kept of, where they are known."""
    largest: np.ndarray | None
    """The largest rate of each transition of a jump process that a walk has met, 1/time, shape (K,)."""


class Plan(NamedTuple):
    """Points that have passed every check, and how they are run."""

    points: list[Point]
    options: Options
    devices: tuple
    replicas: int
    footprint: Footprint
    compile_seconds: float

    @property
    def groups(self) -> list[list[int]]:
        """The numbers of the points that share a compiled program."""
        return alike([point.stepped for point in self.points])

    def describe(self) -> str:
        """One line, before the run begins."""
        words = f"{len(self.points)} point(s) x {self.replicas} replicas on {len(self.devices)} "
        words += f"{self.devices[0].platform} device(s), {self.footprint}"
        words += f", in each of {team().processes} processes" if team().processes > 1 else ""
        return words + (
            f", about {self.compile_seconds:.0f} s to compile" if self.compile_seconds > LONG_COMPILE else ""
        )


def plan(models: Sequence[Model], options: Options, stationary: bool = False, parameters: int = 0) -> Plan:
    """Check models and options, and derive what a run of them needs; nothing is compiled.

    Args:
        models: the points of the run.
        options: see `jaxq.Options`.
        stationary: whether `Stationarity.check` has passed already.
        parameters: by which differences of the points are taken; each has the controls once more.

    Raises:
        TypeError, ValueError: what `jaxq.check` finds; no stationary regime; numbers that 32 bits cannot hold; a metric,
            quantity or control that the model has not; more memory than there is.
    """
    derived, structures, compiling = [], set(), 0.0
    for model in models:
        check_kind(model)
        if not stationary:
            model.stationarity().check()
        process = model.process()
        check_range(model, process)
        oracle, tails, rates = model.oracle(), model.tails() if options.counted() else {}, None
        if jax.tree.structure(model) not in structures:
            structures.add(jax.tree.structure(model))
            compiling += compile_seconds(process, title(model))
            rates = check_names(model, process, oracle, tails, options)
        derived.append((model, process, oracle, tails, rates))
    devices = choose_devices(options.devices)
    kernel_wanted(devices)
    replicas = options.replicas or default_replicas(devices)
    bearing, points = replicas // (1 + parameters), []
    others = iter(seen([process for _, process, *_, rates in derived if rates is None]))
    for model, process, oracle, tails, rates in derived:
        rates = next(others) if rates is None else rates
        stepped = with_controls(ordered(process, rates), options.control, bearing, title(model))
        points.append(Point(model, process, stepped, oracle, tails, None if rates is None else rates.max(axis=0)))
    groups = alike([point.stepped for point in points])
    check_team(question([[points[i].model for i in members] for members in groups], replicas, options), options)
    sizes = [([points[i].model for i in members], [points[i].stepped for i in members]) for members in groups]
    cut = {"batch": options.batch, "histograms": options.counted()}
    events = min(options.events or options.max_events, options.max_events // (len(points) * replicas))
    return Plan(
        points, options, devices, replicas, check_run(sizes, replicas, devices, events=events, **cut), compiling
    )


def check_team(asked: dict[str, Any], options: Options) -> None:
    """FieldError unless all processes ask the same, and have replicas each."""
    processes, replicas = team().processes, asked["replicas"]
    if processes == 1:
        return
    if replicas < processes:
        raise FieldError("replicas", replicas, f"must be at least {processes}, one for each process")
    own = ("checkpoint", "checkpoint_every", "time_limit", "devices", "batch")
    said = asked | {name: value for name, value in options.to_dict().items() if name not in own}

    def same(all_said: list) -> None:
        for number, other in enumerate(all_said):
            names = [name for name in other if other[name] != all_said[0][name]]
            if names:
                rule = (
                    f"process {number} was asked with other {', '.join(names)} than process 0; must be the same in all"
                )
                raise FieldError("processes", ..., rule)

    team().decide("question", {name: digest(value) for name, value in said.items()}, same)


def check_model(model: Model, options: Options) -> None:
    """TypeError or ValueError where a run of one model with these options would be refused, but for its size."""
    process = model.process()
    rates = check_names(
        model, process, {}, {}, options
    )  # its oracle, which may take long, stands beside no metric here
    if options.control != "none":
        replicas = options.replicas or default_replicas(choose_devices(options.devices))
        with_controls(ordered(process, rates), options.control, replicas, title(model))


def check_names(
    model: Model, process: Process, oracle: Collection[str], tails: Collection[str], options: Options
) -> np.ndarray | None:
    """TypeError or ValueError unless a model passes `jaxq.check`, and has what the options, its oracle and its tails name;
    what `check_process` returns."""
    rates = check_process(process)
    metrics, quantities = names(model, process)
    for target in options.targets(()):
        if target.metric not in metrics:
            raise FieldError("metric", target.metric, f"{title(model)} has {', '.join(metrics)}")
    unknown = set(oracle) - set(metrics)
    if unknown:
        raise FieldError("oracle", ..., f"{title(model)} has no metric {', '.join(sorted(unknown))}")
    unknown = set(tails) - set(quantities)
    if unknown:
        raise FieldError("tails", ..., f"{title(model)} has no quantity {', '.join(sorted(unknown))}")
    for option, wanted in zip(COUNTED, (options.quantile_probabilities(), options.thresholds()), strict=True):
        for name in wanted:
            if name not in quantities:
                raise FieldError(option, name, f"{title(model)} has {', '.join(quantities) or 'no such quantity'}")
    return rates


def plan_sweep(system: Model, grid: Mapping[str, Sequence], options: Options) -> tuple[Plan, Mapping, dict]:
    """(plan of the points that can be run, the grid, by number (point, reason) of the others); see `jaxq.sweep`."""
    check_kind(system)
    known = rules(type(system))
    if grid is not None and not isinstance(grid, Mapping):
        raise TypeError(f"grid = {shown(grid)}: must be a dict of fields and their values")
    if not grid:
        raise FieldError("grid", {}, f"a sweep needs values of a scalar field; {title(system)} has {', '.join(known)}")
    for name, values in grid.items():
        if name not in known or not known[name].scalar:
            scalars = ", ".join(n for n, rule in known.items() if rule.scalar)
            raise FieldError(name, ..., f"only scalar fields can be swept; {title(system)} has {scalars}")
        if not isinstance(values, Collection) or isinstance(values, (str, Mapping)) or getattr(values, "ndim", 1) == 0:
            raise TypeError(f"{name} = {values!r}: must be a list of values")
    check_points(", ".join(grid), math.prod(map(len, grid.values())), options.replicas)
    for name, values in grid.items():
        if len(values) == 0:
            raise FieldError(name, [], "a sweep needs at least one value")
        for value in values:
            if isinstance(value, Tracer):
                raise TypeError(f"{name} is traced by JAX {HOST}")
            known[name].check(name, known[name].convert(value))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    systems, refused = feasible(lambda point: system.replace(**point), points)
    planned = plan(systems, options, stationary=True)
    return planned, grid, {i: (points[i], reason) for i, reason in refused.items()}


def plan_comparison(systems: Sequence[Model], options: Options) -> Plan:
    """The plan of a paired comparison; see `jaxq.compare`."""
    systems = [systems] if isinstance(systems, Model) else list(systems)
    if len(systems) < 2:
        raise FieldError("systems", ..., f"{len(systems)} given; a comparison needs at least two")
    for system in systems:
        check_kind(system)
    if options.replicas is not None and options.replicas < FEW:
        raise FieldError("replicas", options.replicas, f"a paired comparison needs at least {FEW}")
    return plan(systems, options)


def feasible(build: Callable[[dict], Model], points: Sequence[dict]) -> tuple[list[Model], dict[int, str]]:
    """(the systems of the points that can be run, why not by number of the others); ValueError if none can."""
    systems, refused, first = [], {}, None
    for i, point in enumerate(points):
        try:
            system = build(point)
            system.stationarity().check()
            systems.append(system)
        except ValueError as error:
            refused[i], first = str(error), first or error
    if first is not None and not systems:
        raise first
    return systems, refused
