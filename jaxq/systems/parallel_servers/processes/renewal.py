"""Arrivals of the classes as renewal processes of phase type: the state stays a Markov chain with a phase more a class.

Hmedi, Arapostathis and Pang, arXiv 2009.01942, Remarks 4.6 and 6.13. A clock of unit mean, sped up by the arrival rate of
its class, goes through phases; when it ends a customer arrives and it starts anew. Phases move by a few offsets (by one in
an Erlang law), so that the transitions of a class are its offsets and the phases in which a clock may start.
"""

import itertools
import re
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.fields import compound
from jaxq.laws.law import Law
from jaxq.laws.standard import parse_law

TAKEN = "exponential, erlang:PHASES, hyperexponential:SCV, phase-type:INITIAL;ROW;ROW"


class Phases(NamedTuple):
    """A law of unit mean: initial vector and sub-generator."""

    initial: tuple[float, ...]
    generator: tuple[tuple[float, ...], ...]

    @property
    def scv(self) -> float:
        """Squared coefficient of variation, 2 b (-T)^-2 1 - 1."""
        inverse = np.linalg.inv(-np.array(self.generator))
        return float(2 * np.array(self.initial) @ inverse @ inverse @ np.ones(len(self.initial)) - 1)


POISSON = Phases((1.0,), ((-1.0,),))


def phases_of(law: Law) -> Phases:
    """The phases of a law. ValueError for one that has none."""
    name: str = law.name
    parameter: Any = law.parameter()
    if name == "exponential":
        return POISSON
    if name == "erlang":
        k = int(parameter)
        return _phases(np.eye(k)[0], k * (np.eye(k, k=1) - np.eye(k)))
    if name == "hyperexponential":
        long = 1 / ((parameter + 1) * (1 + np.sqrt((parameter - 1) / (parameter + 1))))
        return _phases(np.array([1 - long, long]), -2 * np.diag([1 - long, long]))
    if name == "phase-type":
        initial, generator = (np.array(part, np.float64) for part in parameter)
        mean = float(initial @ np.linalg.solve(-generator, np.ones(len(initial))))
        return _phases(initial, generator * mean)
    raise FieldError("arrival_laws", law, f"must be of phase type ({TAKEN}), so that the state is a Markov chain")


def _phases(initial: np.ndarray, generator: np.ndarray) -> Phases:
    return Phases(tuple(initial.tolist()), tuple(tuple(row) for row in (generator + 0.0).tolist()))


class ArrivalLaws(eqx.Module):
    """Laws of the times between arrivals, over their means: one a class, or one for all. As text, or `Law`s."""

    laws: tuple[str, ...] = eqx.field(static=True, converter=lambda laws: tuple(map(str, laws)))

    def __check_init__(self):
        for law in self.laws:
            phases_of(parse_law(law))

    def __str__(self) -> str:
        return ",".join(self.laws)

    def phases(self, classes: tuple[str, ...]) -> tuple[Phases, ...]:
        """The phases of each class. ValueError for another number of laws."""
        if len(self.laws) not in (1, len(classes)):
            raise FieldError(
                "arrival_laws",
                self,
                f"must be one law, or {len(classes)}, one a class ({', '.join(classes)}), not {len(self.laws)}",
            )
        found = tuple(phases_of(parse_law(law)) for law in self.laws)
        return found * len(classes) if len(found) == 1 else found


def parse_arrival_laws(text: str) -> ArrivalLaws:
    """``erlang:2`` or ``erlang:2,hyperexponential:4``. Raises ValueError."""
    return ArrivalLaws(tuple(part.strip() for part in re.split(r",(?=\s*[a-z])", text)))


def arrival_laws_field() -> Any:
    """A field that holds `ArrivalLaws`, or none."""
    return compound(
        "laws of the times between arrivals over their means, of phase type, one a class or one for all; none: Poisson",
        parse_arrival_laws,
        ArrivalLaws,
        default=None,
        optional=True,
        usage="erlang:2,hyperexponential:4",
    )


def variations(laws: ArrivalLaws | None, classes: tuple[str, ...]) -> np.ndarray:
    """c_i^2, squared coefficients of variation by class; 1 for none, Poisson arrivals."""
    return np.ones(len(classes)) if laws is None else np.array([law.scv for law in laws.phases(classes)])


class Renewal(eqx.Module):
    """The clocks of all classes; their state is a phase, int32, for each class that has more than one.

    Attributes:
        laws: `Phases` by class.
    """

    laws: tuple[Phases, ...] = eqx.field(static=True)

    @property
    def clocks(self) -> tuple[int, ...]:
        """The classes with more than one phase."""
        return tuple(i for i, law in enumerate(self.laws) if len(law.initial) > 1)

    @property
    def moves(self) -> tuple[tuple[int, int], ...]:
        """(class, offset by which its phase moves without an arrival)."""
        found = []
        for i in self.clocks:
            generator = np.array(self.laws[i].generator)
            offsets = [d for d in range(1 - len(generator), len(generator)) if d and np.any(np.diagonal(generator, d))]
            found += [(i, d) for d in offsets]
        return tuple(found)

    def starts(self, i: int) -> tuple[int, ...]:
        """Phases in which the clock of a class may start anew."""
        return tuple(int(q) for q in np.flatnonzero(self.laws[i].initial))

    def begin(self) -> tuple:
        """The phases at time 0: the likeliest start of each."""
        return tuple(jnp.int32(int(np.argmax(self.laws[i].initial))) for i in self.clocks)

    def move_rates(self, phases: tuple, arrival_rates: list) -> list:
        """The rates of `moves`."""
        found = []
        for i, d in self.moves:
            generator = np.array(self.laws[i].generator)
            table = [generator[p, p + d] if 0 <= p + d < len(generator) else 0.0 for p in range(len(generator))]
            found.append(arrival_rates[i] * _at(table, phases[self.clocks.index(i)]))
        return found

    def arrivals(self, classes: list[int]) -> list[tuple[int, int, int]]:
        """(stream, class, start) of every transition that brings an arrival; ``classes``: of the streams."""
        return [(s, i, q) for s, i in enumerate(classes) for q in self.starts(i)]

    def arrival_rates(self, phases: tuple, streams: list) -> list:
        """The rates of `arrivals`; ``streams``: (class, mean rate)."""
        found = []
        for stream, i, q in self.arrivals([i for i, _ in streams]):
            rate = streams[stream][1]
            if i in self.clocks:
                law = self.laws[i]
                ends = [-sum(row) * law.initial[q] for row in law.generator]
                rate = rate * _at([max(x, 0.0) for x in ends], phases[self.clocks.index(i)])
            found.append(rate)
        return found

    def after(self, phases: tuple, k, first: int, classes: list[int]) -> tuple:
        """The phases after transition k; ``first``: the number of the first of `moves`, which `arrivals` follow."""
        following = list(phases)
        for place, (i, d) in enumerate(self.moves):
            c = self.clocks.index(i)
            following[c] = following[c] + jnp.where(k == first + place, d, 0)
        for place, (_, i, q) in enumerate(self.arrivals(classes), first + len(self.moves)):
            if i in self.clocks:
                c = self.clocks.index(i)
                following[c] = jnp.where(k == place, q, following[c])
        return tuple(following)


def _at(table: list[float], phase):
    """The entry of a table at a phase: a selection where neighbours differ."""
    value: Any = table[0]
    for p, (before, here) in enumerate(itertools.pairwise(table), 1):
        value = value if here == before else jnp.where(phase >= p, here, value)
    return value
