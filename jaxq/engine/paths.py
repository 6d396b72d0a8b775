"""`paths`: sample paths and transient means on a grid of times, on the real clock (`jaxq.engine.real_clock`)."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError, integer
from jaxq.engine.check import check_kind, check_process
from jaxq.engine.devices import choose_devices
from jaxq.engine.flags import Flag
from jaxq.engine.host_numbers import host_column
from jaxq.engine.initial import Initial, read_initial
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.layout import choose_tile
from jaxq.engine.memory import check_paths
from jaxq.engine.metric import as_reference
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.outline import followed, plain_means, sums_of
from jaxq.engine.plain import describe
from jaxq.engine.planned import run_by
from jaxq.engine.process import Process
from jaxq.engine.quantity import unit
from jaxq.engine.range import check_range
from jaxq.engine.rarity import together
from jaxq.engine.real_clock import AREA, memoryless, sampler
from jaxq.engine.record import title
from jaxq.engine.schedule import Schedule, check_processes, cut, read_schedule
from jaxq.engine.transient import Paths
from jaxq.engine.unknown import known_keywords
from jaxq.engine.versions import versions
from jaxq.engine.walk import left_range, walk
from jaxq.stats.intervals import two_sided_quantile

LATEST = 1e29
"""Of a grid: a tenth of the time that stands for never."""


class PathPlan(NamedTuple):
    """A call of `paths` that has passed every check; nothing is compiled. ``processes``: as they are compiled, one, or one a
    system of the ``schedule``."""

    system: Model
    processes: list[Process]
    grid: np.ndarray
    options: Options
    replicas: int
    devices: tuple
    keep_paths: int
    totals: bool
    schedule: Schedule | None
    initial: Initial | None


def follow(planned: PathPlan) -> Paths:
    """Run what is planned."""
    system, processes, grid, options, replicas, chosen, keep_paths, totals, schedule, initial = planned
    process = processes[0]
    compiled = sampler(jax.tree.structure(process), memoryless(process), chosen, totals)
    pieces, asked = cut(processes, grid, schedule)
    # on CPU the same batch whatever the replicas, so that a replica's arithmetic is the same too
    tile = choose_tile(process, chosen, replicas if chosen[0].platform != "cpu" else 2**20)
    began = time.perf_counter()
    state = None if initial is None else initial.leaves
    seen, reached, last = compiled(pieces, tile * len(chosen), replicas, options.seed, options.max_events, state)
    seconds = time.perf_counter() - began
    if not seen:
        raise ValueError(f"{title(system)}: defines neither observe nor tally, so there is nothing to follow")
    areas = {name.removeprefix(AREA): seen.pop(name) for name in list(seen) if totals and name.startswith(AREA)}
    seen = {name: values[:, asked] for name, values in seen.items()}
    for name, parts in areas.items():
        average = np.cumsum(parts, axis=1)[:, asked] / np.where(grid > 0, grid, 1.0)
        seen[f"average_{name}"] = np.where(grid > 0, average, seen[name])
    # a replica that was stopped stays behind, also where its clock is set anew
    behind = ~(reached.clock > 0)
    marks = (
        behind,
        reached.overflow,
        reached.invalid,
        np.zeros_like(behind) if reached.beyond is None else reached.beyond,
    )
    late, overflow, invalid, beyond = (np.logical_or.accumulate(x, axis=1)[:, asked] for x in marks)
    stopped = late & (reached.events[:, asked] >= options.max_events)
    finite = np.array([np.isfinite(values) for values in seen.values()]).all(axis=0)
    overflow |= not invalid.any() and left_range(process, last)
    good = (finite & ~late & ~(overflow | invalid | beyond)).all(axis=0)
    mean = {name: np.where(good, np.where(good, values, 0.0).mean(axis=0), np.nan) for name, values in seen.items()}
    half_width = {
        name: np.where(good, _half_width(np.where(good, values, 0.0), options.level), np.nan)
        for name, values in seen.items()
    }
    found = {
        Flag.TRUNCATED: stopped.any(),
        Flag.OVERFLOW: overflow.any(),
        Flag.INVALID_RATES: invalid.any(),
        Flag.INDEX_OUT_OF_RANGE: beyond.any(),
        Flag.NAN: (late & ~stopped).any() or not finite.all(),
    }
    run = {
        "replicas": replicas,
        "seed": int(options.seed),
        "events": int(reached.events[:, -1].sum(dtype=np.int64)),
        "max_events": options.max_events,
        "seconds": seconds,
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in chosen],
        "versions": versions(),
    }
    kept = {name: values[:keep_paths].copy() for name, values in seen.items()} if keep_paths else {}
    flags = tuple(flag for flag, there in found.items() if there)
    same = plain_means(schedule.systems[0] if schedule else system, process) & set(mean)
    told = {name: found for name in same if (found := unit(system.metric_table, name)) is not None}
    known = {} if schedule else {name: x for name, x in stationary_means(system).items() if name in same}
    switches = system.stationarity().switches if schedule is None else schedule.switches(grid[-1])
    return Paths(
        title(system),
        describe(system),
        grid,
        mean,
        half_width,
        float(options.level),
        kept,
        run,
        flags,
        told,
        known,
        tuple(map(float, switches)),
        schedule.to_dict() if schedule else {},
        None if initial is None else initial.given,
    )


@known_keywords()
@run_by(follow)
def paths(
    system: Model,
    times: Sequence[float] | np.ndarray,
    *,
    replicas: int = 1024,
    seed: int = 0,
    level: float = 0.95,
    devices: int | None = None,
    keep_paths: int = 0,
    max_events: int = 10**7,
    totals: bool = False,
    schedule: Mapping[str, Any] | None = None,
    period: float | None = None,
    initial: Any = None,
) -> PathPlan:
    """Sample paths and transient means on a grid of times, from the initial state, on the real clock.

    Formula: mean(t) = sum_r f(X_r(t)) / R with the half-width t_{R-1} s(t) / sqrt(R), widened for skewness
    (`jaxq.stats.intervals.two_sided_quantile`); paths are continuous from the right. The system need not be stable. The
    observables are those of `Process.observe`; for customer-indexed recursions, which have none, they are `Process.tally`
    of the last customer to arrive by time t.

    Args:
        system: any system; `jaxq.engine.real_clock` says how its weights become a clock.
        times: increasing, >= 0, finite; model time.
        replicas: independent replicas. Replica i is the same path whatever their number and the devices.
        seed: whole number >= 0; the events are those of `jaxq.simulate` with the same seed.
        level: confidence level of the pointwise intervals.
        devices: how many devices to use (default: all).
        keep_paths: number of replicas, the first ones, whose paths are kept.
        max_events: events of one replica after which it is stopped and the result flagged ``truncated``.
        totals: also, for a terminating run, what happened in [0, t]: the time average of every observation
            (``average_NAME``, at t = 0 its value there), the increase of every counter (``count_NAME``) and, of a
            `MarkovProcess`, how often transition k happened (``count_K``).
        schedule: fields that change on the way, of a system that is stepped as a Markov chain: by name the values from given
            times on, ``{"servers": {0: 6, 8: 14, 18: 6}, "arrival_rate": {7: 4.0, 9: 12.0}}``. The system's own values hold
            before. The name may be that of a number inside a field, ``network.arrival_rates[1]``. The state goes on
            as it is; servers that leave stop at once, and whom they served waits first in line.
        period: model time after which the schedule begins again, greater than all its times.
        initial: the state at time 0; None: that of the system, mostly an empty one. Of a system that ships, numbers by name,
            those not given being 0: ``{"number_in_system": 12}``, and for `ParallelServers` ``busy_CLASS_POOL`` and
            ``queue_CLASS``, or ``number_CLASS`` if the policy is preemptive. Of a system of your own the state, of the
            structure that `Process.init` gives; of a state with names also some of its components,
            ``{"queue": 3}``, the others being those of `Process.init`.

    Returns:
        A `Paths`. On the host it takes some 54 bytes a replica and time, and 20 of each observable.

    Raises:
        ValueError: an argument is not allowed, the system observes nothing, or what is seen does not fit into memory.
        TypeError: ``system`` is no system. Both also as `check`.

    Source: Asmussen and Glynn (2007), Stochastic Simulation, Section III.1 for the intervals; Knuth (1997), The Art of
    Computer Programming 2, Section 4.2.2, Theorem B for the two-sum.

    Example:
        >>> jaxq.paths(jaxq.MMc(arrival_rate=8, servers=10), times=range(21)).mean["number_in_system"]
    """
    check_kind(system)
    grid = checked_times(times)
    replicas = integer("replicas", replicas)
    options = Options(events=1, replicas=replicas, seed=seed, level=level, devices=devices, max_events=max_events)
    if isinstance(keep_paths, bool) or not isinstance(keep_paths, (int, np.integer)) or not 0 <= keep_paths <= replicas:
        raise FieldError("keep_paths", keep_paths, f"must be a whole number >= 0 and <= replicas = {replicas}")
    if options.max_events >= 2**31:
        raise FieldError("max_events", max_events, "must be < 2**31, the events of one replica")
    chosen = choose_devices(options.devices)
    timetable = None if schedule is None else read_schedule(system, schedule, period)
    if period is not None and schedule is None:
        raise FieldError("period", period, "is that of a schedule, and there is none")
    systems = [system] if timetable is None else timetable.systems
    processes = [each.process() for each in systems] if timetable is None else check_processes(timetable)
    for each, process in zip(systems, processes, strict=True):
        check_range(each, process)
    met, state = [check_process(process) for process in processes], None
    if initial is not None:
        state = read_initial(title(system), processes[0], initial)
        met = [
            None if rates is None else np.concatenate([rates, walk(each, state.leaves)])
            for each, rates in zip(cast(Sequence[MarkovProcess], processes), met, strict=True)
        ]
    processes = together(processes, met)
    if totals:
        _check_names(processes[0])
    hidden = 0 if timetable is None else len(timetable.switches(grid[-1]))
    check_paths(len(grid) + hidden, replicas, followed(processes[0], bool(totals)))
    return PathPlan(system, processes, grid, options, replicas, chosen, int(keep_paths), bool(totals), timetable, state)


def _check_names(process: Process) -> None:
    """FieldError where the name of an observation is that of a total."""
    observed, tallied, counted = sums_of(process)
    totals = {f"average_{name}" for name in observed} | {f"count_{name}" for name in counted}
    twice = [name for name in (*observed, *tallied) if name in totals or re.match(rf"count_\d+$|{AREA}", name)]
    twice += [name for name in counted if name.isdigit()]
    if twice:
        raise FieldError("totals", True, f"{', '.join(twice)} has the name of a total too; must be named otherwise")


def stationary_means(system: Model) -> dict[str, float]:
    """The exact stationary means that the oracle of a system has; none where there is no stationary regime."""
    try:
        system.stationarity().check()
        oracle = {name: as_reference(x) for name, x in system.oracle().items()}
    except (ValueError, ArithmeticError):
        return {}
    return {n: float(x.value) for n, x in oracle.items() if x.kind in ("exact", "identity") and np.isfinite(x.value)}


def _half_width(values: np.ndarray, level: float) -> np.ndarray:
    """Of the mean over the first axis; nan with fewer than two replicas."""
    replicas = len(values)
    if replicas < 2:
        return np.full(values.shape[1:], np.nan)
    wide = two_sided_quantile(values - values.mean(axis=0), level, replicas - 1)
    return wide * values.std(axis=0, ddof=1) / np.sqrt(replicas)


def checked_times(times) -> Float[np.ndarray, " times"]:
    """The grid of times, float64; ValueError unless it increases from 0 on."""
    grid = host_column("times", list(times) if isinstance(times, Iterator) else times, "a list of numbers")
    if grid.size == 0:
        raise FieldError("times", ..., f"must be a list of at least one number, not of shape {grid.shape}")
    for i, t in enumerate(grid):
        if not (np.isfinite(t) and 0 <= t <= LATEST):
            raise FieldError("times", t, f"must be a finite number >= 0 (and at most {LATEST:g})", f"[{i}]")
        if i and t <= grid[i - 1]:
            raise FieldError("times", t, f"must be greater than times[{i - 1}] = {grid[i - 1]}", f"[{i}]")
    return grid
