"""``jaxq list WORD``: what has a word in its name or its description."""

import inspect
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import print_json
from jaxq.cli.errors import BadInput
from jaxq.cli.example import table_of
from jaxq.engine.fields import rules
from jaxq.engine.unknown import suggestion
from jaxq.systems.find import find, known


class Entry(NamedTuple):
    """One thing that can be found: a system, a field, a name that a field takes, a metric, an objective, a law."""

    kind: str
    name: str
    system: str
    meaning: str


def entries() -> Iterator[Entry]:
    """All of them, system by system, the laws last."""
    from jaxq.laws.standard import LAWS

    for name in known():
        kind = find(name)
        yield Entry("system", name, "", _first(kind))
        for field, rule in rules(kind).items():
            yield Entry("field", field, name, rule.doc)
            for choice in dict.fromkeys([*rule.choices, *dict(rule.meanings)]):
                yield Entry(field, choice, name, dict(rule.meanings).get(choice, ""))
        for row in table_of(kind):
            yield Entry("metric", row.name, name, row.meaning)
    for law in LAWS.values():
        yield Entry("law", law.usage, "", _first(law))


def matching(word: str, among: Iterable[Entry]) -> list[Entry]:
    """Those with the word, those that have it in the name first; ``-``, ``_`` and case make no difference."""
    wanted = _plain(word)
    found = [entry for entry in among if wanted in _plain(" ".join(entry))]
    return sorted(found, key=lambda entry: wanted not in _plain(entry.name))


def print_matching(word: str, json: bool) -> None:
    """A row each. BadInput where nothing has the word."""
    found = matching(word, entries()) if word.strip() else []
    if not found:
        raise BadInput(f"word = {word}: no system, field, policy, metric or law has it{suggestion(word, known())}")
    if json:
        print_json({"schema": 1, "word": word, "found": [entry._asdict() for entry in found]})
        return
    table = new_table("", "name", "of", "meaning")
    for entry in found:
        table.add_row(*entry)
    console = stdout_console()
    console.print(table)
    console.print("More about a system: jaxq list SYSTEM", style="dim")


def _first(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _plain(text: str) -> str:
    return text.lower().replace("-", " ").replace("_", " ")
