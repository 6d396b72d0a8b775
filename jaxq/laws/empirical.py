"""Observed values as a law."""

from pathlib import Path
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.laws.law import Law, shortest

MOST_VALUES = 65536
"""What one word can choose among (`jaxq.random.below`)."""


def _values(value: Any) -> tuple[float, ...]:
    try:
        return tuple(np.asarray(value, np.float64).ravel().tolist())
    except (TypeError, ValueError):
        raise ValueError(f"empirical values = {value}: must be numbers > 0") from None


class Empirical(Law):
    """One of the observed values, each as likely, over their mean; drawn with replacement.

    Values are sorted first, so that a word is a quantile. They fix the program: other values compile anew. In text they
    are numbers with commas between or the name of a file of numbers (white space or commas between, ``#`` starts a
    comment), which the law then keeps as its ``source`` and its text.
    """

    values: tuple[float, ...] = eqx.field(static=True, converter=_values)
    source: str | None = eqx.field(static=True, default=None)
    name, usage = "empirical", "empirical:FILE or empirical:NUMBER,NUMBER"
    words = 1

    def __check_init__(self):
        if not 1 <= len(self.values) <= MOST_VALUES:
            raise ValueError(f"empirical values = {len(self.values)} of them: must be 1 to {MOST_VALUES}")
        wrong = [x for x in self.values if not 0 < x < np.inf]
        if wrong:
            raise ValueError(f"empirical values = {wrong[0]:g}: must be numbers > 0")

    def parameter(self):
        """The values as they were given."""
        return self.values

    @classmethod
    def parse(cls, text: str) -> Self:
        """Numbers with commas between, or a file of numbers."""
        if not text:
            raise ValueError(f"law = empirical: must be {cls.usage}")
        try:
            return cls(_split(text))
        except _NoNumbers:
            pass
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no text"
            raise ValueError(f"law = empirical:{text}: must be {cls.usage} ({reason})") from None
        try:
            return cls(_split(" ".join(line.split("#")[0] for line in lines)), text)
        except _NoNumbers as error:
            raise ValueError(f"law = empirical:{text}: must be a file of numbers, and has {error}") from None

    def _text(self, parameter):
        return self.source or ",".join(map(shortest, parameter))

    def sample(self, words):
        values = np.sort(self.values)
        values = jnp.asarray((values / values.mean()).astype(np.float32))
        index, _ = random.below(words[0], len(self.values))
        return values.at[index].get(mode="promise_in_bounds")


class _NoNumbers(ValueError):
    pass


def _split(text: str) -> list[float]:
    found = []
    for part in text.replace(",", " ").split():
        try:
            found.append(float(part))
        except ValueError:
            raise _NoNumbers(part) from None
    return found
