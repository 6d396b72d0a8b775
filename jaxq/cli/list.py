"""``jaxq list``: the systems by name, everything about one, or what has a word."""

from typing import Annotated

import typer

from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import print_json
from jaxq.cli.errors import input_errors
from jaxq.cli.place import description
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
    if system is None and not json:
        print_all()
        return
    from jaxq.cli.about import describe_class, print_one
    from jaxq.cli.own_errors import own_errors
    from jaxq.cli.word import print_matching

    if system is not None and system not in known() and ".py" not in system:
        print_matching(system, json)
        return
    with input_errors():
        chosen = {name: find(name) for name in (known() if system is None else (system,))}
    found = {}
    for name, kind in chosen.items():
        with own_errors(kind):
            found[name] = describe_class(kind)
    if system is None or json:
        print_json({"schema": 1, "systems": found})
    else:
        print_one(system, found[system])


def print_all() -> None:
    """A row a system; none is imported."""
    console, table = stdout_console(), new_table("!system", "what it is")
    for name, place in known().items():
        table.add_row(name, description(place))
    console.print(table)
    console.print("Fields, metrics and oracles of one: jaxq list SYSTEM; what has a word: jaxq list WORD", style="dim")
