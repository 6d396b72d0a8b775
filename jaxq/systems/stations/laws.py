"""Interarrival and service laws of unit mean; a system multiplies by its own mean.

A law uses a fixed number of words a variate. Each is written ``name`` or ``name:parameter`` in text:
``exponential``, ``deterministic``, ``erlang:3``, ``hyperexponential:4`` and ``lognormal:2`` (the last two by their
squared coefficient of variation).
"""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.engine.fields import real, rules, whole


class Law(eqx.Module):
    """A positive law of unit mean."""

    name: ClassVar[str]

    words: ClassVar[Any]
    """Words one variate uses."""

    @abstractmethod
    def sample(self, words: tuple):
        """One variate, float32, from uint32 words."""

    def key(self) -> tuple[str, float | None]:
        """(name, parameter): how `jaxq.analytic.laws` knows the law."""
        values = [getattr(self, name) for name in rules(type(self))]
        return self.name, (np.asarray(values[0]).item() if values else None)

    def __check_init__(self):
        for name, rule in rules(type(self)).items():
            rule.check(f"{self.name} {name}", getattr(self, name))

    def __str__(self) -> str:
        name, parameter = self.key()
        return name if parameter is None else f"{name}:{parameter:g}"


class Exponential(Law):
    """``-log U``; squared coefficient of variation 1."""

    name = "exponential"
    words = 1

    def sample(self, words):
        return random.exponential(words[0])


class Deterministic(Law):
    """The constant 1."""

    name = "deterministic"
    words = 0

    def sample(self, words):
        return jnp.float32(1)


class Erlang(Law):
    """The mean of ``phases`` unit exponentials; squared coefficient of variation 1/phases."""

    phases: int = whole("phases", static=True, high=64)
    name = "erlang"

    @property
    def words(self):
        return int(self.phases)

    def sample(self, words):
        return sum(random.exponential(word) for word in words) * np.float32(1 / self.phases)


class Hyperexponential(Law):
    """Two exponential phases with balanced means: phase 1 with probability ``p = (1 + sqrt((c - 1)/(c + 1)))/2``, c the
    squared coefficient of variation, of mean 1/(2p); phase 2 otherwise, of mean 1/(2(1 - p))."""

    scv: float = real("squared coefficient of variation", low=1.0, open_low=True)
    name = "hyperexponential"
    words = 2

    def sample(self, words):
        p = (1 + jnp.sqrt((self.scv - 1) / (self.scv + 1))) / 2
        mean = jnp.where(random.bernoulli(words[0], p), 0.5 / p, 0.5 / (1 - p))
        return mean * random.exponential(words[1])


class Lognormal(Law):
    """``exp(s Z - s**2/2)`` with ``s**2 = log(1 + scv)``."""

    scv: float = real("squared coefficient of variation", low=0.0, open_low=True)
    name = "lognormal"
    words = 1

    def sample(self, words):
        variance = jnp.log1p(self.scv)
        return jnp.exp(jnp.sqrt(variance) * random.normal(words[0]) - variance / 2)


LAWS = {law.name: law for law in (Exponential, Deterministic, Erlang, Hyperexponential, Lognormal)}


def parse_law(text: str) -> Law:
    """A law from ``name`` or ``name:parameter``. ValueError for an unknown name or a missing or extra parameter."""
    name, _, parameter = text.partition(":")
    usage = "exponential, deterministic, erlang:PHASES, hyperexponential:SCV or lognormal:SCV"
    if name not in LAWS:
        raise ValueError(f"law = {text}: must be {usage}")
    takes = list(rules(LAWS[name]).items())
    if bool(takes) != bool(parameter):
        raise ValueError(f"law = {text}: must be {usage}")
    values: Any = [rule.parse(f"{name} {field}", parameter) for field, rule in takes]
    return LAWS[name](*values)
