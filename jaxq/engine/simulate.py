"""`simulate`, `sweep`, `compare`: the host loop between launches.

Between launches the host shows progress, hears Ctrl-C (the first returns what is there, marked; the second raises) and
asks the stop rule, at doubling lengths only and never looking at seconds, so that a seed gives the same numbers
twice. All points run side by side for the same number of events, on the same random words.
"""

import dataclasses
import itertools
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from jaxq.engine import judge
from jaxq.engine.check import check, check_kind
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.devices import choose_devices
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import FEW, default_replicas, first_look
from jaxq.engine.options import Options
from jaxq.engine.program import check_range, compile_seconds, initial_rate, lanes_bytes, names
from jaxq.engine.progress import Meter, Patient, Progress
from jaxq.engine.rarity import prepared
from jaxq.engine.result import Result, Results, describe, finite, in_words, plain
from jaxq.engine.stack import Stack
from jaxq.engine.system import System

LONG_COMPILE = 10.0
"""Estimated seconds of compiling from which they are announced."""
LAUNCH_SECONDS = 1.0
"""What a launch should take: Ctrl-C and the time limit are heard in between."""
EXTENSION = 20
"""A run goes on past the length that was asked for until it has warmed up, but no further than so many times that length."""


def simulate(system: System, *, meter: Meter | None = None, **options) -> Result:
    """Simulate one system; estimates of its stationary metrics with intervals, next to its oracle.

    Args:
        system: the system, built from its fields.
        meter: shows progress (`jaxq.engine.progress.Meter`); default: a line on stderr after 10, 20, 40, ... seconds.
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
    if not grid:
        raise ValueError(
            f"grid = {{}}: a sweep needs values of a scalar field; {system.title()} has {', '.join(known)}"
        )
    for name, values in grid.items():
        if name not in known or not known[name].scalar:
            scalars = ", ".join(n for n, rule in known.items() if rule.scalar)
            raise ValueError(f"{name}: only scalar fields can be swept; {system.title()} has {scalars}")
        if not hasattr(values, "__len__") or (np.ndim(values) != 1 and not isinstance(values, (set, frozenset))):
            raise TypeError(f"{name} = {values!r}: must be a list of values")
        if len(values) == 0:
            raise ValueError(f"{name} = []: a sweep needs at least one value")
        for value in values:
            known[name].check(name, known[name].convert(value))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    systems, refused = feasible(lambda point: system.replace(**point), points)
    results = run(systems, Options(**options), meter, varied=tuple(grid))
    for i, reason in refused.items():
        point = {name: plain(value) for name, value in points[i].items()}
        results.insert(i, results[0].infeasible({**describe(system), **point}, point, reason))
    return results


def feasible(build: Callable[[dict], System], points: Sequence[dict]) -> tuple[list[System], dict[int, str]]:
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


def compare(systems: Sequence[System], *, meter: Meter | None = None, **options) -> Results:
    """Simulate several systems on the same random words, and estimate their differences to the first, paired.

    Args:
        systems: two or more systems, of one class or of several.
        meter, **options: as `simulate`. Replicas are per system.

    Returns:
        `Results` whose ``differences`` has, for each other system and each metric that both have, the mean
        difference to the first system and its half-width from the paired replicas.
    """
    systems = [systems] if isinstance(systems, System) else list(systems)
    if len(systems) < 2:
        raise ValueError(f"systems: {len(systems)} given; a comparison needs at least two")
    for system in systems:
        check_kind(system)
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
    devices = choose_devices(options.devices)
    replicas = options.replicas or default_replicas(devices)
    groups: dict = {}
    size = 0
    for i, system in enumerate(systems):
        process = prepared(system)
        shapes = tuple(np.shape(leaf) for leaf in jax.tree.leaves(process))
        size += replicas * lanes_bytes(process)
        groups.setdefault((jax.tree.structure(process), shapes), []).append(i)
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
                members,
                replicas,
                options.seed,
                devices,
                batch=options.batch,
                events=min(expected, options.max_events // (len(systems) * replicas)),
                histograms=tuple(options.quantile_probabilities()),
                **checkpoint.layout(i),
            )
            for i, members in enumerate(points)
        ]
        checkpoint.restore(stacks)
        loop = _Loop(stacks, options, meter, checkpoint, began, expected)
        with Interrupt() as interrupt:
            loop.run(interrupt)
            order = [i for members in groups.values() for i in members]
            return conclude(loop, order, replicas, devices, varied)
    finally:
        meter.close()


def conclude(loop: "_Loop", order: Sequence[int], replicas: int, devices: tuple, varied) -> Results:
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


def check_names(system: System, options: Options) -> None:
    """TypeError or ValueError unless the system passes `jaxq.check`, and has what the options and the oracle name."""
    check(system)
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


class _Loop:
    """Launches all stacks in lockstep until the stop rule is met; lengths are events per replica.

    How many blocks a launch has is measured, so that the host hears of Ctrl-C and the time limit every second; where the
    run looks at itself and ends does not depend on it.
    """

    def __init__(
        self, stacks: list[Stack], options: Options, meter: Meter, checkpoint: Checkpoint, began: float, expected: int
    ):
        self.stacks, self.options, self.meter, self.checkpoint = stacks, options, meter, checkpoint
        self.points = [(stack, point) for stack in stacks for point in range(len(stack.systems))]
        self.verdicts: list[judge.Verdict] = []
        self.missing: list[str | None] = []
        self.stopped: str | None = None
        self.wanted = options.events
        if options.horizon is not None:
            self.wanted = checkpoint.progress.get("wanted", self.wanted)
        self.seconds = 0.0
        self.resumed = self.total_events
        self._began, self._compiled, self._expected = began, time.perf_counter(), expected
        self._block_seconds = [math.inf] * len(stacks)
        self.lost = checkpoint.progress.get("lost", [False] * len(self.points))
        self._certain = checkpoint.progress.get("certain", [False] * len(self.points))

    @property
    def total_events(self) -> int:
        """Events so far over all points and replicas."""
        return sum(stack.events * stack.rows for stack in self.stacks)

    def run(self, interrupt: Interrupt) -> None:
        """Run to the end. A run that is resumed first goes on to where it would have looked at itself next."""
        given = 0 if isinstance(self.options.warmup, str) else math.ceil(self.options.warmup)
        look = max(first_look(stack.replicas) * stack.layout.events_per_block for stack in self.stacks)
        goal: int | None = self.checkpoint.progress.get("goal", (self.wanted or min(look, self._expected)) + given)
        while goal is not None:
            self.checkpoint.progress = {
                "goal": goal,
                "wanted": self.wanted,
                "lost": list(self.lost),
                "certain": list(self._certain),
            }
            self._advance(goal, interrupt)
            if self.stopped:
                self.checkpoint.save(now=True)
            self._look()
            goal = None if self.stopped else self._next_goal()
        if not self.stopped:
            self.checkpoint.save(now=True)
        self.seconds = time.perf_counter() - self._compiled

    def _advance(self, goal: int, interrupt: Interrupt) -> None:
        """Run every stack up to ``goal``, or up to where ``max_events`` lets it."""
        most = self.options.max_events // sum(stack.rows for stack in self.stacks)
        waiting_for = next((m for m in self.missing if m), "the first look")
        ends = [self._end(i, goal, most) for i in range(len(self.stacks))]
        while any(stack.blocks < end for stack, end in zip(self.stacks, ends, strict=True)):
            if interrupt.heard:
                self.stopped = "unfinished"
            elif self._out_of_time():
                self.stopped = "truncated"
            if self.stopped and self.total_events:
                return
            for i, (stack, end) in enumerate(zip(self.stacks, ends, strict=True)):
                if stack.blocks < end:
                    self._launch(i, end - stack.blocks)
            self.seconds = time.perf_counter() - self._compiled
            self.meter.update(Progress(self.total_events, self.seconds, waiting_for))
            self.checkpoint.save()
        if interrupt.heard:
            self.stopped = "unfinished"
        elif any(stack.events < goal for i, stack in enumerate(self.stacks) if self._live(i)):
            self.stopped = "truncated"

    def _live(self, index: int) -> bool:
        """Whether any point of a stack is still worth running."""
        return not all(
            lost for (stack, _), lost in zip(self.points, self.lost, strict=True) if stack is self.stacks[index]
        )

    def _end(self, index: int, goal: int, most: int) -> int:
        """Blocks that a stack is run up to."""
        a_block = self.stacks[index].layout.events_per_block
        return min(-(-goal // a_block), max(1, most // a_block)) if self._live(index) else 0

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit
        return limit is not None and time.perf_counter() - self._began > limit

    def _launch(self, index: int, left: int) -> None:
        """Launch as many blocks of a stack as are left and take about a second: one, until it is known how long that is."""
        stack, cost = self.stacks[index], self._block_seconds[index]
        every = LAUNCH_SECONDS if self.options.checkpoint is None else self.options.checkpoint_every
        began, wanted = time.perf_counter(), max(1, int(min(LAUNCH_SECONDS, every) / cost))
        stack.launch(min(left, wanted, stack.layout.blocks))
        if stack.layout.blocks > 1 and cost == math.inf:
            stack.settle()
            self._block_seconds[index] = time.perf_counter() - began

    def _look(self) -> None:
        options = self.options
        self.verdicts = [judge.look(stack, point, options) for stack, point in self.points]
        pairs = list(zip(self.points, self.verdicts, strict=True))
        self.missing = [judge.missing_precision(*point, verdict, options) for point, verdict in pairs]
        for i, ((stack, point), verdict) in enumerate(pairs):
            spoilt = stack.lost(point)
            if spoilt:  # nothing more can be learnt, so nothing is waited for
                self.verdicts[i] = dataclasses.replace(verdict, cut=verdict.cut or 0)
                self.missing[i] = None
            self.lost[i] = self.lost[i] or spoilt or (verdict.certain and self._certain[i])
            self._certain[i] = verdict.certain

    def _next_goal(self) -> int | None:
        """Events per replica to go on to; None if the run is over."""
        live = [i for i, lost in enumerate(self.lost) if not lost]
        if not live:
            return None
        length = max(self.points[i][0].events for i in live)
        if self.options.horizon is not None:
            self.wanted = max(self.wanted or 0, self._events_for(self.options.horizon, live))
        if any(self.verdicts[i].cut is None for i in live):
            return 2 * length if self.wanted is None or 2 * length <= EXTENSION * self.wanted else None
        if self.options.wants_precision and not any(self.missing[i] for i in live):
            return None
        if self.wanted is None:
            return 2 * length
        left = min(self.points[i][0].events - judge.discarded(self.points[i][0], self.verdicts[i]) for i in live)
        if left >= self.wanted:
            return None
        few = self.stacks[0].replicas < FEW  # a share of the run is discarded, not a length
        goal = math.ceil(length * self.wanted / left) if few else length + self.wanted - left
        return min(goal, 2 * length) if self.options.wants_precision else goal

    def _events_for(self, horizon: float, live: list[int]) -> int:
        """Events that take every point past a model time, from the mean time of an event so far."""
        return max(
            math.ceil(horizon * sums.events.value / sums.time.value)
            for sums in (self.points[i][0].sums(self.points[i][1], 0) for i in live)
        )

    def flags(self, index: int) -> list[str]:
        """The flags of one point that the loop knows of."""
        found = []
        asked = self.wanted or self.options.horizon or self.options.time_limit
        if self.stopped == "unfinished" or (self.stopped == "truncated" and asked):
            found.append(self.stopped)
        if self.options.wants_precision and self.missing[index] and self.verdicts[index].cut is not None:
            found.append("precision_not_reached")
        return found
