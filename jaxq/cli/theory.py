"""``jaxq theory``: what is known of a system without simulating it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import OK, print_json
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.given_systems import build_systems, merge
from jaxq.engine.metric import as_reference
from jaxq.engine.model import Model
from jaxq.engine.plain import describe, parameters_text
from jaxq.engine.record import title
from jaxq.engine.saved import SCHEMA

NARROW = 110
"""Columns of a terminal below which a source stands behind what it is the source of."""
UNSTATED = "no more is known than what jaxq exact and jaxq run compute"


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Print what is known of one system; returns the exit code."""
    chosen, sources = merge(verb, given, experiment)
    with interruptible(), input_errors(sources):
        instance = build_systems(verb, system, chosen)[0][0]
        statements = instance.theory()
        unstable, oracle = None, {}
        try:
            instance.stationarity().check()
            oracle = {name: as_reference(x) for name, x in instance.oracle().items()}
        except ValueError as error:
            unstable = str(error)
    if chosen.get("json"):
        print_json(to_dict(instance, statements, oracle, unstable))
        return OK
    console = stdout_console()
    console.print(f"{title(instance)}  {parameters_text(describe(instance))}")
    if statements:
        if console.width < NARROW:
            headers = "!theory", ">value", "what it is, source"
            rows = ((name, words(x.value), f"{x.meaning}; {x.source}") for name, x in statements.items())
        else:
            headers = "!theory", ">value", "what it is", "source"
            rows = ((name, words(x.value), x.meaning, x.source) for name, x in statements.items())
        console.print(_table(headers, rows))
    if oracle:
        rows = ((name, words(x.value), x.kind) for name, x in oracle.items())
        console.print(_table(("!metric", ">oracle", "kind"), rows))
    if unstable is not None:
        console.print(f"no stationary regime: {unstable}")
    elif not statements and not oracle:
        console.print(UNSTATED)
    return OK


def to_dict(system: Model, statements: Mapping[str, Any], oracle: Mapping[str, Any], unstable: str | None) -> dict:
    """The statements and references by name."""
    return {
        "schema": SCHEMA,
        "system": title(system),
        "parameters": describe(system),
        "theory": {name: x._asdict() for name, x in statements.items()},
        "oracle": {name: {"value": x.value, "kind": x.kind} for name, x in oracle.items()},
        "no_stationary_regime": unstable,
    }


def words(value: Any) -> str:
    """A value for a table: numbers to nine digits, truths as yes and no, what there is none of as a dash."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list, np.ndarray)):
        return ", ".join(map(words, value)) or "-"
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.9g}"


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Any:
    table = new_table(*headers)
    for row in rows:
        table.add_row(*row)
    return table
