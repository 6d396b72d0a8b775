"""``jaxq tune``: fields moved along the gradient of an objective, and the gain checked by simulation."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.checks import FieldError
from jaxq.cli import tune_search
from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import present
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.field_values import one
from jaxq.cli.given_options import Output, number, run_options, texts
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.join import join, placed
from jaxq.cli.meter import make_meter
from jaxq.cli.options import TUNED
from jaxq.cli.run import start_devices
from jaxq.cli.tables import (
    WITHHELD_TEXT,
    heading,
    interval,
    oracle_text,
    print_flags,
    run_line,
    z_text,
)
from jaxq.engine.fields import rules
from jaxq.engine.files import check_ending
from jaxq.engine.model import Model
from jaxq.engine.plain import pair, scalings, value_text
from jaxq.engine.planned import plan_of
from jaxq.plotting import plot
from jaxq.stats.intervals import family_bound
from jaxq.tuning.problem import Problem, choose_objective
from jaxq.tuning.result import Tuning, flat, plain_values
from jaxq.tuning.running import BadStart
from jaxq.tuning.search import solve as search_solve
from jaxq.tuning.tune import solve, tune

ROWS = 10
"""Steps shown on the terminal, dense at the beginning; the files have all."""
ENDINGS = (".json", ".csv")
NUMBERS = ("steps", "rate", "window")


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Tune one system; returns the exit code."""
    chosen, sources = merge(verb, given, experiment)
    with interruptible(), input_errors(sources):
        at, own = placed(chosen)
        output = Output.of(own)
        for path in output.files:
            check_ending("out", path, ENDINGS)
        options = read_options(system, own)
        # before the objective is evaluated, which starts JAX
        start_devices(options.get("devices"))
        join(at, chosen)
        question = tune_search.read(system, own, options)
        problem = read(system, own, options) if question is None else None
    with interruptible():
        meter = make_meter(output.quiet)
        if question is not None:
            outcome = search_solve(question, meter)
            return present(
                outcome, output, lambda path: plot(outcome, path=path), lambda: tune_search.print_outcome(outcome)
            )
        assert problem is not None
        try:
            found = solve(problem, meter)
        except BadStart as error:
            raise BadInput(str(error)) from error
        return present(found, output, lambda path: plot(found, path=path), lambda: print_tuning(found))


def read_options(system: type[Model], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the simulation among what is given, as `jaxq.tune` takes them. Raises ValueError."""
    return run_options({name: x for name, x in chosen.items() if name not in (*TUNED, *rules(system))})


def read(system: type[Model], chosen: Mapping[str, Any], options: Mapping[str, Any]) -> Problem:
    """The problem that all options stand for, checked. Raises ValueError."""
    names = list(texts("parameter", chosen["parameter"])) if "parameter" in chosen else None
    given = chosen.get("start", [])
    given = given if isinstance(given, list) else [given]
    declared = rules(system)
    # a field that has no default may get its value from the start
    known = dict(zip(names or [], given, strict=False))
    filled = {name: value for name, value in known.items() if name in declared and name not in chosen}
    instance = build_systems("tune", system, {**filled, **chosen})[0][0]
    maximise = bool(chosen.get("maximise", False))
    objective = choose_objective(instance, chosen.get("objective"), maximise)[1]
    names = list(objective.parameters) if names is None else names
    if len(given) > len(names):
        raise FieldError("start", ", ".join(map(str, given)), f"must be one for each parameter, {', '.join(names)}")
    start = {
        n: one(n, declared[n], value) if n in declared else number(value)
        for n, value in zip(names, given, strict=False)
    }
    bounds = [pair_of(text) for text in texts("bounds", chosen.get("bounds", ()))]
    if len(bounds) > len(names):
        raise FieldError("bounds", len(bounds), f"must be one pair for each parameter, {', '.join(names)}")
    numbers = {name: number(chosen[name]) for name in NUMBERS if name in chosen}
    asked = {"objective": chosen.get("objective"), "maximise": maximise}
    asked |= {"method": chosen["method"]} if "method" in chosen else {}
    within = dict(zip(names, bounds, strict=False)) or None
    return plan_of(tune)(instance, names, start=start, bounds=within, **asked, **numbers, **options)


def pair_of(text: str) -> tuple[Any, ...]:
    """The two numbers of --bounds."""
    found = tuple(map(number, text.split(",")))
    if len(found) != 2:
        raise FieldError("bounds", text, "must be two numbers with a comma between, low,high")
    return found


def print_tuning(found: Tuning) -> None:
    """What was found, the way there, and what the simulation says."""
    console = stdout_console()
    console.print(heading(found.system, found.fixed, {"scaled": scalings(found.tuned)}))
    known = found.known
    table = new_table("", ">start", ">best", *([">known optimum"] if known else []))
    ends = [*found.ends().values()]
    if known is not None:
        ends.append({**flat(plain_values(known.values)), "objective": known.objective})
    for name in ends[0]:
        label = f"objective {found.objective}" if name == "objective" else name
        table.add_row(label, *(f"{end[name]:.6g}" for end in ends))
    console.print(table)
    console.print(found.objective_text(), style="dim")
    for text in filter(None, (found.run_text(), found.bounds_text())):
        console.print(text, style="dim")
    if known is not None:
        console.print(f"known optimum: {known.source}", style="dim")
    console.print(trace_table(found))
    if found.verification is not None:
        print_verification(console, found)
    print_flags(console, found.flags)


def trace_table(found: Tuning) -> Any:
    """Some of the steps, the first and the last among them."""
    rows = found.rows()
    table = new_table(*(f">{header}" for header in rows[0]))
    last = len(rows) - 1
    for i in np.unique([0, *np.geomspace(1, max(last, 1), ROWS - 1).round().astype(int).clip(max=last)]):
        table.add_row(*(value_text(x) if isinstance(x, int) else f"{x:.6g}" for x in rows[i].values()))
    return table


def print_verification(console: Any, found: Tuning) -> None:
    """Both means and the paired gain."""
    from rich.text import Text

    check = found.verification
    assert check is not None
    bound = family_bound(2, 0.95, max(check.best.run["replicas"], 2) - 1)
    table = new_table(f"simulated {check.metric}", ">mean", ">+-", ">oracle", ">z")
    for name, result in (("start", check.start), ("best", check.best)):
        metric = result[check.metric]
        table.add_row(name, *interval(metric), oracle_text(metric), z_text(metric.z, bound))
    mean, width = (WITHHELD_TEXT, "") if check.gain.mean is None else pair(check.gain.mean, check.gain.half_width)
    table.add_row(Text("gain, paired", "bold"), Text(mean, "bold"), width, "", "")
    console.print(table)
    level = f"{100 * check.gain.level:g} % interval of the gain"
    if check.gain.mean is not None:
        console.print(f"{level} {'excludes' if check.sure else 'includes'} 0")
    console.print("each " + run_line(check.best), style="dim")
