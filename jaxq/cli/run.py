"""``jaxq run``, ``sweep`` and ``compare``: checked to the end before anything is compiled; then run and reported."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import jaxq
from jaxq.checks import FieldError
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_options import Output, build_options
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.join import join, placed
from jaxq.cli.meter import make_meter
from jaxq.cli.report import report
from jaxq.engine.devices import choose_devices
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.plan import plan, plan_comparison, plan_sweep
from jaxq.engine.progress import Meter
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import run as run_plan
from jaxq.engine.simulate import run_comparison, run_sweep

Run = Callable[[Meter], Result | Results]


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Do a verb with what the command line gave; returns the exit code."""
    with interruptible():
        run, systems, output = prepare(verb, system, given, experiment)
        try:
            outcome = run(make_meter(output.quiet))
        except FieldError as error:
            if error.field == "checkpoint":  # damaged or of another run, which the run itself finds
                raise BadInput(str(error)) from error
            raise
        return report(verb, outcome, systems, output)


def prepare(
    verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None
) -> tuple[Run, list[Model], Output]:
    """(what runs, its systems, where the outcome goes); everything that can be wrong with the input is found here."""
    chosen, sources = merge(verb, given, experiment)
    with input_errors(sources):
        at, own = placed(chosen)
        output = Output.of(own)
        options = build_options(own)
        systems, grid = build_systems(verb, system, own)
        start_devices(options.devices)
        join(at, chosen)
        return plan_verb(verb, systems, grid, options), systems, output


def plan_verb(verb: str, systems: list[Model], grid: dict[str, list], options: Options) -> Run:
    """The run of a verb, checked to the end."""
    if verb == "run":
        planned = plan(systems, options)
        return lambda meter: run_plan(planned, meter)[0]
    if verb == "sweep":
        swept = plan_sweep(systems[0], grid, options)
        return lambda meter: run_sweep(*swept, meter)
    compared = plan_comparison(systems, options)
    return lambda meter: run_comparison(compared, meter)


def start_devices(devices: int | None = None) -> None:
    """Start all cores, and check ``--devices`` against what there is."""
    # in a process where JAX has already started, the run takes the devices there are
    with contextlib.suppress(RuntimeError):
        jaxq.use_all_cores()
    choose_devices(devices)
