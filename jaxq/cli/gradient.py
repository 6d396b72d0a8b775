"""``jaxq gradient``: means and their derivatives by fields of a system."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxq.checks import FieldError
from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import present
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_options import Output, number, run_options, texts
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.join import join, placed
from jaxq.cli.meter import make_meter
from jaxq.cli.options import DIFFERENTIATED, OUTPUT
from jaxq.cli.run import start_devices
from jaxq.cli.tables import (
    heading,
    interval,
    mean_text,
    oracle_text,
    print_judgement,
    run_line,
    z_text,
)
from jaxq.engine.agreement import bound_of
from jaxq.engine.derivatives import Gradients
from jaxq.engine.fields import rules
from jaxq.engine.gradient import Question, gradient, solve
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.plain import pair
from jaxq.engine.planned import plan_of
from jaxq.plotting import plot


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Differentiate one system; returns the exit code."""
    chosen, sources = merge(verb, given, experiment)
    with interruptible(), input_errors(sources):
        at, own = placed(chosen)
        output = Output.of(own)
        question = read(system, own, lambda: join(at, chosen))
    with interruptible():
        try:
            found = solve(question, make_meter(output.quiet))
        except FieldError as error:
            # a checkpoint that is damaged or of another run, which the run itself finds; a formula that does not hold here
            if error.field == "checkpoint" or question.planned is None:
                raise BadInput(str(error)) from error
            raise
        return present(found, output, lambda path: plot(found, path=path), lambda: print_gradients(found))


def read(system: type[Model], chosen: Mapping[str, Any], meet: Callable[[], None]) -> Question:
    """The question that all options stand for, checked; ``meet`` is called once they are read. Raises ValueError."""
    apart = (*DIFFERENTIATED, *OUTPUT, *rules(system))
    options = run_options({name: value for name, value in chosen.items() if name not in apart})
    metrics = options.pop("metric", None)
    instance = build_systems("gradient", system, chosen)[0][0]
    start_devices(options.get("devices"))
    meet()
    own = {name: chosen[name] for name in ("method", "side") if name in chosen}
    own |= {name: number(chosen[name]) for name in ("step", "window") if name in chosen}
    return plan_of(gradient)(instance, metrics, texts("parameter", chosen.get("parameter", ())), **own, **options)


def print_gradients(found: Gradients) -> None:
    """Every mean with its derivatives under it, how they were obtained, and what is wrong with them."""
    console, result = stdout_console(), found.result
    console.print(heading(result.system, result.parameters, result.run))
    simulated = "replicas" in result.run
    bound = bound_of([result])[1] if simulated else 0.0
    of_run = (">+-", *((">bias",) if found.bias else ()), ">oracle", ">z")
    table = new_table("metric", ">mean", *(of_run if simulated else (">simulated metric, exact",)))

    def add(title: str, metric: Metric, bias: str) -> None:
        if simulated:
            own = (bias,) if found.bias else ()
            cells = mean_text(metric), interval(metric)[1], *own, oracle_text(metric), z_text(metric.z, bound)
        else:
            cells = mean_text(metric), oracle_text(metric)
        table.add_row(title, *cells)

    for name, mean in found.means.items():
        add(name, mean, "")
        for path, slope in found.derivatives[name].items():
            bias = found.bias.get(f"{name}/{path}")
            add(f"  by {path}", slope, "" if bias is None or bias[0] is None else pair(bias[0], bias[1])[0])
    console.print(table)
    console.print(found.method_text(), style="dim")
    if simulated:
        points = result.run["points"]
        console.print((f"{points} points, each " if points > 1 else "") + run_line(result), style="dim")
        print_judgement(console, result)
