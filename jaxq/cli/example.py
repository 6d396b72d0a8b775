"""The simplest system of a class, to tell what its metrics are."""

import dataclasses

from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.quantity import Quantity


def table_of(kind: type[Model]) -> tuple[Quantity, ...]:
    """The metrics of a class, of `example` where they depend on the fields."""
    table = kind.metric_table
    return example(kind).metric_table if isinstance(table, property) else table


def example(kind: type[Model]) -> Model:
    """A system of a class: the defaults, and simple values inside the rules of the fields that have none."""
    declared = rules(kind)
    required = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING and f.name in declared]
    return kind(**{name: simple_value(declared[name]) for name in required})


def simple_value(rule: Rule):
    """A value that a rule allows: a choice, the least whole number from 1, or a half."""
    if rule.choices:
        return rule.choices[0]
    if rule.whole:
        return max(1, int(rule.low))
    return 0.5 if rule.low < 0.5 < rule.high else rule.low + 1.0
