"""Values by name of what is tuned: fields of a system, and single numbers of them, ``routing[0]``."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError, number
from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.parameter import location


def value_of(system: Model, name: str) -> Any:
    """The field, or the number."""
    return getattr(system, name) if name.isidentifier() else location(system, name).value


def rule_of(system: Model, name: str, bounds: Any = None) -> Rule:
    """What it may be: as the field says, or one number of it; of a number inside of a compound field, that it stays positive
    if it is. ``bounds``: (low, high) within that, or None. FieldError where they are not."""
    rule = rules(type(system)).get(name)
    if rule is None:
        found = location(system, name)
        doc = f"one number of {name.partition('[')[0]}"
        if found.inner or found.rule is None:
            rule = Rule(doc, low=0.0 if found.value > 0 else -math.inf, open_low=found.value > 0)
        else:
            high = 1.0 if found.simplex else found.rule.high
            low, whole = found.rule.low, found.rule
            rule = Rule(doc, low=low, high=high, open_low=whole.open_low, open_high=whole.open_high)
    if bounds is None:
        return rule
    if not isinstance(bounds, Sequence) or isinstance(bounds, str) or len(bounds) != 2 or rule.simplex:
        raise FieldError("bounds", bounds, f"must be two numbers for {name}, low and high, and not for shares")
    low, high = (number(f"bounds of {name}", x) for x in bounds)
    if not max(rule.low, low) == low < high == min(rule.high, high):
        raise FieldError(
            "bounds", f"{low:g},{high:g}", f"must be in order and within what {name} may be, {rule.allowed()}"
        )
    ends = {"open_low": rule.open_low and low == rule.low, "open_high": rule.open_high and high == rule.high}
    return dataclasses.replace(rule, low=low, high=high, **ends)


def placed(system: Model, values: Mapping[str, Any]) -> Model:
    """The system with other values. ValueError where there is none."""
    whole = {name: value for name, value in values.items() if name.isidentifier()}
    found = system.replace(**whole) if whole else system
    for name, value in values.items():
        if name not in whole:
            there = location(found, name)
            with jax.enable_x64(True):
                found = there.held(np.asarray(there.filled(value, jnp.asarray(there.array))))
    return found


def as_fields(system: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by field alone, differentiable."""
    found: dict[str, Any] = {name: value for name, value in values.items() if name.isidentifier()}
    for name, value in values.items():
        if name not in found and not name.isidentifier():
            there = location(system, name)
            found[there.field] = there.filled(value, found.get(there.field, jnp.asarray(there.array)))
    return found


def check_apart(system: Model, names: Sequence[str]) -> None:
    """FieldError where a field is tuned and a number of it too, or two numbers of a list whose sum is fixed."""
    lists: dict[tuple, str] = {}
    for name in sorted(names, key=str.isidentifier, reverse=True):
        found = None if name.isidentifier() else location(system, name)
        field = name if found is None else found.field
        other = lists.get((field,))
        if found is not None and found.simplex:
            other = other or lists.setdefault((field, found.place[:-1]), name)
        if other not in (None, name):
            raise FieldError("parameter", name, f"moves with {other}; tune {field} itself")
        if found is None:
            lists[field,] = name
