"""`simulate`, `sweep`, `compare`: the host loop between launches.

Between launches the host shows progress, hears Ctrl-C (the first returns what is there, marked; the second raises) and
asks the stop rule, at doubling lengths only and never looking at seconds, so that a seed gives the same numbers
twice. All points run side by side for the same number of events, on the same random words.
"""

import itertools
import math
import platform
import signal
import threading
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxq.engine import judge
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.devices import choose_devices
from jaxq.engine.layout import FIRST_LOOK, default_replicas
from jaxq.engine.options import Options
from jaxq.engine.program import compile_seconds, initial_rate, lanes_bytes, names
from jaxq.engine.progress import Meter, Progress, Silent
from jaxq.engine.result import Result, Results, describe, finite, in_words, plain
from jaxq.engine.stack import Stack
from jaxq.engine.system import System

LONG_COMPILE = 10.0
"""Estimated seconds of compiling from which they are announced."""


def simulate(system: System, *, meter: Meter | None = None, **options) -> Result:
    """Simulate one system; estimates of its stationary metrics with intervals, next to its oracle.

    Args:
        system: the system, built from its fields.
        meter: shows progress (`jaxq.engine.progress.Meter`).
        **options: see `jaxq.Options`.

    Returns:
        A `Result`. Flags in it mark a run that was truncated, interrupted, unstable, not warmed up, or not as precise
        as asked for.

    Raises:
        ValueError: an option or a field is not allowed, or a formula says that there is no stationary regime.

    Example:
        >>> jaxq.simulate(jaxq.MMc(arrival_rate=8, service_rate=1, servers=10), precision=0.01)
    """
    return run([system], Options(**options), meter)[0]


def sweep(system: System, grid: Mapping[str, Sequence], *, meter: Meter | None = None, **options) -> Results:
    """Simulate every point of a grid, side by side in one compilation, with common random numbers across it.

    Args:
        system: the system whose other fields are kept.
        grid: values by scalar field; several fields give their product.
        meter, **options: as `simulate`. Replicas are per point.

    Raises:
        ValueError: also for a field that does not exist, holds no number, or has no values.
    """
    from jaxq.engine.fields import rules

    known = rules(type(system))
    for name, values in grid.items():
        if name not in known or not known[name].scalar:
            scalars = ", ".join(n for n, rule in known.items() if rule.scalar)
            raise ValueError(f"{name}: only scalar fields can be swept; {system.title()} has {scalars}")
        if len(values) == 0:
            raise ValueError(f"{name} = []: a sweep needs at least one value")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return run([system.replace(**point) for point in points], Options(**options), meter, varied=tuple(grid))


def compare(systems: Sequence[System], *, meter: Meter | None = None, **options) -> Results:
    """Simulate several systems on the same random words, and estimate their differences to the first, paired.

    Args:
        systems: two or more systems, of one class or of several.
        meter, **options: as `simulate`. Replicas are per system.

    Returns:
        `Results` whose ``differences`` has, for each other system and each metric that both have, the mean
        difference to the first system and its half-width from the paired replicas.
    """
    systems = list(systems)
    if len(systems) < 2:
        raise ValueError(f"systems: {len(systems)} given; a comparison needs at least two")
    described = [describe(s) for s in systems]
    varied = [n for n in described[0] if any(n in d and d[n] != described[0][n] for d in described)]
    chosen = Options(**options)
    if chosen.replicas is not None and chosen.replicas < judge.FEW:
        raise ValueError(f"replicas = {chosen.replicas}: a paired comparison needs at least {judge.FEW}")
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


def run(systems: Sequence[System], options: Options, meter: Meter | None = None, varied=()) -> Results:
    """Run several points for the same number of events and judge each."""
    structures, compiling = set(), 0.0
    for system in systems:
        if not isinstance(system, System):
            raise TypeError(f"{system!r} is not a jaxq system")
        system.check_stationary()
        if jax.tree.structure(system) not in structures:
            structures.add(jax.tree.structure(system))
            compiling += compile_seconds(system)
            check_names(system, options)
    meter = meter or Silent()
    devices = choose_devices(options.devices)
    replicas = options.replicas or default_replicas(devices)
    groups: dict = {}
    size = 0
    for i, system in enumerate(systems):
        prepared = system.prepare()
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(prepared))
        size += replicas * lanes_bytes(prepared)
        groups.setdefault((jax.tree.structure(prepared), shapes), []).append(i)
    description = f"{len(systems)} point(s) x {replicas} replicas on {len(devices)} {devices[0].platform} device(s)"
    description += f", {size / 2**20:.3g} MB of state"
    description += f", about {compiling:.0f} s to compile" if compiling > LONG_COMPILE else ""
    expected = options.events or options.max_events
    if options.horizon is not None:
        expected = min(expected, math.ceil(options.horizon * max(initial_rate(system) for system in systems)))
    meter.start(description)
    try:
        stacks = [
            Stack(
                [systems[i] for i in members],
                replicas,
                options.seed,
                devices,
                batch=options.batch,
                events=min(expected, options.max_events // (len(systems) * replicas)),
                histograms=tuple(options.quantile_probabilities()),
            )
            for members in groups.values()
        ]
        checkpoint = None
        if options.checkpoint is not None:
            checkpoint = Checkpoint(options.checkpoint, stacks, options.seed)
            checkpoint.restore()
        outcome = _Loop(stacks, options, meter, checkpoint).run()
    finally:
        meter.close()
    results: list[Result | None] = [None] * len(systems)
    info = {
        "replicas": replicas,
        "seed": options.seed,
        "level": options.level,
        "seconds": outcome.seconds,
        "compile_seconds": sum(stack.compile_seconds for stack in stacks),
        "ns_per_event": 1e9 * outcome.seconds / outcome.total_events,
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in devices],
        "versions": versions(),
        "options": {k: plain(v) if not isinstance(v, tuple) else list(v) for k, v in options.to_dict().items()},
    }
    order = [i for members in groups.values() for i in members]
    for index, (i, (stack, point)) in enumerate(zip(order, outcome.points, strict=True)):
        verdict = outcome.verdicts[index]
        results[i] = judge.conclude(stack, point, options, verdict, outcome.flags(index), info, varied)
    return Results(results)


def check_names(system: System, options: Options) -> None:
    """ValueError unless the metrics and quantities that the options and the oracle name exist."""
    metrics, quantities = names(system)
    for target in options.targets(()):
        if target.metric not in metrics:
            raise ValueError(f"metric = {target.metric}: {system.title()} has {', '.join(metrics)}")
    unknown = set(system.oracle()) - set(metrics)
    if unknown:
        raise ValueError(f"oracle: {system.title()} has no metric {', '.join(sorted(unknown))}")
    for name in options.quantile_probabilities():
        if name not in quantities:
            raise ValueError(f"quantiles = {name}: {system.title()} has {', '.join(quantities)}")


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    from importlib.metadata import version

    names = ("jaxq", "jax", "jaxlib", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


class _Interrupt:
    """Turns the first Ctrl-C into a flag that the loop reads; the second raises."""

    def __init__(self):
        self.heard = False

    def __enter__(self):
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._hear)
        return self

    def _hear(self, *_):
        if self.heard:
            raise KeyboardInterrupt
        self.heard = True

    def __exit__(self, *_):
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)


class _Loop:
    """Launches all stacks in lockstep until the stop rule is met; lengths are events per replica."""

    def __init__(self, stacks: list[Stack], options: Options, meter: Meter, checkpoint: Checkpoint | None):
        self.stacks, self.options, self.meter, self.checkpoint = stacks, options, meter, checkpoint
        self.points = [(stack, point) for stack in stacks for point in range(len(stack.systems))]
        self.verdicts: list[judge.Verdict] = []
        self.missing: list[str | None] = []
        self.stopped: str | None = None
        self.wanted = options.events
        self.seconds = 0.0

    @property
    def total_events(self) -> int:
        """Events so far over all points and replicas."""
        return sum(stack.events * stack.rows for stack in self.stacks)

    def run(self) -> "_Loop":
        given = 0 if isinstance(self.options.warmup, str) else math.ceil(self.options.warmup)
        look = FIRST_LOOK * max(stack.layout.events_per_block for stack in self.stacks)
        goal: int | None = (self.wanted or look) + given
        began = time.perf_counter()
        with _Interrupt() as interrupt:
            while goal is not None:
                self._advance(goal, began, interrupt)
                self._look()
                goal = None if self.stopped else self._next_goal()
        if self.checkpoint:
            self.checkpoint.save(now=True)
        self.seconds = time.perf_counter() - began
        return self

    def _advance(self, goal: int, began: float, interrupt: _Interrupt) -> None:
        options = self.options
        waiting_for = next((m for m in self.missing if m), "the first look")
        while any(stack.events < goal for stack in self.stacks):
            if interrupt.heard:
                self.stopped = "unfinished"
            elif self.total_events and (
                self.total_events + sum(s.layout.events_per_launch * s.rows for s in self.stacks) > options.max_events
                or (options.time_limit is not None and self.seconds > options.time_limit)
            ):
                self.stopped = "truncated"
            if self.stopped and self.total_events:
                return
            for stack in self.stacks:
                if stack.events < goal:
                    stack.launch()
            self.seconds = time.perf_counter() - began
            self.meter.update(Progress(self.total_events, self.seconds, waiting_for))
            if self.checkpoint:
                self.checkpoint.save()
        if interrupt.heard:
            self.stopped = "unfinished"

    def _look(self) -> None:
        options = self.options
        self.verdicts = [judge.look(stack, point, options) for stack, point in self.points]
        pairs = list(zip(self.points, self.verdicts, strict=True))
        self.missing = [judge.missing_precision(*point, verdict, options) for point, verdict in pairs]

    def _next_goal(self) -> int | None:
        """Events per replica to go on to; None if the run is over."""
        length = max(stack.events for stack in self.stacks)
        if any(verdict.cut is None for verdict in self.verdicts):
            return 2 * length
        if self.options.wants_precision and not any(self.missing):
            return None
        if self.options.horizon is not None:
            self.wanted = max(self.wanted or 0, self._events_for(self.options.horizon))
        if self.wanted is None:
            return 2 * length
        left = min(
            stack.events - judge.discarded(stack, verdict)
            for (stack, _), verdict in zip(self.points, self.verdicts, strict=True)
        )
        if left >= self.wanted:
            return None
        goal = length + self.wanted - left
        return min(goal, 2 * length) if self.options.wants_precision else goal

    def _events_for(self, horizon: float) -> int:
        """Events that take every point past a model time, from the mean time of an event so far."""
        return max(
            math.ceil(horizon * sums.events.value / sums.time.value)
            for sums in (stack.sums(point, 0) for stack, point in self.points)
        )

    def flags(self, index: int) -> list[str]:
        """The flags of one point that the loop knows of."""
        found = []
        if self.stopped == "unfinished" or (self.stopped == "truncated" and (self.wanted or self.options.horizon)):
            found.append(self.stopped)
        if self.options.wants_precision and self.missing[index] and self.verdicts[index].cut is not None:
            found.append("precision_not_reached")
        return found
