"""From text, or from a value in an experiment file, to the values of a system's field."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.fields import MOST_LISTED, Rule, rules
from jaxq.engine.memory import POINT_BYTES, check_fits
from jaxq.engine.model import Model


def allowed(rule: Rule) -> str:
    """What a field may hold, in words; empty where only the field's own parser knows."""
    return "" if rule.parse_compound is not None else rule.allowed()


def one(name: str, rule: Rule, given):
    """The checked value that ``given`` stands for. ValueError names field, value and rule."""
    if rule.observed and given == FILE:
        return FILE
    if isinstance(given, str) or (isinstance(given, dict) and rule.table):
        try:
            value = rule.convert(rule.parse(name, given))
        except ValueError as error:
            hint = " - ranges and lists are for jaxq sweep and compare" if _varies(rule, given) else ""
            if isinstance(error, FieldError) and error.field == name:
                raise FieldError(name, error.value, error.rule + hint, error.place) from None
            raise FieldError(name, ..., f"{error}{hint}") from None
    elif rule.parse_compound is not None:
        raise FieldError(name, given, f"must be text{(' or a table' if rule.table else '')} ({rule.doc})")
    else:
        value = rule.convert(given)
    rule.check(name, value)
    return value


def _varies(rule: Rule, text: Any) -> bool:
    """Whether text looks like more than one value of a field that holds one (a comma in a listed field is a list)."""
    return rule.parse_compound is None and (":" in text or ("," in text and not rule.listed))


FILE = "file"
"""Text that stands for what was observed, where a field has that (`Rule.observed`)."""


class Several(tuple):
    """The values that the [sweep] or [compare] table of an experiment file gives to a field."""


def observed(system: type[Model], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in which what was observed stands for the text ``file``. ValueError where nothing was."""
    found = dict(fields)
    for name, rule in rules(system).items():
        if isinstance(fields.get(name), str) and fields[name] == FILE and rule.observed:
            other, _, what = rule.observed.partition(".")
            law = fields.get(other, next(f.default for f in dataclasses.fields(system) if f.name == other))
            value = getattr(law, what, None)
            if value is None:
                raise FieldError(name, FILE, f"must be a number, as {other} = {law} is not from observed values")
            found[name] = rule.convert(value)
    return found


def swept(name: str, rule: Rule, given) -> list | None:
    """The values of a sweep: ``start:stop:count``, ``a,b,c`` or `Several`; None if ``given`` is a single value."""
    if not isinstance(given, Several) and not (isinstance(given, str) and _varies(rule, given)):
        return None
    if not rule.scalar:
        raise FieldError(name, given, "only scalar fields can be swept; jaxq compare takes lists of names")
    if FILE in given:
        raise FieldError(name, given, f"{FILE} is one value, and is not swept")
    if isinstance(given, str):
        given = points(name, rule, given) if ":" in given else given.split(",")
    return [one(name, rule, part) for part in given]


def number_of_points(given) -> int:
    """How many points ``start:stop:count`` asks for; 1 of anything else, which `swept` reads."""
    count = given.rpartition(":")[2] if isinstance(given, str) and given.count(":") == 2 else ""
    return int(count) if count.isascii() and count.isdigit() else 1


def points(name: str, rule: Rule, text: str, each: int = POINT_BYTES) -> list[float]:
    """The points of ``start:stop:count``, both ends included; ValueError also if, at ``each`` bytes, they do not fit."""
    usage = FieldError(name, text, "must be start:stop:count with numbers start <= stop and a whole count >= 1")
    try:
        start, stop, count = map(float, text.split(":"))
    except ValueError:
        raise usage from None
    if not (math.isfinite(start) and math.isfinite(stop) and math.isfinite(count)) or count < 1 or count % 1:
        raise usage
    if start > stop and count > 1:
        raise FieldError(name, text, "runs backwards; a sweep start:stop:count must have start <= stop")
    check_fits(name, text, "what is seen at each of them", count * each)
    if count > MOST_LISTED:
        raise FieldError(name, text, f"must be at most {MOST_LISTED} values, not {count:.4g}")
    # 12 digits: 0.15 rather than 0.15000000000000002
    found = [float(f"{x:.12g}") for x in np.linspace(start, stop, int(count))]
    if rule.whole:
        broken = next((x for x in found if x % 1), None)
        if broken is not None:
            raise FieldError(name, text, f"must give whole numbers ({rule.doc}), and one point is {broken:.6g}")
    return found


def compared(name: str, rule: Rule, given) -> list | None:
    """The values of a comparison: ``a,b,c`` or `Several`; None if ``given`` is a single value.

    Text that a compound field's parser takes as a whole is one value, commas or not.
    """
    if isinstance(given, Several):
        return [one(name, rule, part) for part in given]
    if not isinstance(given, str) or rule.listed or "," not in given:
        return None
    if rule.parse_compound is not None:
        try:
            rule.parse_compound(given)
            return None
        except ValueError:
            pass
    return [one(name, rule, part) for part in given.split(",")]
