"""``jaxq exact``: the stationary law of a jump process, solved instead of simulated."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import FLAGGED, OK, deliver, print_json
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_options import Output, number
from jaxq.cli.given_systems import build_systems, merge
from jaxq.engine.metric import as_reference
from jaxq.engine.model import Model
from jaxq.engine.plain import parameters_text
from jaxq.plotting import plot


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Solve one system; returns the exit code."""
    from jaxq.engine.exact import exact

    chosen, sources = merge(verb, given, experiment)
    limit = {"max_states": number(chosen["max_states"])} if "max_states" in chosen else {}
    # exact() itself finds what is wrong with a chain: too many states, no unique law
    with interruptible(), input_errors(sources):
        output = Output.of(chosen)
        instance = build_systems(verb, system, chosen)[0][0]
        instance.stationarity().check()
        found: Any = exact(instance, **limit)  # pyright: ignore[reportArgumentType] - exact refuses what is no JumpProcess
    found = dataclasses.replace(found, references={name: as_reference(x) for name, x in instance.oracle().items()})
    files: dict[str, Any] = {path: functools.partial(found.save, path) for path in output.files}
    if output.plot is not None:
        files[output.plot] = functools.partial(plot, found, path=output.plot)
    deliver(files, (lambda: print_json(found.to_dict())) if output.json else lambda: print_law(found))
    return FLAGGED if found.cut else OK


def print_law(found: Any) -> None:
    """Every metric beside its oracle, and how many states there are."""
    console, table = stdout_console(), new_table("metric", ">exact", ">oracle", "kind")
    for name, value in found.metrics.items():
        reference = found.references.get(name)
        shown = ("", "") if reference is None else (f"{reference.value:.12g}", reference.kind)
        table.add_row(name, f"{value:.12g}", *shown)
    console.print(f"{found.system}  {parameters_text(found.parameters)}")
    console.print(table)
    console.print(f"{found.number_of_states} states", style="dim")
    if found.cut:
        cut = f"edge mass {found.edge_mass:.3g}: so much of the law is where states are cut off, so it is not exact"
        console.print(cut, style="bold red")
