"""Observed values as a law."""

from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.host_numbers import host_column
from jaxq.laws.column import numbers_or_column
from jaxq.laws.lattice import tick
from jaxq.laws.law import Law, shortest

MOST_VALUES = 2**24
"""They are part of the compiled program, four bytes each."""


def _values(value: Any) -> tuple[float, ...]:
    column = host_column("empirical values", value, "numbers >= 0")
    if not 1 <= column.size <= MOST_VALUES:  # before they are Python's numbers, which takes seconds
        raise FieldError("empirical values", f"{column.size} of them", f"must be 1 to {MOST_VALUES}")
    return tuple(column.tolist())


class Empirical(Law):
    """One of the observed values, each as likely, over their mean; drawn with replacement.

    Values are >= 0, not all 0, and sorted first, so that a word is a quantile. They fix the program: other values compile
    anew. In text they are numbers with commas between or a column of a file (`jaxq.laws.column`), ``FILE`` or
    ``FILE#COLUMN``, which the law then keeps as its ``source`` and its text. Like every law it is scaled by the system that
    has it: give that the rate ``law.rate`` (``--service-rate file`` on the command line) to keep the unit of the values.

    Raises:
        ValueError: the values are no column of 1 to 2**24 finite numbers >= 0 of a mean > 0.

    Example:
        >>> services = jaxq.Empirical([0.5, 0.0, 2.5])
        >>> jaxq.MG1(arrival_rate=0.5, service_rate=services.rate, service_law=services)
    """

    values: tuple[float, ...] = eqx.field(static=True, converter=_values)
    source: str | None = eqx.field(static=True, default=None)
    name, usage = "empirical", "empirical:FILE[#COLUMN] or empirical:NUMBER,NUMBER"
    words = 1

    def __check_init__(self):
        wrong = _not_allowed(self.values)
        if wrong.size:
            raise FieldError("empirical values", self.values[wrong[0]], "must be numbers >= 0", short=True)
        if not 0 < self.mean < np.inf:
            raise FieldError(
                "empirical values", f"{len(self.values)} of them, of mean {self.mean:g}", "must have a finite mean > 0"
            )

    @property
    def mean(self) -> float:
        """Mean of the values, in their own unit."""
        with np.errstate(over="ignore"):
            return float(np.mean(self.values))

    @property
    def rate(self) -> float:
        """1/mean."""
        return 1 / self.mean

    @property
    def tick(self):
        """That of the values, over their mean."""
        found = tick(self.values)
        return None if found is None else found / self.mean

    @property
    def largest(self):
        """The largest value, over their mean."""
        return max(self.values) / self.mean

    def parameter(self):
        """The values as they were given."""
        return self.values

    @classmethod
    def parse(cls, text: str) -> Self:
        """Numbers with commas between, or a column of a file."""
        column = numbers_or_column(("law", f"empirical{':' if text else ''}{text}"), text, cls.usage)
        if isinstance(column, list):
            return cls(column)
        wrong = _not_allowed(column.values)
        if wrong.size:
            raise column.refused(wrong[0], "must be >= 0")
        return cls(column.values, text)

    def _text(self, parameter):
        return self.source or ",".join(map(shortest, parameter))

    def sample(self, words) -> Float32[Array, "*batch"]:
        values = np.sort(self.values)
        values = jnp.asarray((values / values.mean()).astype(np.float32))
        index, _ = random.below(words[0], len(self.values))
        return values.at[index].get(mode="promise_in_bounds")


def _not_allowed(values) -> np.ndarray:
    """Places of the values that are none of a time."""
    values = np.asarray(values)
    return np.flatnonzero(~((values >= 0) & (values < np.inf)))
