"""``--schedule FIELD:TIME=VALUE,...``: fields that change on the way."""

import re
from collections.abc import Mapping
from typing import Any

from jaxq.checks import FieldError
from jaxq.cli.field_values import one
from jaxq.cli.given_options import number, texts
from jaxq.engine.fields import rules
from jaxq.engine.model import Model

NEXT = re.compile(r",(?=[^,=]*=)")
"""Between two entries: a value may be a list, 300,500."""


def read_texts(system: type[Model], given: Any) -> dict[str, dict[Any, Any]]:
    """By field its values by time, of texts such as ``servers:0=6,8=14`` or of the table of an experiment file.

    Raises:
        FieldError: it is no such text, or a field is given twice.
    """
    if isinstance(given, Mapping):
        return {name: dict(values) if isinstance(values, Mapping) else values for name, values in given.items()}
    found: dict[str, dict[Any, Any]] = {}
    for text in texts("schedule", given):
        name, _, rest = text.partition(":")
        name = name.strip().replace("-", "_")
        entries = [entry.partition("=") for entry in NEXT.split(rest)]
        try:
            times = [float(time) for time, _, _ in entries]
        except ValueError:
            times = []
        if not times or not all(value.strip() for _, _, value in entries):
            raise FieldError("schedule", text, "must be FIELD:TIME=VALUE,TIME=VALUE,... such as servers:0=6,8=14")
        if name in found:
            raise FieldError("schedule", text, f"{name} is given twice; must be one list of times")
        rule = rules(system).get(name)
        values = [value.strip() if rule is None else one(name, rule, value.strip()) for _, _, value in entries]
        if len(set(times)) < len(times):
            raise FieldError("schedule", text, "times must increase")
        found[name] = dict(zip(times, map(number, values), strict=True))
    return found
