"""Laws of unit mean with one parameter or none, and every law by name; a system multiplies by its own mean.

A law uses a fixed number of words a variate. Each is written ``name`` or ``name:parameter`` in text: ``exponential``,
``deterministic``, ``erlang:3``, ``hyperexponential:4``, ``lognormal:2`` and ``gamma:0.5`` (these three by their squared
coefficient of variation), ``weibull:0.7`` (shape), ``pareto:2.5`` (index), ``phase-type:0.5,0.5;-1,0.5;0,-2`` (initial
vector, then the rows of the sub-generator) and ``empirical:0.3,1.2,0.9``, ``empirical:FILE`` or ``empirical:FILE#COLUMN``
(observed values).
"""

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float32

from jaxq import random
from jaxq.engine.fields import real, whole
from jaxq.laws.empirical import Empirical
from jaxq.laws.gamma import Gamma
from jaxq.laws.law import TINY, Law, parse
from jaxq.laws.phase_type import PhaseType


class Exponential(Law):
    """``-log U``; squared coefficient of variation 1."""

    name = usage = "exponential"
    words = 1

    def sample(self, words) -> Float32[Array, "*batch"]:
        return random.exponential(words[0])

    def density(self, x):
        return jnp.exp(-x)


class Deterministic(Law):
    """The constant 1."""

    name = usage = "deterministic"
    words = 0

    @property
    def tick(self):
        return 1.0

    @property
    def largest(self):
        return 1.0

    def sample(self, words) -> Float32[Array, ""]:
        return jnp.float32(1)


class Erlang(Law):
    """The mean of ``phases`` unit exponentials; squared coefficient of variation 1/phases."""

    phases: int = whole("phases", static=True, high=64)
    name, usage = "erlang", "erlang:PHASES"

    @property
    def words(self):
        return int(self.phases)

    def sample(self, words) -> Float32[Array, "*batch"]:
        return random.exponential(*words) * np.float32(1 / self.phases)

    def density(self, x):
        k = self.phases
        return k * jnp.exp((k - 1) * jnp.log(k * x) - k * x - math.lgamma(k))


class Hyperexponential(Law):
    """Two exponential phases with balanced means: phase 1 with probability ``p = (1 + sqrt((c - 1)/(c + 1)))/2``, c the
    squared coefficient of variation, of mean 1/(2p); phase 2 otherwise, of mean 1/(2(1 - p)).

    Up to c = 1e7, where phase 2 has 215 of the 2**32 words.
    """

    scv: float = real("squared coefficient of variation", low=1.0, open_low=True, high=1e7)
    name, usage = "hyperexponential", "hyperexponential:SCV"
    words = 2

    def sample(self, words) -> Float32[Array, "*batch"]:
        root, long = self._phases()
        mean = jnp.where(random.scaled(words[0], 1.0) < long, 0.5 / long, 1 / (1 + root))
        return mean * random.exponential(words[1])

    def density(self, x):
        root, long = self._phases()
        return 2 * long**2 * jnp.exp(-2 * long * x) + (1 + root) ** 2 / 2 * jnp.exp(-(1 + root) * x)

    def _phases(self):
        """(2 p - 1, 1 - p without a difference)."""
        root = jnp.sqrt((self.scv - 1) / (self.scv + 1))
        return root, 1 / ((self.scv + 1) * (1 + root))


class Lognormal(Law):
    """``exp(s Z - s**2/2)`` with ``s**2 = log(1 + scv)``, Z to 9.2 standard deviations.

    Of the second moment that leaves out .002 % at scv 1000 and .8 % at 1e5, the most that is taken.
    """

    scv: float = real("squared coefficient of variation", low=0.0, open_low=True, high=1e5)
    name, usage = "lognormal", "lognormal:SCV"
    words = 2

    def sample(self, words) -> Float32[Array, "*batch"]:
        variance = jnp.log1p(self.scv)
        return jnp.exp(jnp.sqrt(variance) * random.normal(*words) - variance / 2)

    def density(self, x):
        variance, x = jnp.log1p(self.scv), jnp.maximum(x, TINY)
        off = jnp.log(x) + variance / 2
        return jnp.exp(-off * off / (2 * variance)) / (x * jnp.sqrt(2 * np.pi * variance))


class Weibull(Law):
    """``E**(1/k) / Gamma(1 + 1/k)``, E a unit exponential and k the shape: ``P(X > x) = exp(-(Gamma(1 + 1/k) x)**k)``.

    Below shape 0.2 the third moment would rest on values that 49 bits do not reach.
    """

    shape: float = real("shape", low=0.2)
    name, usage = "weibull", "weibull:SHAPE"
    words = 2

    def sample(self, words) -> Float32[Array, "*batch"]:
        return jnp.exp(jnp.log(_far_exponential(*words)) / self.shape - gammaln(1 + 1 / self.shape))

    def density(self, x):
        log = jnp.log(jnp.maximum(x, TINY))
        power = self.shape * (log + gammaln(1 + 1 / self.shape))
        return self.shape * jnp.exp(power - log - jnp.exp(power))

    @property
    def dense(self):
        return bool(self.shape >= 1)


class Pareto(Law):
    """The Pareto law of the first kind: ``P(X > x) = (m/x)**a`` for x above the minimum ``m = (a - 1)/a``, a the index.

    The variance is infinite for a <= 2, and with it every mean wait of a queue with Poisson arrivals and one server; up
    to a = 4 the average of simulated waits has no finite variance, and its interval is only a scale. The largest value
    is ``m 2**(49/a)``: it would be passed once in 6e14 variates. Beyond it lies .3 % of the mean for a = 1.2, the least
    that is taken, and of the second moment 20 % for a = 2.1, .1 % for a = 2.5.
    """

    index: float = real("index", low=1.2)
    name, usage = "pareto", "pareto:INDEX"
    words = 2

    @property
    def moments(self):
        return float(self.index)

    def sample(self, words) -> Float32[Array, "*batch"]:
        return jnp.exp(_far_exponential(*words) / self.index) * self._least()

    def density(self, x):
        """It jumps at the minimum, where this is what it is above."""
        least = self._least()
        above = jnp.maximum(x, least)
        power = jnp.exp((self.index + 1) * (jnp.log(least) - jnp.log(above)))
        return jnp.where(x >= least, self.index / least * power, 0.0)

    def _least(self):
        return (self.index - 1) / self.index


def _far_exponential(first, second):
    """A unit exponential from two words, up to 34 instead of 22.9: where the first word is among its lowest 2**-16, the
    second one goes on from there (no memory). Powers of it need the tail."""
    deep = np.float32(16 * np.log(2)) + random.exponential(second)
    return jnp.where(first < 2**16, deep, random.exponential(first))


LAWS: dict[str, type[Law]] = {
    law.name: law
    for law in (
        Exponential,
        Deterministic,
        Erlang,
        Hyperexponential,
        Lognormal,
        Gamma,
        Weibull,
        Pareto,
        PhaseType,
        Empirical,
    )
}
USAGE = ", ".join(law.usage for law in LAWS.values())
"""How laws are written in text."""


def parse_law(text: str) -> Law:
    """A law from ``name`` or ``name:parameter``. FieldError for an unknown name or a parameter that is not allowed."""
    return parse(text, LAWS)
