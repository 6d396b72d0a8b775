"""What the options of a system's fields say; ``python -m jaxq.cli.field_texts`` keeps it in a file for those that ship.

Help, completion and a mistyped option then need neither the classes nor JAX. A test compares the file with the classes.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jaxq.cli.experiment_file import Experiment
    from jaxq.engine.model import Model

KEPT = Path(__file__).with_suffix(".json")


class FieldText(NamedTuple):
    """The placeholder of a field's value, and its doc, rule and default."""

    metavar: str
    help: str


def kept(system: str) -> dict[str, FieldText] | None:
    """The fields of a system that ships, from the file; None of any other."""
    found = json.loads(KEPT.read_text(encoding="utf8")).get(system)
    return None if found is None else {name: FieldText(*text) for name, text in found.items()}


def field_texts(system: "type[Model]", experiment: "Experiment | None" = None) -> dict[str, FieldText]:
    """The fields of a class; an experiment file gives other defaults."""
    from jaxq.cli.field_values import FILE, allowed
    from jaxq.engine.fields import rules

    defaults = {field.name: field.default for field in dataclasses.fields(system)}
    texts = {}
    for name, rule in rules(system).items():
        data = f"{FILE}: as observed in {rule.observed.partition('.')[0]}" if rule.observed else ""
        words = "; ".join(filter(None, (rule.doc, allowed(rule) or rule.usage, data)))
        metavar = "NAME" if rule.choices else "TEXT" if rule.parse_compound else "WHOLE" if rule.whole else "NUMBER"
        texts[name] = FieldText(metavar, f"{words}  [{default_words(defaults[name], name, experiment)}]")
    return texts


def default_words(default: Any, name: str, experiment: "Experiment | None" = None) -> str:
    """What holds if an option is not given."""
    from jaxq.engine.plain import plain, value_text

    if experiment is not None and name in experiment.parameters:
        return f"{experiment.path}: {value_text(experiment.parameters[name])}"
    if default is dataclasses.MISSING:
        return "required"
    return f"default: {value_text(plain(default))}"


def of_all_that_ship() -> dict[str, dict[str, FieldText]]:
    """What the file holds, made from the classes."""
    from jaxq.systems import SYSTEMS

    return {name: field_texts(system) for name, system in SYSTEMS.items()}


if __name__ == "__main__":
    KEPT.write_text(json.dumps(of_all_that_ship(), indent=1, ensure_ascii=False) + "\n", encoding="utf8")
