"""What a command line asks for, checked to the end before anything is compiled; then run and reported."""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

import jax

import jaxq
from jaxq.checks import FieldError
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.meter import make_meter
from jaxq.cli.options import Output, build_options, number
from jaxq.cli.report import report
from jaxq.cli.values import allowed, compared, number_of_points, observed, one, swept
from jaxq.engine.devices import choose_devices
from jaxq.engine.fields import rules
from jaxq.engine.memory import check_points
from jaxq.engine.options import Options
from jaxq.engine.progress import Meter
from jaxq.engine.range import check_range
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import check_names, feasible
from jaxq.engine.system import System


@dataclasses.dataclass(frozen=True)
class Plan:
    """The systems that will run, already constructed, and how to run them."""

    verb: str
    systems: list[System]
    options: Options
    grid: dict[str, list]

    def run(self, meter: Meter) -> Result | Results:
        """Run it. BadInput if the checkpoint is damaged or of another run, which the run itself finds."""
        try:
            return self._simulate(meter)
        except FieldError as error:
            if error.field == "checkpoint":
                raise BadInput(str(error)) from error
            raise

    def _simulate(self, meter: Meter) -> Result | Results:
        options = self.options.to_dict()
        if self.verb == "run":
            return jaxq.simulate(self.systems[0], meter=meter, **options)
        if self.verb == "sweep":
            return jaxq.sweep(self.systems[0], self.grid, meter=meter, **options)
        return jaxq.compare(self.systems, meter=meter, **options)


def execute(verb: str, system: type[System], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Do a verb with what the command line gave; returns the exit code."""
    with interruptible():
        plan, output = prepare(verb, system, given, experiment)
        outcome = plan.run(make_meter(output.quiet))
        return report(verb, outcome, plan.systems, output)


def prepare(
    verb: str, system: type[System], given: Mapping[str, Any], experiment: Experiment | None
) -> tuple[Plan, Output]:
    """Everything that can be wrong with the input is found here, before anything is compiled."""
    chosen, sources = merge(verb, given, experiment)
    with input_errors(sources):
        output = Output.of(chosen)
        options = build_options(chosen)
        systems, grid = build_systems(verb, system, chosen)
        plan = Plan(verb, systems, options, grid)
        start_devices(options.devices)
        check_systems(plan.systems, options)
    return plan, output


def merge(verb: str, given: Mapping[str, Any], experiment: Experiment | None) -> tuple[dict[str, Any], dict[str, str]]:
    """What the command line gives, over what the file does; and which of it is the file's, for error messages."""
    typed = {name: value for name, value in given.items() if value not in (None, False, [])}
    if experiment is None:
        return typed, {}
    fields = experiment.fields(verb)
    own = experiment.tune if verb == "tune" else {}
    sources = {name: f"{experiment.path}: [run]" for name in experiment.run} | dict.fromkeys(fields, experiment.path)
    sources |= {name: f"{experiment.path}: [tune]" for name in own}
    merged = {**experiment.run, **fields, **own, **typed}
    return merged, {n: source for n, source in sources.items() if n not in typed}


def build_systems(verb: str, system: type[System], chosen: Mapping[str, Any]) -> tuple[list[System], dict[str, list]]:
    """(systems, grid) that the given fields stand for: one system, or the product of those that vary."""
    read = {"sweep": swept, "compare": compared}.get(verb, lambda *_: None)
    fixed, grid = {}, {}
    replicas = chosen.get("replicas")
    least = number(replicas) if replicas else None
    if verb == "sweep":  # before long ranges are written out
        given = {name: chosen[name] for name, rule in rules(system).items() if rule.scalar and name in chosen}
        counts = {name: number_of_points(text) for name, text in given.items()}
        check_points(", ".join(name for name, count in counts.items() if count > 1), math.prod(counts.values()), least)
    for field in (f for f in dataclasses.fields(system) if f.init):
        name, rule = field.name, rules(system).get(field.name)
        if rule is None:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise BadInput(
                    f"{name}: {system.title()} must declare it with jaxq.positive, jaxq.real ... or a default"
                )
            continue
        if name not in chosen:
            if field.default is dataclasses.MISSING:
                words = "; ".join(filter(None, (rule.doc, allowed(rule))))
                raise BadInput(f"{name}: {system.title()} needs --{name.replace('_', '-')} ({words})")
            continue
        several = read(name, rule, chosen[name])
        if several is None:
            fixed[name] = one(name, rule, chosen[name])
        else:
            grid[name] = several
    check_varies(verb, system, grid)
    check_points(", ".join(grid) or "points", math.prod(map(len, grid.values())), least)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if verb == "sweep":
        return feasible(lambda point: system(**observed(system, {**fixed, **point})), points)[0], grid
    return [system(**observed(system, {**fixed, **point})) for point in points], grid


def check_varies(verb: str, system: type[System], grid: Mapping[str, list]) -> None:
    """BadInput unless a sweep has a swept field, and a comparison two systems."""
    if verb == "sweep" and not grid:
        scalars = ", ".join(name for name, rule in rules(system).items() if rule.scalar)
        raise BadInput(f"no field is swept: give start:stop:count or a,b,c to one of {scalars}")
    if verb == "compare" and not any(len(values) > 1 for values in grid.values()):
        raise BadInput(f"nothing to compare: give a,b to one of {', '.join(rules(system))}")


def start_devices(devices: int | None = None) -> None:
    """Start all cores, and check ``--devices`` against what there is."""
    # in a process where JAX has already started, the run takes the devices there are
    with contextlib.suppress(RuntimeError):
        jaxq.use_all_cores()
    choose_devices(devices)


def check_systems(systems: list[System], options: Options) -> None:
    """ValueError if a system has no stationary regime, or lacks a metric that the options name."""
    structures = set()
    for system in systems:
        system.check_stationary()
        check_range(system)
        structure = jax.tree.structure(system)
        if structure not in structures:
            structures.add(structure)
            check_names(system, options)
