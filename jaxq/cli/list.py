"""``jaxq list``: the systems, their fields, metrics and oracles."""

import dataclasses
from typing import Annotated, Any

import numpy as np
import typer

from jaxq.cli.console import add_column, new_table, stdout_console
from jaxq.cli.errors import input_errors
from jaxq.cli.example import example, table_of
from jaxq.cli.field_values import allowed
from jaxq.cli.group import default_words, first_paragraph
from jaxq.cli.report import print_json
from jaxq.cli.word import print_matching
from jaxq.engine.fields import rules
from jaxq.engine.model import Model
from jaxq.engine.outline import names
from jaxq.engine.plain import plain
from jaxq.engine.quantity import Quantity, primary, quantity
from jaxq.systems.find import find, known


def list_systems(
    system: Annotated[
        str | None, typer.Argument(help="one system, with everything about it, or a word to look for", metavar="WORD")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
) -> None:
    """List the systems; one of them; or what has a word: fields, policies, metrics, laws.

    Examples: jaxq list mmc; jaxq list priority; jaxq list policy
    """
    if system is not None and system not in known() and ".py" not in system:
        print_matching(system, json)
        return
    with input_errors():
        chosen = {name: find(name) for name in (known() if system is None else (system,))}
    found = {name: describe_class(kind) for name, kind in chosen.items()}
    if json:
        print_json({"schema": 1, "systems": found})
    elif system is None:
        print_all(found)
    else:
        print_one(system, found[system])


def describe_class(kind: type[Model]) -> dict[str, Any]:
    """A system as JSON values. Metrics and oracles are those of `example`."""
    declared = rules(kind)
    fields = {}
    for field in (f for f in dataclasses.fields(kind) if f.init):
        if field.name not in declared:
            continue
        rule, required = declared[field.name], field.default is dataclasses.MISSING
        default = None if required else plain(field.default)
        fields[field.name] = {
            "doc": rule.doc,
            "rule": allowed(rule) or "text",
            "required": required,
            "default": default,
            "default_text": default_words(field.default, field.name),
            "sweepable": rule.scalar,
        }
    metrics, quantities, first, oracle, objectives = known_names(kind)
    return {
        "doc": first_paragraph(kind),
        "fields": fields,
        "metrics": list(metrics),
        "metric_table": [row._asdict() for row in table_of(kind)],
        "primary": list(first),
        "quantities": list(quantities),
        "oracle": oracle,
        "objectives": objectives,
    }


def known_names(kind: type[Model]) -> tuple[tuple, tuple, tuple, dict[str, str], dict[str, str]]:
    """(metrics, quantities, primary, kinds of oracles, objectives) of `example`; empty where simple values make no
    system."""
    with np.errstate(all="ignore"):  # simple values may stand where a formula of a user's own has no value
        try:
            instance = example(kind)
            metrics, quantities = names(instance, instance.process())
            oracle = {name: getattr(value, "kind", "exact") for name, value in instance.oracle().items()}
            objectives = {name: objective.doc for name, objective in instance.objectives().items()}
        except (TypeError, ValueError, ArithmeticError):
            return (), (), (), {}, {}
    return metrics, quantities, primary(instance.metric_table, metrics) or metrics, oracle, objectives


def print_all(found: dict[str, dict[str, Any]]) -> None:
    """A block a system."""
    console = stdout_console()
    for name, about in found.items():
        fields = "  ".join(
            f"--{key.replace('_', '-')}" + ("*" if f["required"] else "") for key, f in about["fields"].items()
        )
        kinds = ", ".join(dict.fromkeys(about["oracle"].values())) or "none"
        console.print(f"{name}", style="bold")
        console.print(f"  {about['doc']}")
        console.print(f"  fields   {fields}")
        console.print(f"  metrics  {', '.join(about['metrics'])}")
        console.print(f"  oracle   {kinds}")
        console.print(f"  tune     {', '.join(about['objectives']) or 'nothing'}\n")
    starred = any(f["required"] for about in found.values() for f in about["fields"].values())
    console.print(
        ("* required. " if starred else "") + "More about one: jaxq list SYSTEM; its options: jaxq run SYSTEM --help",
        style="dim",
    )


def print_one(name: str, about: dict[str, Any]) -> None:
    """A table of fields, one of metrics."""
    console = stdout_console()
    console.print(name, style="bold")
    console.print(about["doc"])
    table = new_table()
    for header in ("field", "default", "rule", "meaning"):
        add_column(table, header)
    for key, field in about["fields"].items():
        table.add_row(key, field["default_text"].removeprefix("default: "), field["rule"], field["doc"])
    console.print(table)
    table = new_table()
    for header in ("metric", "unit", "meaning", "oracle", ""):
        add_column(table, header)
    for row, metrics in rows_of(about):
        kinds = ", ".join(dict.fromkeys(about["oracle"][metric] for metric in metrics if metric in about["oracle"]))
        first = "primary" if any(metric in about["primary"] for metric in metrics) else ""
        table.add_row(row.name, row.unit, row.meaning, kinds, first)
    console.print(table)
    console.print(f"quantities for --quantiles: {', '.join(about['quantities'])}")
    for name, doc in about["objectives"].items():
        console.print(f"objective for jaxq tune: {name}, {doc}")
    console.print("metrics and oracles may depend on the fields; these are of the simplest case", style="dim")


def rows_of(about: dict[str, Any]) -> list[tuple[Quantity, list[str]]]:
    """The table of metrics, each row with the metrics of the simplest case that it stands for, and those without a row."""
    table = [Quantity(**row) for row in about["metric_table"]]
    of = {metric: quantity(table, metric) or Quantity(metric, "", "") for metric in about["metrics"]}
    rows = dict.fromkeys([*table, *of.values()])
    return [(row, [metric for metric, its in of.items() if its == row]) for row in rows]
