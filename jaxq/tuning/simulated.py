"""Descent on simulated derivatives, ``objective="simulated:METRIC"`` of `jaxq.tune`: for any system and any mean of it.

Replicas are warmed up once and then keep running while the parameters move under them: after each step some events are left
out in which they adapt, and derivatives are taken of a batch of events that follow. Steps shorten and batches grow, so that
the iterates settle; the mean of the last quarter is the answer (Polyak and Juditsky 1992).
"""

import math
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine import judge
from jaxq.engine.checkpoint import question
from jaxq.engine.coupled import Coupled, coupled
from jaxq.engine.devices import choose_devices
from jaxq.engine.differences import Differences, Moved, Node, Together, moved_nodes, named
from jaxq.engine.flags import Flag
from jaxq.engine.gradient import LARGEST, STENCILS
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.layout import default_replicas, first_look
from jaxq.engine.memory import check_run
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective
from jaxq.engine.options import Options
from jaxq.engine.outline import at_halves
from jaxq.engine.parameter import Parameter, alike, tangents
from jaxq.engine.plan import check_team
from jaxq.engine.process import Process
from jaxq.engine.progress import Meter, Progress, Silent
from jaxq.engine.rarity import rare_first
from jaxq.engine.simulate import named_devices, of_all_processes
from jaxq.engine.stack import Stack
from jaxq.engine.team import team
from jaxq.engine.unknown import suggestion
from jaxq.stats.estimate import Estimate
from jaxq.tuning.descent import AVERAGED, Step, shown, straight
from jaxq.tuning.parametrise import Coordinates
from jaxq.tuning.printed import printable

PREFIX = "simulated:"
"""What an objective begins with that is a simulated mean."""
STEPS, RATE = 120, 0.15
MEMORY = 0.8, 0.95
"""Decay of Adam's means of the derivatives and of their squares."""
LAST_RATE = 0.03
"""The last step over the first."""
BATCH, GROWTH = 200, 1.03
"""Events per replica of the first batch, and how much longer each is than the one before."""
SHARE = 1 / 16
"""Events that are left out after a step, and the least batch, as a share of those that the warm-up took, which are some 20
relaxation times."""
LAST_BATCH = 8
"""Batches as long as the last one that the end is measured with."""
STEP, STENCIL = 0.05, STENCILS[None]
"""Step of a difference, in the coordinates, and what it is extrapolated from."""
HALVINGS = 20
"""Of a step that leaves the region where there is a system."""
MOVING = 4.0
"""Standard errors of a derivative at the end that are no accident."""


class BadStart(FieldError):
    """What only a simulation of the start can tell."""


class Reading(NamedTuple):
    """The metric and its derivatives by the free coordinates, of one batch."""

    value: Estimate
    slopes: list[Estimate]

    def norm(self) -> tuple[float, float]:
        """The norm of the gradient, and its standard error."""
        slopes = np.array([slope.value for slope in self.slopes])
        errors = np.array([slope.standard_error for slope in self.slopes])
        norm = float(np.linalg.norm(slopes))
        return norm, float(np.linalg.norm(slopes * errors)) / norm if norm else float(np.linalg.norm(errors))


class Place(NamedTuple):
    """What is run at one point: the systems, the processes that are stepped, and the model that judges them."""

    systems: list[Model]
    processes: list[Process]
    model: Differences
    nodes: list[Node]


class Walk(NamedTuple):
    """The iterates. ``run``: how they were simulated."""

    start: Step
    best: Step
    trace: tuple[Step, ...]
    flags: tuple[str, ...]
    run: dict[str, Any]


class Landscape:
    """A simulated mean as a function of coordinates: which systems are run there, and how its derivatives are taken.

    ``half``: the coupled half at the start; None: by differences, and ``reason`` says why.
    """

    def __init__(self, system: Model, coordinates: Coordinates, metric: str):
        self.system, self.coordinates, self.metric = system, coordinates, metric
        self.free: list[int] = np.flatnonzero(coordinates.free).tolist()
        self.names = [coordinates.names[i] for i in self.free]
        self.half: Coupled | None = None
        self.reason = ""
        start = self.vector(system)
        parameters = self._parameters(start)
        slopes = [tangents(of) for of in parameters]
        try:
            half = coupled(system.prepare(), parameters, slopes, system.title())
        except FieldError as error:
            self.reason = str(error)
        else:
            self.reason = f"coupling: {half.size} transitions of paths take long to compile"
            if half.size <= LARGEST:
                self.half, self.reason = half, ""
        self._order = None if self.half is not None else getattr(rare_first(system.prepare()), "_order", None)
        self._first: Process | None = None
        try:
            self.start = self.place(start)
        except ValueError as error:
            raise FieldError("start", shown(_values(self)), f"no derivative there: {error}") from None

    @property
    def method(self) -> str:
        """As `jaxq.gradient` calls it."""
        return "finite-difference" if self.half is None else "coupling"

    def vector(self, system: Model) -> np.ndarray:
        """The coordinates of a system's values."""
        return self.coordinates.vector({name: getattr(system, name) for name in self.coordinates.start})

    def at(self, vector: np.ndarray) -> Model:
        """The system there; ValueError where there is none, or it has no stationary regime."""
        system = self.system.replace(**self.coordinates.fields(vector))
        system.check_stationary()
        return system

    def place(self, vector: np.ndarray) -> Place:
        """What is run there. ValueError where there is no system, or its program is another one."""
        system, wanted = self.at(vector), [named(self.metric, name) for name in self.names]
        if self.half is not None:
            parameters = self._parameters(vector)
            model, nodes = moved_nodes(system, parameters, None, wanted)
            half = self.half.at(system.prepare(), [tangents(of) for of in parameters])
            return self._checked(Place([system], [half], model, nodes))
        systems, pairs = [system], {}
        for name, i in zip(self.names, self.free, strict=True):
            weights = enumerate(STENCIL.slope, len(systems))
            pairs[name] = [(number, weight / STEP) for number, weight in weights], []
            systems += [self.at(vector + offset * STEP * _unit(vector, i)) for offset in STENCIL.offsets]
        model = Differences(tuple(systems), pairs, dict.fromkeys(self.names, 1.0), tuple(wanted))
        return self._checked(Place(systems, [self._ordered(each.prepare()) for each in systems], model, []))

    def _ordered(self, process: Process) -> Process:
        return process.in_order(self._order) if isinstance(process, MarkovProcess) and self._order else process

    def _checked(self, place: Place) -> Place:
        """ValueError where the program, or a whole number of it, is not that of the start."""
        if self._first is None:
            self._first = place.processes[0]
        if not all(alike(self._first, process) for process in place.processes):
            raise ValueError("the program, or a whole number of it, changes with the parameters")
        return place

    def _parameters(self, vector: np.ndarray) -> list[Parameter]:
        """The free coordinates as directions in systems."""

        def along(i: int) -> Any:
            return lambda offset: self.system.replace(**self.coordinates.fields(vector + offset * _unit(vector, i)))

        values = np.concatenate([np.ravel(x) for x in self.coordinates.fields(vector).values()])
        return [Parameter(n, float(values[i]), along(i), 1.0) for n, i in zip(self.names, self.free, strict=True)]


class Running:
    """Replicas that keep running while what they are moves."""

    def __init__(self, landscape: Landscape, replicas: int, options: Options, devices: tuple):
        place = landscape.start
        self._landscape, self._place, self._options = landscape, place, options
        # of random words that the check of start and best does not use
        seed = (options.seed + 1) % 2**64
        self.stack = Stack(
            place.systems, replicas, seed, devices, place.processes, events=8 * BATCH, batch=options.batch
        )
        self.events = 0

    def warm_up(self, interrupt: Interrupt) -> int:
        """Run until the start has warmed up; the events per replica that this took. ValueError where it grows."""
        stack, blocks, most = self.stack, first_look(self.stack.replicas), self._options.max_events / self.stack.rows
        certain, heard = False, False
        while not (heard := team().decide("warm-up", interrupt.heard, any)):
            self._run(blocks - stack.blocks)
            view = self._view()
            verdict = judge.look(view, 0, self._options)
            if verdict.cut is not None:
                break
            growing = [name for name in verdict.growth if "/" not in name] if verdict.certain else []
            if growing and certain:
                raise BadStart("start", ..., f"{', '.join(growing)} grows without end there; must be stable")
            blocks, certain = 2 * blocks, bool(growing)
            if blocks * stack.layout.events_per_block > most:
                raise BadStart("max_events", self._options.max_events, "the start has not warmed up within it")
        discarded = judge.discarded(self._view(), verdict) if not heard else 0
        stack.forget()
        return discarded

    def move(self, place: Place, events: float) -> None:
        """Go on as what is at a place, and leave so many events per replica out."""
        self._place = place
        self.stack.move(place.systems, place.processes)
        self._run(self._blocks(events))
        self.stack.forget()

    def measure(self, events: float) -> Reading:
        """The metric and its derivatives over so many events per replica that follow."""
        self._run(self._blocks(events))
        landscape, found = self._landscape, self._place.model.metrics(self._view().sums(0, 0))
        return Reading(found[landscape.metric], [found[named(landscape.metric, name)] for name in landscape.names])

    def wrong(self) -> list[str]:
        """The flag of what has gone wrong for good in a replica."""
        view = self._view()
        flags = ((Flag.INVALID_RATES, view.invalid), (Flag.OVERFLOW, view.overflow))
        return [flag for flag, replicas in flags if replicas.any()]

    def _view(self) -> Any:
        place = self._place
        return Moved(self.stack, place.model, place.nodes) if place.nodes else Together(self.stack, place.model)

    def _blocks(self, events: float) -> int:
        return max(1, math.ceil(events / self.stack.layout.events_per_block))

    def _run(self, blocks: int) -> None:
        self.stack.launch(blocks)
        self.stack.settle()
        self.events += blocks * self.stack.layout.events_per_block * self.stack.rows


def descend(
    landscape: Landscape, steps: int, rate: float, options: Options, digits: int, maximise: bool, meter: Meter
) -> Walk:
    """Descend (or climb) by Adam on simulated derivatives.

    Args:
        landscape: what is made small or large.
        steps: how many; the length of a step is ``rate`` for the first half, then falls geometrically to 0.03 of it.
        rate: length of the first steps, in a coordinate.
        options: replicas, seed, devices, ``max_events`` of the descent, ``time_limit``, ``warmup``.
        digits: significant digits that the answer is rounded to.
        maximise: whether the mean is made large.
        meter: shows progress.

    Raises:
        ValueError: the start grows without end, does not warm up, or takes more memory than there is.
    """
    import optax

    began, coordinates, half = time.perf_counter(), landscape.coordinates, max(1, steps // 2)
    devices = choose_devices(options.devices)
    replicas = options.replicas or default_replicas(devices)
    place = landscape.start
    check_team(question([[landscape.system]], replicas, options), options)
    check_run([(place.processes[0], len(place.systems))], replicas, devices)
    meter = meter if team().first else Silent()
    meter.start(f"{landscape.system.title()}: {landscape.metric} by {', '.join(landscape.names)}, {steps} steps")
    flags: list[str] = []
    trace: list[Step] = []
    path: list[np.ndarray] = []
    at = landscape.vector(landscape.system)
    schedule = optax.join_schedules(
        [optax.constant_schedule(rate), optax.exponential_decay(rate, max(1, steps - half), LAST_RATE)], [half]
    )
    adam = optax.adam(schedule, b1=MEMORY[0], b2=MEMORY[1])
    with jax.enable_x64(True):
        memory = adam.init(at[landscape.free])

    def step(number: int, fields: dict[str, Any], reading: Reading) -> Step:
        norm, error = reading.norm()
        return Step(number, fields, float(reading.value.value), norm, float(reading.value.standard_error), error)

    def following(change: np.ndarray) -> tuple[np.ndarray, Place] | None:
        for halving in range(HALVINGS):
            there = at.copy()
            there[landscape.free] += change / 2**halving
            try:
                return there, landscape.place(there)
            except ValueError:
                continue
        return None

    try:
        with Interrupt() as interrupt:
            running = Running(landscape, replicas, options, devices)
            took = running.warm_up(interrupt)
            adapting, batch = SHARE * took, max(BATCH, SHARE * took)
            for number in range(steps):
                late = options.time_limit is not None and time.perf_counter() - began > options.time_limit
                heard, late = team().decide(
                    "step", [interrupt.heard, late], lambda said: [any(x for x, _ in said), said[0][1]]
                )
                if heard:
                    flags.append(Flag.UNFINISHED)
                elif number and (late or running.events > options.max_events):
                    flags.append(Flag.TRUNCATED)
                if flags:
                    break
                if number:
                    running.move(place, adapting)
                reading = running.measure(batch)
                here = step(number, coordinates.fields(at) if number else _values(landscape), reading)
                if not (math.isfinite(here.objective) and math.isfinite(here.gradient_norm)):
                    if not number:
                        raise BadStart("start", shown(here.values), f"{landscape.metric} is not finite there")
                    flags.append(Flag.OBJECTIVE_NOT_FINITE)
                    break
                trace.append(here)
                path.append(at)
                flags += running.wrong()
                if flags:
                    break
                meter.update(Progress(running.events, time.perf_counter() - began, f"step {number + 1} of {steps}"))
                slopes = np.array([slope.value for slope in reading.slopes]) * (-1 if maximise else 1)
                with jax.enable_x64(True):
                    change, memory = adam.update(slopes, memory)
                # other machines may round otherwise
                agreed = team().decide("change", np.asarray(change).tolist(), lambda said: said[0])
                found = following(np.array(agreed))
                if found is None:
                    flags.append(Flag.OBJECTIVE_UNDEFINED)
                    break
                at, place = found
                batch *= GROWTH
            if not trace:
                raise KeyboardInterrupt
            last = np.mean(path[-max(1, round(AVERAGED * len(path))) :], axis=0)
            fields = _printed(landscape, coordinates.fields(last), digits)
            try:
                place = landscape.place(coordinates.vector(fields))
            except ValueError:  # where the last step was
                fields = coordinates.fields(at)
            running.move(place, adapting)
            end = step(len(trace), fields, running.measure(LAST_BATCH * batch))
    finally:
        meter.close()
    significant = end.gradient_norm > MOVING * (end.gradient_error or 0.0)
    if not flags and significant and straight([{"": z} for z in path[half:]]):
        flags.append(Flag.NOT_CONVERGED)
    run = {
        "method": landscape.method,
        **({"reason": landscape.reason} if landscape.reason else {}),
        "replicas": replicas,
        "seed": options.seed,
        "steps": len(trace),
        "events": running.events,
        "warmup": took,
        "seconds": time.perf_counter() - began,
        "compile_seconds": running.stack.compile_seconds,
        "devices": named_devices(devices),
    }
    return Walk(trace[0], end, tuple(trace), tuple(flags), of_all_processes(run))


def _values(landscape: Landscape) -> dict[str, Any]:
    """The start as it was given, not after there and back."""
    return {name: getattr(landscape.system, name) for name in landscape.coordinates.start}


def _printed(landscape: Landscape, fields: dict[str, Any], digits: int) -> dict[str, Any]:
    """The values as they are printed."""

    def allowed(fields: dict[str, Any]) -> float:
        try:
            landscape.system.replace(**fields)
        except ValueError:
            return -math.inf
        return 0.0

    rounded, worth = printable(allowed, fields, digits, landscape.coordinates.sums, moved=False)
    return rounded if math.isfinite(worth) else fields


def _unit(vector: np.ndarray, i: int) -> np.ndarray:
    return (np.arange(vector.size) == i).astype(np.float64)


def simulated(system: Model, name: str, maximise: bool = False) -> Objective:
    """The objective ``simulated:METRIC``. FieldError where the system has no such metric."""
    metric, known = name.removeprefix(PREFIX), list(at_halves(system, system.prepare()))
    if metric not in known:
        raise FieldError(
            "objective", name, f"must be {PREFIX} and one of {', '.join(known)}{suggestion(metric, known)}"
        )
    shares, unset = {}, {}
    for objective in system.objectives().values():
        shares |= dict.fromkeys(objective.shares)
        unset |= objective.unset
    doc = f"the simulated {metric}, made {'large' if maximise else 'small'} by its simulated derivatives"
    return Objective(None, metric, doc, maximise, unset=unset, shares=tuple(shares))
