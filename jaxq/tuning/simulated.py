"""Descent on simulated derivatives, ``objective="simulated:METRIC"`` of `jaxq.tune`: for any system and any mean of it.

Replicas are warmed up once and then keep running while the parameters move under them: after each step some events are left
out in which they adapt, and derivatives are taken of a batch of events that follow. Steps shorten and batches grow, so that
the iterates settle; the mean of the last quarter is the answer (Polyak and Juditsky 1992).
"""

import math
import time
from typing import Any

import jax
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.checkpoint import question
from jaxq.engine.devices import choose_devices
from jaxq.engine.flags import Flag
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import default_replicas
from jaxq.engine.memory import check_run
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective, of_kind
from jaxq.engine.options import Options
from jaxq.engine.outline import at_halves
from jaxq.engine.plan import check_team
from jaxq.engine.progress import Meter, Progress, Silent
from jaxq.engine.range import check_range
from jaxq.engine.record import title
from jaxq.engine.simulate import named_devices, of_all_processes
from jaxq.engine.team import team
from jaxq.engine.unknown import suggestion
from jaxq.tuning.descent import AVERAGED, Descent, Step, shown, straight
from jaxq.tuning.entries import placed
from jaxq.tuning.printed import printable
from jaxq.tuning.response_surface import Place, ResponseSurface
from jaxq.tuning.running import BATCH, EVENTS, BadStart, Reading, Running

PREFIX = "simulated:"
"""What an objective begins with that is a simulated mean."""
STEPS, RATE = 120, 0.15
MEMORY = 0.8, 0.95
"""Decay of Adam's means of the derivatives and of their squares."""
LAST_RATE = 0.03
"""The last step over the first."""
GROWTH = 1.03
"""How much longer each batch is than the one before."""
SHARE = 1 / 16
"""Events that are left out after a step, and the least batch, as a share of those that the warm-up took, which are some 20
relaxation times."""
LAST_BATCH = 8
"""Batches as long as the last one that the end is measured with."""
HALVINGS = 20
"""Of a step that leaves the region where there is a system."""
MOVING = 4.0
"""Standard errors of a derivative at the end that are no accident."""


def descend(
    surface: ResponseSurface, steps: int, rate: float, options: Options, digits: int, maximise: bool, meter: Meter
) -> Descent:
    """Descend (or climb) by Adam on simulated derivatives.

    Args:
        surface: what is made small or large.
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

    began, coordinates, half = time.perf_counter(), surface.coordinates, max(1, steps // 2)
    devices = choose_devices(options.devices)
    replicas = options.replicas or default_replicas(devices)
    place = surface.start
    check_team(question([[surface.system]], replicas, options), options)
    cut = {"apart": surface.half is None, "batch": options.batch, "events": EVENTS}
    check_run([(place.systems, place.processes)], replicas, devices, **cut)
    meter = meter if team().first else Silent()
    meter.start(f"{title(surface.system)}: {surface.metric} by {', '.join(surface.names)}, {steps} steps")
    flags: list[str] = []
    trace: list[Step] = []
    path: list[np.ndarray] = []
    at = surface.vector(surface.system)
    schedule = optax.join_schedules(
        [optax.constant_schedule(rate), optax.exponential_decay(rate, max(1, steps - half), LAST_RATE)], [half]
    )
    adam = optax.adam(schedule, b1=MEMORY[0], b2=MEMORY[1])
    with jax.enable_x64(True):
        memory = adam.init(at[surface.free])

    def step(number: int, fields: dict[str, Any], reading: Reading) -> Step:
        norm, error = reading.norm()
        return Step(number, fields, float(reading.value.value), norm, float(reading.value.standard_error), error)

    def following(change: np.ndarray) -> tuple[np.ndarray, Place] | None:
        for halving in range(HALVINGS):
            there = at.copy()
            there[surface.free] += change / 2**halving
            try:
                return there, surface.place(there)
            except ValueError:
                continue
        return None

    try:
        with Interrupt() as interrupt:
            running = Running(surface, replicas, options, devices)
            took = running.warm_up(interrupt)
            # in a batch that is shorter than its window a score is the same in several steps, and so is its noise
            adapting, batch = SHARE * took, max(BATCH, SHARE * took, surface.window or 0)
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
                here = step(number, coordinates.fields(at) if number else surface.values(), reading)
                if not (math.isfinite(here.objective) and math.isfinite(here.gradient_norm)):
                    if not number:
                        raise BadStart("start", shown(here.values), f"{surface.metric} is not finite there")
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
            fields = _printed(surface, coordinates.fields(last), digits)
            try:
                place = surface.place(coordinates.vector(fields))
            except ValueError:  # where the last step was
                fields = coordinates.fields(at)
            running.move(place, adapting)
            end = step(len(trace), fields, running.measure(LAST_BATCH * batch))
            flags += [Flag.WINDOW_TOO_SHORT] * running.window_too_short()
    finally:
        meter.close()
    significant = end.gradient_norm > MOVING * (end.gradient_error or 0.0)
    held = np.concatenate([np.ravel(x) for x in coordinates.held(fields).values()])
    if not flags and significant and straight([{"": z} for z in path[half:]], {"": held}):
        flags.append(Flag.NOT_CONVERGED)
    run = {
        "method": surface.method,
        **({"reason": surface.reason} if surface.reason else {}),
        **({"window": surface.window} if surface.scored else {}),
        **({"controls": surface.controls} if options.control != "none" else {}),
        "replicas": replicas,
        "seed": options.seed,
        "steps": len(trace),
        "events": running.events,
        "warmup": took,
        "seconds": time.perf_counter() - began,
        "compile_seconds": running.ensemble.compile_seconds,
        "devices": named_devices(devices),
    }
    return Descent(trace[0], end, None, tuple(trace), tuple(flags), run=of_all_processes(run))


def _printed(surface: ResponseSurface, fields: dict[str, Any], digits: int) -> dict[str, Any]:
    """The values as they are printed."""

    def allowed(fields: dict[str, Any]) -> float:
        try:
            placed(surface.system, fields)
        except ValueError:
            return -math.inf
        return 0.0

    rounded, worth = printable(allowed, fields, digits, surface.coordinates.sums, moved=False)
    return rounded if math.isfinite(worth) else fields


def simulated(system: Model, name: str, maximise: bool = False) -> Objective:
    """The objective ``simulated:METRIC``. FieldError where the system has no such metric."""
    process = system.process()
    check_range(system, process)
    metric, known = name.removeprefix(PREFIX), list(at_halves(system, process))
    if metric not in known:
        raise FieldError(
            "objective", name, f"must be {PREFIX} and one of {', '.join(known)}{suggestion(metric, known)}"
        )
    shares, unset = {}, {}
    for objective in of_kind(Objective, system.objectives()).values():
        shares |= dict.fromkeys(objective.shares)
        unset |= objective.unset
    doc = f"the simulated {metric}, made {'large' if maximise else 'small'} by its simulated derivatives"
    return Objective(None, metric, doc, maximise, unset=unset, shares=tuple(shares))
