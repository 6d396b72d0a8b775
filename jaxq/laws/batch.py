"""Laws of how many customers come together, whole numbers >= 1, by name.

Each is written ``name:parameter`` in text: ``geometric:3`` (by its mean), ``fixed:2`` and ``sizes:0.5,0.3,0.2`` (the
probabilities of 1, 2 and 3).
"""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from jaxq import random
from jaxq.checks import FieldError, vector
from jaxq.engine.fields import SIMPLEX_SLACK, real, whole
from jaxq.laws.law import Distribution, parse, shortest

MOST_CUSTOMERS = 10_000
"""In a batch, or in its mean: each is an event."""
MOST_SIZES = 64
"""Each is compared with at every event."""


class BatchLaw(Distribution):
    """A law of the number of customers in a batch: its variates are int32, >= 1."""

    kind = "batch_law"
    mean: eqx.AbstractVar[Any]
    """Mean number of customers."""

    @abstractmethod
    def behind(self, word) -> Int32[Array, "*batch"]:
        """How many customers of its batch are behind one: k with probability P(X > k) / E X."""


class GeometricBatch(BatchLaw):
    """``P(X > k) = (1 - 1/mean)**k``: each customer is the last of its batch with probability 1/mean.

    ``1 + floor(E/r)``, E a unit exponential and ``r = -log(1 - 1/mean)``.
    """

    mean: float = real("mean size of a batch", low=1.0, high=MOST_CUSTOMERS)
    name, usage = "geometric", "geometric:MEAN"
    words = 1

    def sample(self, words) -> Int32[Array, "*batch"]:
        return 1 + self.behind(words[0])

    def behind(self, word) -> Int32[Array, "*batch"]:
        """As many as there are after the first."""
        return jnp.floor(random.exponential(word) / -jnp.log1p(-1 / self.mean)).astype(jnp.int32)


class FixedBatch(BatchLaw):
    """Always the same number."""

    size: int = whole("size of a batch", high=MOST_CUSTOMERS)
    name, usage = "fixed", "fixed:SIZE"
    words = 0

    @property
    def mean(self):
        return self.size

    def sample(self, words) -> Int32[Array, ""]:
        return jnp.asarray(self.size, jnp.int32)

    def behind(self, word) -> Int32[Array, "*batch"]:
        """None to all but one, each as likely."""
        return random.below(word, self.size, most=MOST_CUSTOMERS)[0]


def _probabilities(value: Any) -> tuple[float, ...]:
    return tuple(vector("sizes probabilities", value, low=0.0).tolist())


class BatchSizes(BatchLaw):
    """1, 2, 3, ... customers with given probabilities, at most 64. They fix the program.

    Raises:
        ValueError: they are no list of numbers >= 0 of sum 1, are too many, or one is too small to be drawn.
    """

    probabilities: tuple[float, ...] = eqx.field(static=True, converter=_probabilities)
    name, usage = "sizes", "sizes:P1,P2,..."
    words = 1

    def __check_init__(self):
        field, count = "sizes probabilities", len(self.probabilities)
        if count > MOST_SIZES:
            raise FieldError(field, f"{count} of them", f"must be 1 to {MOST_SIZES}")
        if abs(sum(self.probabilities) - 1) > SIMPLEX_SLACK:
            raise FieldError(field, self._text(self.probabilities), "must be of 1, 2, 3, ... customers and sum to 1")
        random.check_drawn(field, self._text(self.probabilities), self.probabilities)

    @property
    def mean(self):
        return float(np.arange(1, len(self.probabilities) + 1) @ self.probabilities) / sum(self.probabilities)

    def parameter(self):
        """The probabilities."""
        return self.probabilities

    @classmethod
    def parse(cls, text: str) -> Self:
        """Numbers with commas between."""
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            raise FieldError(cls.kind, f"{cls.name}:{text}", f"must be {cls.usage}, probabilities of sum 1") from None
        return cls(numbers)  # pyright: ignore[reportCallIssue] - the mean is no field

    def _text(self, parameter):
        return ",".join(map(shortest, parameter))

    def sample(self, words) -> Int32[Array, "*batch"]:
        return 1 + _drawn(words[0], self.probabilities)

    def behind(self, word) -> Int32[Array, "*batch"]:
        """From the tail of the law."""
        more = np.cumsum(self.probabilities[::-1])[::-1]
        return _drawn(word, more / more.sum())


def _drawn(word, probabilities) -> Int32[Array, "*batch"]:
    """k, from 0 on, with the k-th probability."""
    found = jnp.int32(0)
    for edge in random.edges(probabilities[:-1]):
        found = found + (word >= edge).astype(jnp.int32)
    return found


BATCH_LAWS: dict[str, type[BatchLaw]] = {law.name: law for law in (GeometricBatch, FixedBatch, BatchSizes)}
BATCH_USAGE = ", ".join(law.usage for law in BATCH_LAWS.values())
"""How laws of a batch are written in text."""


def parse_batch_law(text: str) -> BatchLaw:
    """A law from ``name:parameter``. FieldError for an unknown name or a parameter that is not allowed."""
    return parse(text, BATCH_LAWS)
