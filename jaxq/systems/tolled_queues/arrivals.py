"""Arrival streams of mean rate 1; the system scales time."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.laws.law import Law, shortest
from jaxq.laws.standard import LAWS, Exponential, parse_law

MOST_PHASES = 8
MOST_TIMES = 2**20
_SLACK = 1e-9


def _numbers(value: Any) -> Any:
    """Nested tuples of floats."""
    try:
        return tuple(_numbers(x) if np.ndim(x) else float(x) for x in value)
    except (TypeError, ValueError):
        raise ValueError(f"arrivals = {value}: must be numbers") from None


class Arrivals(eqx.Module):
    """A stationary stream of customers, one at a time, at mean rate 1."""

    words: ClassVar[Any]
    """Words one event uses."""
    init_words: ClassVar[int] = 0
    every_event: ClassVar[bool] = True
    """Whether every event is a customer."""

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
            raise ValueError(f"arrivals = {self}: must have 2 to {MOST_PHASES} phases, a rate each")
        if not (np.all(np.isfinite(rates)) and np.all(rates >= 0) and rates.sum() > 0):
            raise ValueError(f"arrivals = {self}: rates must be >= 0 and not all 0")
        if len(moves) != n or any(np.shape(row) != (n,) for row in moves):
            raise ValueError(f"arrivals = {self}: the generator must have {n} rows of {n} rates")
        matrix = np.array(moves)
        off = matrix - np.diag(np.diag(matrix))
        if not (np.all(np.isfinite(matrix)) and np.all(off >= 0) and np.all(np.abs(matrix.sum(axis=1)) <= _SLACK)):
            raise ValueError(f"arrivals = {self}: the generator must be >= 0 off the diagonal, with rows that sum to 0")
        if np.any(np.linalg.matrix_power(np.eye(n) + (off > 0), n) == 0):
            raise ValueError(f"arrivals = {self}: every phase must be reached from every other")
        chances = np.column_stack([rates, off])
        random.check_drawn(f"arrivals = {self}", chances / chances.sum(axis=1, keepdims=True))

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
    """Given times of arrival, repeated without end: the first follows the last one as it follows time 0.

    A replica starts at a place of its own, each customer of the trace being as likely. The times are increasing and
    > 0; they fix the program. In text they are numbers with commas between or the name of a file of numbers (white
    space or commas between, ``#`` starts a comment).
    """

    times: tuple[float, ...] = eqx.field(static=True, converter=_numbers)
    source: str | None = eqx.field(static=True, default=None)
    words, init_words = 0, 1
    usage = "trace:FILE or trace:NUMBER,NUMBER"

    def __check_init__(self):
        if not 1 <= len(self.times) <= MOST_TIMES:
            raise ValueError(f"arrivals = trace of {len(self.times)} times: must have 1 to {MOST_TIMES}")
        gaps = np.diff(self.times, prepend=0.0)
        wrong = np.flatnonzero(~(np.isfinite(gaps) & (gaps > 0)))
        if wrong.size:
            i = int(wrong[0])
            before = f"after {self.times[i - 1]:g}" if i else "first"
            raise ValueError(f"arrivals = trace with {self.times[i]:g} {before}: times must be > 0 and increasing")

    def __str__(self) -> str:
        return "trace:" + (self.source or ",".join(map(shortest, self.times)))

    @property
    def rate(self) -> float:
        """Customers per unit of the trace's own time: give arrival rates of this sum to keep its times."""
        return len(self.times) / self.times[-1]

    def init(self, words):
        count = len(self.times)
        return jnp.minimum(random.scaled(words[0], jnp.float32(count)).astype(jnp.int32), count - 1)

    def next(self, state, words):
        gaps = np.diff(self.times, append=self.times[-1] + self.times[0]) * self.rate
        following = jnp.where(state == len(gaps) - 1, 0, state + 1)
        return jnp.asarray(gaps, jnp.float32).at[state].get(mode="promise_in_bounds"), following


def _trace(text: str) -> Trace:
    def split(text: str) -> list[float]:
        return [float(part) for part in text.replace(",", " ").split()]

    try:
        return Trace(split(text))
    except ValueError as error:
        if str(error).startswith("arrivals"):
            raise
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
        times = split(" ".join(line.split("#")[0] for line in lines))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"arrivals = trace:{text}: must be {Trace.usage} ({reason})") from None
    return Trace(times, text)


def parse_arrivals(text: str) -> Arrivals:
    """``poisson``, the name of a law of the gaps, ``modulated:...`` or ``trace:...``. Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "modulated":
        try:
            rates, *rows = [[float(x) for x in part.split(",")] for part in rest.split(";")]
        except ValueError:
            raise ValueError(f"arrivals = {text}: must be {Modulated.usage}, numbers with commas between") from None
        return Modulated(rates, rows)
    if kind == "trace":
        return _trace(rest)
    if text != "poisson" and kind not in LAWS:
        laws = ", ".join(law.usage for law in LAWS.values())
        raise ValueError(f"arrivals = {text}: must be poisson, {Modulated.usage}, {Trace.usage}, or gaps by {laws}")
    return Renewal(Exponential() if text == "poisson" else parse_law(text))
