"""Systems by name: those that ship, those of installed packages, and those of a user's own file."""

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jaxq.checks import FieldError
from jaxq.engine.unknown import suggestion
from jaxq.systems import PLACES, SYSTEMS

if TYPE_CHECKING:
    from jaxq.engine.model import Model

GROUP = "jaxq.systems"
"""Entry points under which an installed package offers systems."""


def find(name: str) -> "type[Model]":
    """The class of a system: of `SYSTEMS`, of an entry point ``jaxq.systems``, or ``FILE.py:Class`` (``FILE.py`` alone where
    that defines one). Raises ValueError with the nearest name, or with the line of the file that fails."""
    if name in SYSTEMS:
        return SYSTEMS[name]
    path, colon, wanted = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    if path.endswith(".py"):
        return _of_file(path, colon, wanted)
    offered = _offered()
    if name in offered:
        return _checked(offered[name].load(), offered[name].value)
    raise ValueError(f"unknown system {name}{suggestion(name, [*SYSTEMS, *offered])}")


def known() -> dict[str, str]:
    """All that ship or that an installed package offers: by name, where the class is, ``module:Class``."""
    return PLACES | {name: entry.value for name, entry in _offered().items() if name not in PLACES}


def _offered() -> Mapping:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _of_file(path: str, colon: str, wanted: str) -> "type[Model]":
    from jaxq.engine.model import Model

    module = _load(path)
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
    }
    if not wanted and len(own) == 1:
        return next(iter(own.values()))
    if wanted in vars(module):
        return _checked(vars(module)[wanted], f"{path}:{wanted}")
    has = f"it has {', '.join(own)}" if own else "it has none"
    raise ValueError(f"{path}{colon}{wanted}: must name a class of the file that is a System or JumpProcess; {has}")


def _checked(found, name: str) -> "type[Model]":
    from jaxq.engine.jump_process import JumpProcess
    from jaxq.engine.model import Model

    if isinstance(found, type) and issubclass(found, Model) and found not in (Model, JumpProcess):
        return found
    raise FieldError(
        name, ..., f"must be a class that is a System or JumpProcess, not {getattr(found, '__name__', found)}"
    )


def _load(path: str) -> ModuleType:
    """The module of a file. It keeps its name in `sys.modules`, as its classes are asked for their source."""
    name = f"{Path(path).stem} ({Path(path).resolve()})"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # for the ending .py there is one
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        del sys.modules[name]
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path}{line(error, path)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def line(error: Exception, path: str) -> str:
    """`` line N`` where the file itself failed."""
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}"
    own = Path(path).resolve()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == own]
    return f" line {lines[-1]}" if lines else ""
