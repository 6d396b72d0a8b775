"""A digest of what a run computes: the values of a system's fields and the code that a user wrote for it.

Values are taken as they are and not by the name of the file they came from. Of code, what is compiled counts and not how it
is written down: comments and line numbers change nothing; a constant, a helper function or a base class do. Code of jaxq
goes by its version, that of other libraries by name.
"""

import dataclasses
import functools
import hashlib
import sys
import types
from typing import Any

import jax
import numpy as np

LIBRARIES = {
    "jaxq",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "equinox",
    "optax",
    "builtins",
    *sys.stdlib_module_names,
}
LIBRARIES.discard("__main__")


def digest(*values: Any) -> str:
    """A hexadecimal digest of values: numbers, text, arrays, containers, dataclasses, functions and classes."""
    found = hashlib.sha256()
    _Walk(found.update).add(values)
    return found.hexdigest()


def of_jaxq(value: Any) -> bool:
    """Whether a value, with everything that its fields hold, is of code of jaxq and of libraries alone."""
    if isinstance(value, (list, tuple)):
        return all(map(of_jaxq, value))
    code = value if isinstance(value, (type, types.FunctionType)) else type(value)
    if (code.__module__ or "builtins").partition(".")[0] not in LIBRARIES or _without_module(code):
        return False
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return True
    return all(of_jaxq(getattr(value, field.name, None)) for field in dataclasses.fields(value))


HEAP_TYPE = 1 << 9
"""Flag of a class that was made by Python code, and no static one of the interpreter."""
NAMELESS = "builtins", "abc"
"""Modules of what is made without one: classes and functions by ``exec``, classes by ``type(name, bases, methods)``."""


def _without_module(code: type | types.FunctionType) -> bool:
    """Whether a class or function says such a module and is not in it."""
    static = isinstance(code, type) and not code.__flags__ & HEAP_TYPE
    here = code.__module__
    return here in NAMELESS and not static and getattr(sys.modules[here], code.__name__, None) is not code


class _Walk:
    """Feeds values to ``update`` in a fixed order; what it has met before goes by the number of that meeting."""

    def __init__(self, update):
        self._update = update
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no identity is used twice

    def add(self, value: Any) -> None:
        """One value, with everything in it."""
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)) or value is Ellipsis:
            return self._say(type(value).__name__, repr(value))
        if id(value) in self._met:
            return self._say("again", self._met[id(value)])
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            array = np.asarray(value)
            self._say("array", array.dtype.str, array.shape, array.tobytes())
        elif isinstance(value, (list, tuple)) and all(type(x) is float for x in value):
            self._say("floats", np.array(value, np.float64).tobytes())
        elif isinstance(value, (list, tuple)):
            self._parts("list", value)
        elif isinstance(value, (set, frozenset)):
            self._parts("set", sorted(value, key=repr))
        elif isinstance(value, dict):
            self._parts("dict", [part for item in value.items() for part in item])
        elif isinstance(value, types.CodeType):
            self._parts("code", [value.co_code, value.co_names, value.co_varnames, value.co_freevars, *value.co_consts])
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._parts("method", [value.__func__, value.__self__])
        elif isinstance(value, (staticmethod, classmethod)):
            self._parts("method", [value.__func__])
        elif isinstance(value, property):
            self._parts("property", [value.fget])
        elif isinstance(value, functools.partial):
            self._parts("partial", [value.func, value.args, value.keywords])
        elif dataclasses.is_dataclass(value):
            self._parts("object", [type(value), *(getattr(value, f.name, None) for f in dataclasses.fields(value))])
        elif hasattr(value, "__wrapped__"):  # functions that jax or functools has wrapped
            self._parts("wrapped", [value.__wrapped__])
        else:
            self._parts("thing", [getattr(value, "__name__", None), type(value)])

    def _say(self, *words: Any) -> None:
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            self._update(len(data).to_bytes(8, "little") + data)

    def _parts(self, kind: str, parts) -> None:
        self._say(kind, len(parts))
        for part in parts:
            self.add(part)

    def _class(self, kind: type) -> None:
        self._say("class", kind.__qualname__)
        if not _of_a_library(kind):
            own = {k: v for k, v in vars(kind).items() if not k.startswith(("__", "_abc_"))}
            self._parts("body", [own, *kind.__bases__])

    def _function(self, function: types.FunctionType) -> None:
        self._say("function", function.__qualname__)
        if _of_a_library(function):
            return
        cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
        used = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
        self._parts("body", [function.__code__, function.__defaults__, function.__kwdefaults__, cells, used])


def _of_a_library(value: Any) -> bool:
    return (value.__module__ or "").partition(".")[0] in LIBRARIES


def _names(code: types.CodeType) -> list[str]:
    """The names that a code object and those within it look up, in order."""
    found = dict.fromkeys(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found |= dict.fromkeys(_names(part))
    return sorted(found)
