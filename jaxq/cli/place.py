"""Things by where they are, ``module:name``: what they say of themselves, told before they are imported."""

import ast
import importlib.util
import inspect
import pkgutil
from typing import Any

from jaxq import startup
from jaxq.engine import interrupt


def load(place: str) -> Any:
    """What is there. A signal ends the process: a half imported library cannot be trusted to go on."""
    with interrupt.handling(startup.leave):
        return pkgutil.resolve_name(place)


def description(place: str) -> str:
    """The first paragraph of the docstring, on one line, read from the source; of what is not defined there, imported."""
    module, _, name = place.partition(":")
    spec = importlib.util.find_spec(module)
    source = getattr(spec and spec.loader, "get_source", lambda _: None)(module)
    for node in ast.parse(source or "").body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return first_paragraph(ast.get_docstring(node))
    return first_paragraph(load(place).__doc__)


def first_paragraph(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return inspect.cleandoc(docstring or "").split("\n\n")[0].replace("\n", " ")
