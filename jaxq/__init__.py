"""jaxq: Monte Carlo for queueing systems on JAX.

A public name is imported when it is first asked for, so that ``jaxq --version`` need not wait for JAX; the names are those
of ``__init__.pyi``.
"""

from jaxq import startup as _startup  # noqa: F401 - first: it hears Ctrl-C during the other imports

# isort: split

import ast as _ast
from importlib import import_module as _import_module
from pathlib import Path as _Path

_PLACES = {
    alias.name: node.module
    for node in _ast.parse(_Path(__file__).with_suffix(".pyi").read_text(encoding="utf8")).body
    if isinstance(node, _ast.ImportFrom) and node.module
    for alias in node.names
}
__all__ = list(_PLACES)  # pyright: ignore[reportUnsupportedDunderAll]

_NEEDS = {"load": ("Result", "Paths", "CustomerLog", "ExactResult", "Gradients", "Tuning", "Outcome")}
"""What a file may hold: who asks for the first name has the classes too."""


def __getattr__(name: str):
    """A public name, or the version of what is installed."""
    if name in _PLACES:
        for other in _NEEDS.get(name, ()):
            __getattr__(other)
        found = getattr(_import_module(_PLACES[name]), name)
    elif name == "__version__":
        from importlib.metadata import version

        found = version("jaxq")
    else:
        raise AttributeError(f"module jaxq has no attribute {name}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
