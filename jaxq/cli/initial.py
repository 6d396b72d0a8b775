"""``--initial NAME=VALUE,...``: the state at time 0."""

from typing import Any

from jaxq.checks import FieldError
from jaxq.cli.given_options import number
from jaxq.cli.schedule import NEXT


def read_text(given: Any) -> Any:
    """What `jaxq.paths` takes, of a text: numbers by name, one number, or a list; as they are of an experiment file.

    Raises:
        FieldError: a name has no value, or is given twice.
    """
    if not isinstance(given, str):
        return given
    if "=" not in given:
        return _value(given)
    found: dict[str, Any] = {}
    for entry in NEXT.split(given):
        name, _, value = entry.partition("=")
        name = name.strip()
        if not value.strip() or name in found:
            raise FieldError("initial", given, "must be NAME=VALUE,NAME=VALUE,..., each name once")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    numbers = [number(part.strip()) for part in text.split(",")]
    return numbers[0] if len(numbers) == 1 else numbers
