"""Types and shapes that annotations promise, checked at the first calls of a test: a check takes .2 ms.

Numerical code (`EVERYTHING`) is checked by jaxtyping's import hook, scalars and records included. Elsewhere (`ARRAYS`),
where functions are traced, closed over and compared, only those are that have an array of a given shape in their signature.
"""

import ast
import functools
import itertools
import re
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

import jaxtyping
import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype
from numpy.typing import ArrayLike

EVERYTHING = "jaxq.analytic", "jaxq.fluid", "jaxq.stats"
ARRAYS = "jaxq.random", "jaxq.laws", "jaxq.engine", "jaxq.systems", "jaxq.tuning"
KINDS = "Bool", "Float", "Float32", "Int", "Int32", "Num", "Shaped", "UInt32"

# What is converted and checked by `jaxq.checks` may be of any kind: an array for a sequence, NumPy's numbers.
ALIKE = {
    ArrayLike: object,
    ArrayLike | None: object,
    Sequence: object,
    Sequence[float]: object,
    Sequence[int]: object,
    int: int | np.integer,
    float: float | int | np.number,
}
checked = beartype(conf=BeartypeConf(hint_overrides=FrozenDict(ALIKE)))
MOST = 200
"""Calls of a test that are checked; the others would only take time."""
calls = itertools.count()


def once(jaxtyped):
    """`jaxtyping.jaxtyped` for what has annotations, once: a function inside a function is defined anew at each call, and
    would be decorated anew, for milliseconds."""

    @functools.wraps(jaxtyped)
    def decorator(*given, **options):
        decorate = jaxtyped(*given, **options)

        def decorated(what):
            if isinstance(what, type):
                return decorate(what)
            if not what.__annotations__:
                return what
            return _inner(what, decorate) if "<locals>" in what.__qualname__ else decorate(what)

        return decorated

    return decorator


shells: dict[types.CodeType, tuple] = {}
"""By code of an inner function: what checks its calls, and which of its definitions is called."""


def _inner(function, decorate):
    if jaxtyping.config.jaxtyping_disable:
        return function
    if function.__code__ not in shells:
        called = [function]

        @functools.wraps(function)
        def shell(*args, **given):
            return called[0](*args, **given)

        shells[function.__code__] = decorate(shell), called
    checks, called = shells[function.__code__]

    @functools.wraps(function)
    def checked(*args, **given):
        called[0] = function
        return checks(*args, **given)

    return checked


def begin(wanted: bool) -> None:
    """Check the calls that follow, if that is wanted."""
    global calls
    calls = itertools.count()
    jaxtyping.config.update("jaxtyping_disable", not wanted)


def check(function):
    """The function, its arguments and results checked as long as there are few calls."""
    inner = checked(function)
    if isinstance(function, type):
        return inner

    @functools.wraps(function)
    def counted(*args, **given):
        if next(calls) == MOST:
            jaxtyping.config.update("jaxtyping_disable", True)
        return inner(*args, **given)

    return counted


def check_arrays(function):
    """A function of `ARRAYS`, its arguments and results checked."""
    return jaxtyping.jaxtyped(typechecker=check)(function)


class Decorated(ast.NodeTransformer):
    """Puts `check_arrays` on the functions and methods of a module that have the shape of an array in their signature, or a
    name that the module has for one."""

    decorator = ast.parse(f"__import__('sys').modules['{__name__}'].check_arrays", mode="eval").body

    def visit_Module(self, node: ast.Module) -> ast.AST:
        shapes = rf"\b({'|'.join(KINDS)})\["
        named = [
            ast.unparse(x.targets[0])
            for x in node.body
            if isinstance(x, ast.Assign) and re.search(shapes, ast.unparse(x))
        ]
        self.wanted = "|".join([shapes, *(rf"\b{name}\b" for name in named)])
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        signature = " -> ".join(ast.unparse(part) for part in (node.args, node.returns) if part)
        if re.search(self.wanted, signature):
            node.decorator_list.append(self.decorator)  # the first to be applied
        return node


class Loader(SourceFileLoader):
    """Loads a module with its functions of arrays checked; nothing of that goes into the cache of compiled files."""

    def get_code(self, fullname: str):
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if b"jaxtyping" not in source:
            return super().get_code(fullname)
        return compile(ast.fix_missing_locations(Decorated().visit(ast.parse(source))), path, "exec", dont_inherit=True)


class Finder:
    """Finds the modules of `ARRAYS`."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name.startswith(ARRAYS) else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Check what is imported from now on."""
    jaxtyping.jaxtyped = once(jaxtyping.jaxtyped)
    jaxtyping.install_import_hook(list(EVERYTHING), f"{__name__}.check")
    sys.meta_path.insert(0, Finder)
