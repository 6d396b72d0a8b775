"""A frozen pytree dataclass with declared fields: checked when it is made, changed only by making another."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any, Self

import equinox as eqx
import jax
import jax.core

from jaxq.checks import FieldError
from jaxq.engine.fields import rules
from jaxq.engine.unknown import refuse_unknown


class Record(eqx.Module):
    """Number fields are pytree leaves, float64 / int64 on the host, float32 / int32 in the compiled loop, where they are
    traced: a sweep over them never recompiles. Static fields are those that fix a shape or a program.
    """

    def __new__(cls, *_, **fields):
        missing = [
            f"{name}{_arguments(getattr(cls, name))}" for name in _in_order(cls) if name in cls.__abstractmethods__
        ]
        if missing:
            raise TypeError(f"{cls.__name__} must define {' and '.join(missing)}")
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        if all(field.name in known for field in dataclasses.fields(cls) if field.init):  # no __init__ of the user's own
            refuse_unknown(fields, known, cls.__name__, "field")
        return super().__new__(cls)

    def __check_init__(self):
        for name, rule in rules(type(self)).items():
            rule.check(name, getattr(self, name))
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(self)):
            self.check_fields()

    def check_fields(self) -> None:
        """Raise ValueError where fields do not go together; each one's own rule has been checked before."""

    def replace(self, **fields) -> Self:
        """A copy with other fields, converted and checked; the only way to change a system."""
        known = list(self.parameters())
        for name in fields:
            if name not in known:
                raise FieldError(name, ..., f"{title(self)} has no such field; it has {', '.join(known)}")
        return type(self)(**{**{name: getattr(self, name) for name in known}, **fields})

    def parameters(self) -> dict[str, Any]:
        """The fields by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}


def title(system: Record | type[Record]) -> str:
    """The name in results and on the command line: the class name in kebab-case unless ``name`` is set."""
    kind = system if isinstance(system, type) else type(system)
    return getattr(kind, "name", None) or re.sub(r"(?<!^)(?=[A-Z][a-z])", "-", kind.__name__).lower()


def _in_order(cls: type) -> list[str]:
    """The names that a class and its bases define, in the order in which they stand there."""
    return list(dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base)))


def _arguments(method: Callable) -> str:
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return f"({', '.join(names)})"
