"""``jaxq customers``: a record a customer."""

from collections.abc import Mapping
from typing import Any

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import present
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_options import Output, number
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.options import CUSTOMERS, OUTPUT
from jaxq.cli.tables import print_flags
from jaxq.engine.model import Model
from jaxq.engine.plain import parameters_text

ROWS = 20
"""Records shown on the terminal; the files have all."""
NUMBERS = [name for name in CUSTOMERS if name not in OUTPUT]


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Follow the customers of one system; returns the exit code."""
    from jaxq.engine.customers import customers, follow
    from jaxq.engine.planned import plan_of

    chosen, sources = merge(verb, given, experiment)
    with interruptible(), input_errors(sources):
        output = Output.of(chosen)
        numbers = {name: number(chosen[name]) for name in NUMBERS if name in chosen}
        planned = plan_of(customers)(build_systems(verb, system, chosen)[0][0], **numbers)
    with interruptible():
        found = follow(planned)
        return present(found, output, lambda path: None, lambda: print_log(found))


def print_log(found: Any) -> None:
    """A row a customer, the first ones."""
    console, table = stdout_console(), new_table(*(f">{name}" for name in found.columns))
    for row in zip(*(x[:ROWS].tolist() for x in found.columns.values()), strict=True):
        table.add_row(*(f"{x:.6g}" if isinstance(x, float) else str(x) for x in row))
    console.print(f"{found.system}  {parameters_text(found.parameters)}")
    console.print(table)
    some = f"{ROWS} of {len(found)} records" if len(found) > ROWS else f"{len(found)} records"
    run = found.run
    console.print(f"{some}; {run['replicas']} replicas, seed {run['seed']}; {run['seconds']:.3g} s", style="dim")
    print_flags(console, found.flags)
