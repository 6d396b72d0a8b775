"""``jaxq run``, ``sweep`` and ``compare``: checked to the end before anything is compiled; then run and reported."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

import jaxq
from jaxq.checks import FieldError
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.meter import make_meter
from jaxq.cli.options import Output, build_options
from jaxq.cli.report import report
from jaxq.engine.devices import choose_devices
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.progress import Meter
from jaxq.engine.range import check_range
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import check_names


@dataclasses.dataclass(frozen=True)
class Plan:
    """The systems that will run, already constructed, and how to run them."""

    verb: str
    systems: list[Model]
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


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Do a verb with what the command line gave; returns the exit code."""
    with interruptible():
        plan, output = prepare(verb, system, given, experiment)
        outcome = plan.run(make_meter(output.quiet))
        return report(verb, outcome, plan.systems, output)


def prepare(
    verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None
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


def start_devices(devices: int | None = None) -> None:
    """Start all cores, and check ``--devices`` against what there is."""
    # in a process where JAX has already started, the run takes the devices there are
    with contextlib.suppress(RuntimeError):
        jaxq.use_all_cores()
    choose_devices(devices)


def check_systems(systems: list[Model], options: Options) -> None:
    """ValueError if a system has no stationary regime, or lacks a metric that the options name."""
    structures = set()
    for system in systems:
        system.check_stationary()
        check_range(system)
        structure = jax.tree.structure(system)
        if structure not in structures:
            structures.add(structure)
            check_names(system, options)
