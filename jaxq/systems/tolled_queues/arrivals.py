"""Arrival streams of mean rate 1; the system scales time."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.host_numbers import host_column
from jaxq.laws.column import numbers_or_column
from jaxq.laws.lattice import tick
from jaxq.laws.law import Law, shortest
from jaxq.laws.standard import LAWS, USAGE, Exponential, parse_law

MOST_PHASES = 8
MOST_TIMES = 2**24
"""They are part of the compiled program, four bytes each."""
_SLACK = 1e-9


def _numbers(value: Any) -> Any:
    """Nested tuples of floats."""
    try:
        return tuple(_numbers(x) if np.ndim(x) else float(x) for x in value)
    except (TypeError, ValueError):
        raise FieldError("arrivals", value, "must be numbers") from None


def _times(value: Any) -> tuple[float, ...]:
    return tuple(host_column("trace times", value, "numbers (seconds since some time, say, not dates)").tolist())


class Arrivals(eqx.Module):
    """A stationary stream of customers, one at a time, at mean rate 1."""

    words: ClassVar[Any]
    """Words one event uses."""
    init_words: ClassVar[int] = 0
    every_event: ClassVar[bool] = True
    """Whether every event is a customer."""

    @property
    def tick(self) -> float | None:
        """The largest number of which all times between events are whole multiples, on the host; None: there is none."""
        return None

    @abstractmethod
    def init(self, words: tuple) -> Any:
        """The state of the stream at time 0."""

    @abstractmethod
    def next(self, state, words: tuple) -> tuple[Any, Any]:
        """(time to the next event, the state of the stream then)."""

    def customer(self, state) -> Any:
        """Whether the event that led to ``state`` is a customer."""
        return True


class Renewal(Arrivals):
    """Independent gaps from a law; Poisson if that is exponential. Time 0 is a customer's."""

    law: Law = Exponential()

    @property
    def words(self):
        return self.law.words

    def init(self, words):
        return ()

    def next(self, state, words):
        return self.law.sample(words), ()

    @property
    def tick(self):
        """That of the law."""
        return self.law.tick

    @property
    def rate(self) -> float | None:
        """1/mean of the gaps as they were observed, if they were."""
        return getattr(self.law, "rate", None)

    def __str__(self) -> str:
        return "poisson" if isinstance(self.law, Exponential) else str(self.law)


class Modulated(Arrivals):
    """A Markov-modulated Poisson process: in phase k customers come at rate ``rates[k]``, and phases change by
    ``generator``; both are then scaled in time to a mean rate of 1.

    An event is a customer or a change of phase: two words, whatever the rates. It starts in a stationary phase. Both
    fields fix the program. In text the rates come first, then the rows: ``modulated:2,0.5;-0.1,0.1;0.3,-0.3`` (a shell
    wants it in quotes).
    """

    rates: tuple[float, ...] = eqx.field(static=True, converter=_numbers)
    generator: tuple[tuple[float, ...], ...] = eqx.field(static=True, converter=_numbers)
    words, init_words, every_event = 2, 1, False
    usage = "modulated:RATES;ROW;ROW"

    def __check_init__(self):
        rates, moves, n = np.array(self.rates), self.generator, len(self.rates)
        if not (2 <= n <= MOST_PHASES and rates.ndim == 1):
            raise FieldError("arrivals", self, f"must have 2 to {MOST_PHASES} phases, a rate each")
        if not (np.all(np.isfinite(rates)) and np.all(rates >= 0) and rates.sum() > 0):
            raise FieldError("arrivals", self, "rates must be >= 0 and not all 0")
        if len(moves) != n or any(np.shape(row) != (n,) for row in moves):
            raise FieldError("arrivals", self, f"the generator must have {n} rows of {n} rates")
        matrix = np.array(moves)
        off = matrix - np.diag(np.diag(matrix))
        if not (np.all(np.isfinite(matrix)) and np.all(off >= 0) and np.all(np.abs(matrix.sum(axis=1)) <= _SLACK)):
            raise FieldError("arrivals", self, "the generator must be >= 0 off the diagonal, with rows that sum to 0")
        if np.any(np.linalg.matrix_power(np.eye(n) + (off > 0), n) == 0):
            raise FieldError("arrivals", self, "every phase must be reached from every other")
        chances = np.column_stack([rates, off])
        random.check_drawn("arrivals", self, chances / chances.sum(axis=1, keepdims=True))

    def __str__(self) -> str:
        rows = [",".join(shortest(x) for x in row) for row in (self.rates, *self.generator)]
        return f"modulated:{';'.join(rows)}"

    def phases(self) -> np.ndarray:
        """The stationary law of the phase."""
        n = len(self.rates)
        return np.linalg.lstsq(np.vstack([np.transpose(self.generator), np.ones(n)]), np.eye(n + 1)[n], rcond=None)[0]

    def init(self, words):
        phase = (words[0] >= random.edges(self.phases()[:-1])).sum()
        return phase.astype(jnp.int32), jnp.asarray(False)

    def next(self, state, words):
        phase, _ = state
        rates, moves = np.array(self.rates), np.array(self.generator)
        off = moves - np.diag(np.diag(moves))
        mean = self.phases() @ rates
        total = rates + off.sum(axis=1)
        chances = np.column_stack([rates, off]) / total[:, None]  # a customer first, then the phases in order
        edges = np.stack([random.edges(row[:-1]) for row in chances])

        def of_phase(values):
            return jnp.asarray(values).at[phase].get(mode="promise_in_bounds")

        outcome = jnp.int32(0)
        for edge in edges.T:
            outcome = outcome + (words[1] >= of_phase(edge)).astype(jnp.int32)
        customer = outcome == 0
        return random.exponential(words[0]) * of_phase(np.float32(mean / total)), (
            jnp.where(customer, phase, outcome - 1),
            customer,
        )

    def customer(self, state):
        return state[1]


class Trace(Arrivals):
    """Given times of arrival: their gaps in order, repeated without end.

    The first time is where the trace begins, so that n times have n - 1 gaps, and the last customer of a round stands for
    the first of the next one; only differences count, which are taken in float64 (seconds since 1970 are fine, and where
    the time up to the first customer matters, put the origin first). Times must not decrease; equal ones are customers
    who come together. A replica starts at a place of its own, each gap being as likely.

    The times fix the program. In text they are numbers with commas between or a column of a file
    (`jaxq.laws.column`): ``trace:FILE`` or ``trace:FILE#COLUMN``.

    Raises:
        ValueError: the times are no column of 2 to 2**24 finite numbers, decrease, or are all equal.

    Example:
        >>> arrivals = jaxq.Trace([28800.0, 28830.0, 28830.0, 29100.0])
        >>> jaxq.TolledQueues(arrival_rates=arrivals.rate, service_rates=0.02, arrivals=arrivals)
    """

    times: tuple[float, ...] = eqx.field(static=True, converter=_times)
    source: str | None = eqx.field(static=True, default=None)
    words, init_words = 0, 1
    usage = "trace:FILE[#COLUMN] or trace:NUMBER,NUMBER"

    def __check_init__(self):
        times = np.array(self.times)
        if not 2 <= times.size <= MOST_TIMES:
            raise FieldError("arrivals", f"trace of {times.size} times", f"must have 2 to {MOST_TIMES}")
        wrong = np.flatnonzero(~np.isfinite(times))
        if wrong.size:
            raise FieldError("arrivals", f"trace with {times[wrong[0]]:g}", "times must be finite numbers")
        back = _decreases(times)
        if back.size:
            before, here = map(shortest, self.times[back[0] - 1 : back[0] + 1])
            raise FieldError("arrivals", f"trace with {here} after {before}", "times must not decrease")
        first, last = self.times[0], self.times[-1]
        if not 0 < last - first < np.inf:
            raise FieldError("arrivals", f"trace from {shortest(first)} to {shortest(last)}", "must last a time > 0")

    def __str__(self) -> str:
        return "trace:" + (self.source or ",".join(map(shortest, self.times)))

    @property
    def rate(self) -> float:
        """Customers per unit of the trace's own time, a gap each; arrival rates of this sum keep its times."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    @property
    def tick(self):
        """That of the gaps, over their mean."""
        found = tick(np.diff(self.times))
        return None if found is None else found * self.rate

    def init(self, words):
        return random.below(words[0], len(self.times) - 1)[0]

    def next(self, state, words):
        gaps = np.diff(self.times) * self.rate
        following = jnp.where(state == len(gaps) - 1, 0, state + 1)
        return jnp.asarray(gaps, jnp.float32).at[state].get(mode="promise_in_bounds"), following


def _decreases(times) -> np.ndarray:
    """Places of the times that are less than the one before."""
    return np.flatnonzero(np.diff(times) < 0) + 1


def _trace(text: str) -> Trace:
    column = numbers_or_column(("arrivals", f"trace:{text}"), text, Trace.usage)
    if isinstance(column, list):
        return Trace(column)
    back = _decreases(column.values)
    if back.size:
        before = shortest(column.values[back[0] - 1].item())
        raise column.refused(back[0], f"must be >= {before}, the time before")
    return Trace(column.values, text)


def parse_arrivals(text: str) -> Arrivals:
    """``poisson``, the name of a law of the gaps, ``modulated:...`` or ``trace:...``. Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "modulated":
        try:
            rates, *rows = [[float(x) for x in part.split(",")] for part in rest.split(";")]
        except ValueError:
            raise FieldError("arrivals", text, f"must be {Modulated.usage}, numbers with commas between") from None
        return Modulated(rates, rows)
    if kind == "trace":
        return _trace(rest)
    if text != "poisson" and kind not in LAWS:
        raise FieldError("arrivals", text, f"must be poisson, {Modulated.usage}, {Trace.usage}, or gaps by {USAGE}")
    return Renewal(Exponential() if text == "poisson" else parse_law(text))
