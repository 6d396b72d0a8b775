"""Arrival rates that are constant, or piecewise constant in time."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.checks import FieldError

NEVER = 1e30
"""Time to the next switch after the last one."""


class Schedule(eqx.Module):
    """Arrival rates by phase, shape (P, I), and how long each phase but the last lasts, shape (P - 1,).

    Its state is (phase, time left in it, what rounding has left of the time that passed), and () where there is one phase.
    """

    rates: Any
    durations: Any

    @property
    def switches(self) -> bool:
        """Whether there is more than one phase."""
        return self.rates.shape[0] > 1

    def begin(self):
        """The state at time 0."""
        return (jnp.int32(0), self.durations[0], jnp.float32(0)) if self.switches else ()

    def arrival_rates(self, state) -> list:
        """The rates now, by class."""
        current = list(self.rates[0])
        for p in range(1, self.rates.shape[0]):
            current = [jnp.where(state[0] == p, self.rates[p, i], rate) for i, rate in enumerate(current)]
        return current

    def next_switch(self, state):
        """Time left in the phase; None where there is one."""
        return state[1] if self.switches else None

    def drift(self, state, elapsed):
        """The state ``elapsed`` time later, at most as long as the phase lasts."""
        if not self.switches:
            return state
        phase, before, owed = state
        elapsed = elapsed + owed
        left = before - elapsed
        over, following = left <= 0, jnp.float32(NEVER)
        for p in range(1, self.rates.shape[0] - 1):
            following = jnp.where(phase == p - 1, self.durations[p], following)
        # compensated, as a float32 near 10**4 would lose much of a short step
        return phase + over, jnp.where(over, following, left), jnp.where(over, 0.0, elapsed - (before - left))


class Changes(eqx.Module):
    """Arrival rates of the classes from given times on; ``times`` increase from > 0, ``rates`` has a row a time."""

    times: tuple[float, ...] = eqx.field(static=True)
    rates: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def __check_init__(self):
        for k, (time, before) in enumerate(zip(self.times, (0.0, *self.times[:-1]), strict=True)):
            if not (math.isfinite(time) and time > before):
                raise FieldError("changes", self, f"time {k + 1} must be > {before:g}, not {time:g}")

    def check(self, classes: tuple[str, ...]) -> None:
        """ValueError unless there is a rate >= 0 for each class at each time."""
        for time, row in zip(self.times, self.rates, strict=True):
            if len(row) != len(classes) or not all(math.isfinite(x) and x >= 0 for x in row):
                raise FieldError(
                    "changes",
                    self,
                    f"must have {len(classes)} rates >= 0 at time {time:g}, one a class ({', '.join(classes)})",
                )

    def __str__(self) -> str:
        parts = zip(self.times, self.rates, strict=False)
        return "; ".join(f"{time:.15g}: {','.join(f'{x:.15g}' for x in row)}" for time, row in parts)


def parse_changes(text: str) -> Changes:
    """``20: 300,500; 40: 250,600``. Raises ValueError."""
    try:
        parts = [part.split(":") for part in text.split(";")]
        pairs = [(float(time), tuple(map(float, row.split(",")))) for time, row in parts]
    except ValueError:
        raise FieldError("changes", text, "must be time: rate,rate,... such as 20: 300,500; 40: 250,600") from None
    return Changes(*(tuple(column) for column in zip(*pairs, strict=True)))
