"""Acyclic phase-type laws, with a fixed number of words a variate."""

import math
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from jaxq import random
from jaxq.checks import FieldError
from jaxq.laws.law import TINY, Law, shortest

MOST_PHASES = 32
"""Every phase is compiled."""
_SLACK = 1e-9
_CANCELLED = 1e3
"""Of the density, that terms of it may be together: a float32 of them is then right to 1e-4 of it."""


def _numbers(value: Any) -> Any:
    """Nested tuples of floats from a list, tuple or array."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise FieldError("phase-type", value, "must be numbers") from None
    return tuple(tuple(row.tolist()) if np.ndim(row) else float(row) for row in np.atleast_1d(array))


class PhaseType(Law):
    """The time to absorption of a Markov chain that starts by ``initial`` and has the sub-generator ``generator``, over
    its mean ``initial (-generator)**-1 1``.

    Only acyclic chains are taken, those of an upper triangular sub-generator: the phases come in order, each at most
    once, so n exponentials and n choices are exact, 2n words. With a cycle the number of visits has no bound.
    Coxian, hypoexponential and hyperexponential laws are of this kind.

    Both fields fix the program: other numbers compile anew. In text the vector comes first, then the rows:
    ``phase-type:0.5,0.5;-1,0.5;0,-2`` (a shell wants it in quotes).
    """

    initial: tuple[float, ...] = eqx.field(static=True, converter=_numbers)
    generator: tuple[tuple[float, ...], ...] = eqx.field(static=True, converter=_numbers)
    name, usage = "phase-type", "phase-type:INITIAL;ROW;ROW"

    def __check_init__(self):
        initial, generator = np.array(self.initial), np.array(self.generator)
        n = initial.size
        if initial.ndim != 1 or not 1 <= n <= MOST_PHASES:
            raise FieldError("phase-type initial", self.initial, f"must be 1 to {MOST_PHASES} probabilities")
        if not (np.all(initial >= 0) and abs(initial.sum() - 1) <= _SLACK):
            raise FieldError("phase-type initial", self.initial, "must be probabilities that sum to 1")
        if generator.shape != (n, n):
            raise FieldError("phase-type generator", self.generator, f"must have {n} rows of {n} rates")
        rates = -np.diag(generator)
        moves = generator + np.diag(rates)
        if not (np.all(np.isfinite(generator)) and np.all(rates > 0) and np.all(moves >= 0)):
            raise FieldError("phase-type generator", self.generator, "must be < 0 on the diagonal and >= 0 off it")
        if np.any(np.tril(moves)):
            raise FieldError(
                "phase-type generator",
                self.generator,
                "must be upper triangular (no phase comes twice; with cycles a variate takes no fixed number of words)",
            )
        if np.any(moves.sum(axis=1) > rates * (1 + _SLACK)):
            raise FieldError("phase-type generator", self.generator, "must have row sums <= 0")
        random.check_drawn("phase-type initial", self.initial, initial)
        random.check_drawn("phase-type generator", self.generator, moves / rates[:, None])

    @property
    def words(self):
        return 2 * len(self.initial)

    def parameter(self):
        """(initial, generator)."""
        return self.initial, self.generator

    @classmethod
    def parse(cls, text: str) -> Self:
        """``INITIAL;ROW;ROW``, each numbers with commas between."""
        written = "law", f"phase-type{':' if text else ''}{text}"
        try:
            initial, *rows = [[float(x) for x in part.split(",")] for part in text.split(";")]
        except ValueError:
            raise FieldError(*written, f"must be {cls.usage}, numbers with commas between") from None
        if any(len(row) != len(initial) for row in rows) or len(rows) != len(initial):
            n = len(initial)
            raise FieldError(*written, f"must be {cls.usage} with {n} rows of {n} rates")
        return cls(initial, rows)

    def _text(self, parameter):
        initial, generator = parameter
        return ";".join(",".join(map(shortest, row)) for row in (initial, *generator))

    def density(self, x):
        """Known to 1e-4 of its largest value where the law is `dense`."""
        log, found = jnp.log(jnp.maximum(x, TINY)), 0.0
        for (rate, power), size in self._terms().items():
            sign, size = np.float32(np.sign(size)), np.float32(np.log(abs(size)))
            found = found + sign * jnp.exp(size + power * log - np.float32(rate) * x)
        return jnp.maximum(found, 0.0)

    @property
    def dense(self):
        """Whether the terms of the density are not so much larger than it that float32 loses it between them: of rates that
        are nearly alike."""
        x = np.geomspace(1e-3, 1e2, 500)
        terms = [size * x**power * np.exp(-rate * x) for (rate, power), size in self._terms().items()]
        return bool(np.sum(np.abs(terms), axis=0).max() <= _CANCELLED * np.sum(terms, axis=0).max())

    def _terms(self) -> dict[tuple[float, int], float]:
        """The density is the sum of size x^power exp(-rate x): size by (rate, power).

        Phase j is left at rate r, and entered at rates of such terms; each integrated, the probability to be in phase j is
        sum of c int_0^x s^m exp(-a s) exp(-r (x - s)) ds, with d = a - r, for d = 0, c x^(m+1) / (m+1) exp(-r x), else
        c m! / d^(m+1) (exp(-r x) - exp(-a x) sum over k <= m of (d x)^k / k!).
        """
        initial, generator = np.array(self.initial), np.array(self.generator)
        generator = generator * (initial @ np.linalg.solve(-generator, np.ones(len(initial))))
        density: dict[tuple[float, int], float] = {}
        phases: list[dict[tuple[float, int], float]] = []

        def add(found, rate, power, size):
            found[rate, power] = found.get((rate, power), 0.0) + size

        for j, rate in enumerate(-np.diag(generator)):
            phases.append({(rate, 0): float(initial[j])})
            for i, into in enumerate(generator[:j, j]):
                for (other, m), size in phases[i].items() if into else ():
                    apart, size = other - rate, size * into
                    if abs(apart) <= _SLACK * rate:
                        add(phases[j], rate, m + 1, size / (m + 1))
                        continue
                    whole = size * math.factorial(m) / apart ** (m + 1)
                    add(phases[j], rate, 0, whole)
                    for k in range(m + 1):
                        add(phases[j], other, k, -whole * apart**k / math.factorial(k))
            leaving = rate - generator[j, j + 1 :].sum()
            for (other, m), size in phases[j].items():
                add(density, other, m, size * leaving)
        return {term: size for term, size in density.items() if size}

    def sample(self, words) -> Float32[Array, "*batch"]:
        initial, generator = np.array(self.initial), np.array(self.generator)
        n, rates = len(initial), -np.diag(generator)
        mean = initial @ np.linalg.solve(-generator, np.ones(n))
        phase, total = _choice(words[0], initial[:-1]), jnp.float32(0)
        for i in range(n):
            here = phase == i
            total = total + jnp.where(here, random.exponential(words[1 + 2 * i]) * np.float32(1 / rates[i] / mean), 0)
            if i + 1 < n:
                after = i + 1 + _choice(words[2 + 2 * i], generator[i, i + 1 :] / rates[i])
                phase = jnp.where(here, after, phase)
        return total


def _choice(word, probabilities):
    """k with the k-th probability, and their number with what is left to 1."""
    chosen = jnp.int32(0)
    for edge in random.edges(probabilities):
        chosen = chosen + (word >= edge).astype(jnp.int32)
    return chosen
