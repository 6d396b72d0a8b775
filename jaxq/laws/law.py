"""What a law of interarrival or service times is, and how laws are written in text."""

import difflib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Shaped

from jaxq.checks import FieldError
from jaxq.engine.fields import rules

TINY = 1e-30
"""Under it a variate counts as this where its logarithm is taken."""


def shortest(x: float) -> str:
    """The shortest of two texts that stands for exactly this number: ``4`` rather than ``4.0``."""
    return f"{x:g}" if float(f"{x:g}") == x else repr(float(x)).removesuffix(".0")


class Distribution(eqx.Module):
    """What is sampled with a fixed number of words a variate, and written ``name`` or ``name:parameter``."""

    kind: ClassVar[str] = "law"
    """What a sentence that refuses its text calls it."""
    name: ClassVar[str]
    usage: ClassVar[str]
    """How it is written in text."""
    words: ClassVar[Any]
    """Words one variate uses."""

    @abstractmethod
    def sample(self, words: tuple) -> Shaped[Array, "*batch"]:
        """One variate from uint32 words."""

    def parameter(self) -> float | tuple | None:
        """What tells those of one name apart; None where there is one only. Its text is what follows the colon."""
        values = [getattr(self, name) for name in rules(type(self))]
        return np.asarray(values[0]).item() if values else None

    def key(self) -> tuple[str, float | tuple | None]:
        """(name, parameter): how `jaxq.analytic.distributions` knows it."""
        return self.name, self.parameter()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The distribution from what follows the colon of its text, empty where there is none. ValueError names the rule."""
        takes = list(rules(cls).items())
        if bool(takes) != bool(text):
            raise FieldError(cls.kind, f"{cls.name}{(':' if text else '')}{text}", f"must be {cls.usage}")
        return cls(*[rule.parse(f"{cls.name} {field}", text) for field, rule in takes])

    def __check_init__(self):
        for name, rule in rules(type(self)).items():
            rule.check(f"{self.name} {name}", getattr(self, name))

    def __str__(self) -> str:
        parameter = self.parameter()
        return self.name if parameter is None else f"{self.name}:{self._text(parameter)}"

    def _text(self, parameter: Any) -> str:
        return shortest(parameter)


class Law(Distribution):
    """A law of unit mean on [0, inf): its variates are float32."""

    def density(self, x) -> Any:
        """The density at x >= 0, float32, where it is finite; None where there is none, or it is not known."""
        return None

    @property
    def dense(self) -> bool:
        """Whether there is a density that is known and bounded; asked on the host."""
        return self.density(np.float32(1)) is not None

    @property
    def tick(self) -> float | None:
        """The largest number of which all variates are whole multiples, asked on the host; None where there is none."""
        return None

    @property
    def largest(self) -> float:
        """The least upper bound of the variates."""
        return float("inf")

    @property
    def moments(self) -> float:
        """The order below which the moments of the law are finite."""
        return float("inf")


Kind = TypeVar("Kind", bound=Distribution)


def parse(text: str, known: Mapping[str, type[Kind]]) -> Kind:
    """The one of the ``known`` distributions that is written as ``name`` or ``name:parameter``.

    Raises:
        FieldError: the name is unknown: the nearest one, and all; or the parameter is not allowed.
    """
    name, colon, parameter = text.partition(":")
    if name not in known or (colon and not parameter):
        kind, written = next(iter(known.values())).kind, ", ".join(each.usage for each in known.values())
        near = [] if name in known else difflib.get_close_matches(name, known, 1, 0.5)
        raise FieldError(kind, text, f"must be {written}" + "".join(f"; did you mean {close}?" for close in near))
    return known[name].parse(parameter)
