"""Everything about one system: its fields, metrics, oracles and objectives."""

import dataclasses
from typing import Any

import numpy as np

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.example import example, table_of
from jaxq.cli.field_texts import default_words
from jaxq.cli.field_values import allowed
from jaxq.cli.place import first_paragraph
from jaxq.engine.fields import rules
from jaxq.engine.model import Model
from jaxq.engine.outline import names
from jaxq.engine.plain import plain
from jaxq.engine.quantity import Quantity, primary, quantity


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
    metrics, quantities, tails, first, oracle, objectives = known_names(kind)
    return {
        "doc": first_paragraph(kind.__doc__),
        "fields": fields,
        "metrics": list(metrics),
        "metric_table": [row._asdict() for row in table_of(kind)],
        "primary": list(first),
        "quantities": list(quantities),
        "exact_laws": [name for name in quantities if name in tails],
        "oracle": oracle,
        "objectives": objectives,
    }


def known_names(kind: type[Model]) -> tuple[tuple, tuple, tuple, tuple, dict[str, str], dict[str, str]]:
    """(metrics, quantities, those whose law is known, primary, kinds of oracles, objectives) of `example`; empty where
    simple values make no system. TypeError where the class is not one yet."""
    with np.errstate(all="ignore"):  # simple values may stand where a formula of a user's own has no value
        try:
            instance = example(kind)
            metrics, quantities = names(instance, instance.process())
            tails = tuple(instance.tails())
            oracle = {name: getattr(value, "kind", "exact") for name, value in instance.oracle().items()}
            objectives = {name: objective.doc for name, objective in instance.objectives().items()}
        except (ValueError, ArithmeticError):
            return (), (), (), (), {}, {}
    return metrics, quantities, tails, primary(instance.metric_table, metrics) or metrics, oracle, objectives


def print_one(name: str, about: dict[str, Any]) -> None:
    """A table of fields, one of metrics."""
    console = stdout_console()
    console.print(name, style="bold")
    console.print(about["doc"])
    table = new_table("field", "default", "rule", "meaning")
    for key, field in about["fields"].items():
        table.add_row(key, field["default_text"].removeprefix("default: "), field["rule"], field["doc"])
    console.print(table)
    table = new_table("metric", "unit", "meaning", "oracle", "")
    for row, metrics in rows_of(about):
        kinds = ", ".join(dict.fromkeys(about["oracle"][metric] for metric in metrics if metric in about["oracle"]))
        first = "primary" if any(metric in about["primary"] for metric in metrics) else ""
        table.add_row(row.name, row.unit, row.meaning, kinds, first)
    console.print(table)
    quantities = [f"{name} (exact law)" if name in about["exact_laws"] else name for name in about["quantities"]]
    console.print(f"quantities for --quantiles and --service-level: {', '.join(quantities)}")
    for name, doc in about["objectives"].items():
        console.print(f"objective for jaxq tune: {name}, {doc}")
    console.print("metrics and oracles may depend on the fields; these are of the simplest case", style="dim")


def rows_of(about: dict[str, Any]) -> list[tuple[Quantity, list[str]]]:
    """The table of metrics, each row with the metrics of the simplest case that it stands for, and those without a row."""
    table = [Quantity(**row) for row in about["metric_table"]]
    of = {metric: quantity(table, metric) or Quantity(metric, "", "") for metric in about["metrics"]}
    rows = dict.fromkeys([*table, *of.values()])
    return [(row, [metric for metric, its in of.items() if its == row]) for row in rows]
