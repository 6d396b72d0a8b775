"""Per-replica random words.

Every replica carries one xoshiro128++ generator (Blackman and Vigna 2021, doi:10.1145/3460772): four uint32 words of
state, one uint32 word a draw, seeded by Threefry from ``(seed, domain, replica)``. A replica's stream therefore does
not depend on how many replicas run beside it, on the chunk length or on the devices. The functions below turn a word
into a variate; each uses exactly one word, so that a word can keep one purpose through a change of policy or
parameter (common random numbers).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.scipy.special import ndtri
from jaxtyping import Array, Float32, Int32, UInt32
from numpy.typing import ArrayLike

from jaxq.checks import FieldError

Word = UInt32[Any, "*batch"]
Variate = Float32[Array, "*batch"]

PATH, START, HOLDING = 0, 1, 2
"""Domains of the seed: the words of the path, of the initial state, of the holding times on a real clock."""


_once = functools.partial(jax.jit, inline=True)
"""A part of a program that is traced once, wherever it stands."""


class Stream(NamedTuple):
    """State of one xoshiro128++ generator: four uint32 words, not all zero."""

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array


def whole_seed(seed: Any) -> Any:
    """The number of a key of ``jax.random``, new or old style: that of ``jax.random.key(7)`` is 7. Anything else as it is.
    ValueError for a key that is not one of Threefry, or several."""
    if isinstance(seed, Tracer):
        raise FieldError("seed", "traced by JAX", "must be a number on the host (a run is a loop there)")
    if not isinstance(seed, (np.ndarray, jax.Array)):
        return seed
    typed = isinstance(seed, jax.Array) and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key)
    if not typed and not (seed.dtype == np.uint32 and seed.ndim):
        return seed
    words = np.asarray(jax.random.key_data(seed) if typed else seed)
    if words.shape != (2,):
        raise FieldError("seed", f"keys of shape {words.shape}", "must be a whole number or one Threefry key")
    return int(words[0]) << 32 | int(words[1])


def key_data(seed: Any) -> UInt32[np.ndarray, "2"]:
    """The seed as the two uint32 words of a Threefry key, on the host; ValueError unless 0 <= seed < 2**64."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise FieldError("seed", seed, "must be a whole number >= 0 and < 2**64, or a key of jax.random")
    return np.array([int(seed) >> 32, int(seed) & 0xFFFFFFFF], np.uint32)


def words_for(seed: int, domain: int, replicas: ArrayLike, count: int) -> UInt32[np.ndarray, "words ..."]:
    """``count`` words that depend on ``(seed, domain, replica)`` alone: uint32, shape ``(count, *replicas.shape)``.

    Threefry-2x32 in counter mode (Salmon et al. 2011, doi:10.1145/2063384.2063405), keyed by the seed, then the domain,
    then the replica. On the host, so that no program has to compile it. ``replicas``: whole numbers >= 0 and < 2**31.
    """
    numbers = np.ravel(replicas).astype(np.uint32)
    words = np.empty((count, numbers.size), np.uint32)
    key = _threefry(key_data(seed)[:, None], domain)
    for first in range(0, numbers.size, 2**14):  # so many that they stay in the cache
        part = slice(first, first + 2**14)
        own = _threefry(key, numbers[part])
        for number in range(count):
            words[number, part] = np.bitwise_xor(*_threefry(own, number))
    return words.reshape(count, *np.shape(replicas))


def _threefry(key, number) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 with 20 rounds of the counter (0, number); ``key``: two uint32 arrays."""
    keys = (*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x, y = keys[0], keys[1] + np.uint32(number)
    for group in range(5):
        for rotation in (17, 29, 16, 24) if group % 2 else (13, 15, 26, 6):
            x = x + y
            y = _rotate(y, rotation) ^ x
        x, y = x + keys[(group + 1) % 3], y + (keys[(group + 2) % 3] + np.uint32(group + 1))
    return x, y


def stream(seed: int, domain: int, replicas) -> Stream:
    """The generators of these replicas, seeded from ``(seed, domain, replica)``: words of the shape of ``replicas``."""
    return Stream(*words_for(seed, domain, replicas, 4))


def _rotate(x, k: int):
    return (x << k) | (x >> (32 - k))


@_once
def next_word(s: Stream):
    """One draw of xoshiro128++: ``(uint32 word, next state)``."""
    word = _rotate(s.a + s.d, 7) + s.a
    c, d = s.c ^ s.a, s.d ^ s.b
    return word, Stream(s.a ^ d, s.b ^ c, c ^ (s.b << 9), _rotate(d, 11))


def next_words(s: Stream, count: int):
    """``count`` draws: ``(tuple of uint32 words, next state)``."""
    words = []
    for _ in range(count):
        word, s = next_word(s)
        words.append(word)
    return tuple(words), s


def scaled(word: Word, upper, second: Word | None = None) -> Variate:
    """A uniform on [0, upper] in float32, the whole word used: ``word * upper / 2**32``.

    Not shifted to 24 bits first, so that values near 0 keep the full resolution ``upper * 2**-32``; the largest 128
    words round to ``upper`` itself. With a ``second`` word, which goes on where the first ends, a value has its 24 bits
    however small it is.
    """
    place = word.astype(jnp.float32)
    if second is not None:
        place = place + second.astype(jnp.float32) * jnp.float32(2.0**-32)
    return place * (upper * jnp.float32(2.0**-32))


def uniform(word: Word) -> Variate:
    """A uniform on the open interval (0, 1), float32: ``(k + 1/2) / 2**23`` for the 23 high bits k, never 0 or 1."""
    return ((word >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-23)


def exponential(*words: Word) -> Variate:
    """A unit-mean exponential, float32, in [0, 22.9]: ``-log((word + 1/2) / 2**32)``, to a relative error of 2e-7; or the
    sum of one for each of several words (an Erlang variate), with one logarithm for three of them.

    The logarithm is a polynomial, which needs no case for zeros, infinities and what is no number: half the instructions
    of ``jnp.log``.
    """
    if len(words) > 3:
        return exponential(*words[:3]) + exponential(*words[3:])
    u = jnp.float32(1)
    for word in words:
        u = u * ((word.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32))
    return _minus_log(u)


@_once
def _minus_log(u):
    bits = lax.bitcast_convert_type(u, jnp.int32)
    exponent = (bits - _LEAST) >> 23
    f = lax.bitcast_convert_type(bits - (exponent << 23), jnp.float32) - 1.0
    series = jnp.float32(_LOG[-1])
    for coefficient in _LOG[-2::-1]:
        series = series * f + jnp.float32(coefficient)
    return exponent.astype(jnp.float32) * jnp.float32(-np.log(2)) - f * series


_LEAST = 0x3F3504F3
"""The bits of sqrt(1/2) in float32: u is 2**exponent (1 + f) with 1 + f in [sqrt(1/2), sqrt(2))."""
_LOG = (0.99999997, -0.49999988, 0.33334186, -0.25002074, 0.19956834, -0.16562393, 0.14952267, -0.14366843, 0.08722355)
"""``log(1 + f) / f`` on that interval by powers of f: the polynomial of degree 8 of least relative error, 2.6e-8."""


def grid24(word: Word) -> Variate:
    """A uniform on {0, 1, ..., 2**24 - 1} / 2**24, float32: it is below p with probability p to 2**-24, 0 and 1 exact."""
    return (word >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)


def edges(probabilities: ArrayLike) -> UInt32[np.ndarray, " outcomes"]:
    """Cumulated probabilities as words, uint32, on the host: k of them are at most ``word`` with the k-th probability.

    One probability each of all outcomes but the last. They are right to ``2**-33``, wherever an outcome stands.
    """
    cumulated = np.clip(np.cumsum(np.asarray(probabilities, np.float64)), 0.0, 1.0)
    return np.minimum(np.round(cumulated * 2.0**32), 2**32 - 1).astype(np.uint32)


COARSE = 0.01
"""Relative error of a probability on the grid of a word from which on it is refused."""


def check_drawn(field: str, value, probabilities, bits: int = 32, *, short: bool = False) -> None:
    """FieldError of ``field`` if a grid of ``2**-bits`` cannot have one of the probabilities to one per cent: if it is > 0
    and under some ``50 x 2**-bits``, 1.2e-8 for a word. ``value``, ``short``: as `FieldError` has them."""
    places = np.ravel(np.asarray(probabilities, np.float64)) * 2.0**bits
    coarse = places[np.abs(np.round(places) - places) > COARSE * places]
    if coarse.size:
        least, event = 0.5 / COARSE * 2.0**-bits, f"an event has the probability {coarse[0] * 2.0 ** (-bits):.3g}"
        raise FieldError(field, value, f"{event}, must be 0 or >= {least:.2g} to be drawn", short=short)


def below(word: Word, n, *, most: int | None = None, low: Word | None = None) -> tuple[Int32[Array, "*batch"], Word]:
    """A whole number in [0, n), int32, with the fraction left over: ``(floor(word * n / 2**32), rest)``.

    ``rest`` is uint32, the low half of the product ``word * n``: uniform on the grid ``n / 2**32`` given the number,
    good for one more coarse decision. ``n``: 1 <= n <= ``most``, which is n itself where that is a Python number, else
    65536 unless it is given; at most ``2**31 - 1``. Every number has probability 1/n to ``2**-32``. ``low``: a word whose
    last 8 bits go on where ``word`` ends, so that the grid of the rest is ``n / 2**40``.

    Raises:
        ValueError: n, where it is known, is not allowed.
    """
    known = isinstance(n, (int, np.integer))
    most = int(n) if known else most or 2**16
    if not 1 <= most < 2**31:
        raise FieldError("n", most, "must be >= 1 and < 2**31, to be drawn with one word")
    n = lax.convert_element_type(n, jnp.uint32)
    if most <= 2**16:
        high = ((word >> 16) * n + (((word & 0xFFFF) * n) >> 16)) >> 16
    else:  # the product of 32 x 32 bits, from halves
        above, under = n >> 16, n & 0xFFFF
        middle = (word >> 16) * under + (((word & 0xFFFF) * under) >> 16)
        carry = (word & 0xFFFF) * above + (middle & 0xFFFF)
        high = (word >> 16) * above + (middle >> 16) + (carry >> 16)
    rest = word * n
    if low is not None:
        further = rest + below(low << 24, n, most=most)[0].astype(jnp.uint32)
        high = high + (further < rest).astype(jnp.uint32)
        rest = further
    return high.astype(jnp.int32), rest


def normal(word: Word, second: Word | None = None) -> Variate:
    """A standard normal, float32, |z| up to 6.3: a sign bit, and the inverse distribution function of 31 bits.

    Inverted from the small side, ``z = -/+ ndtri((k + 1/2) / 2**32)``, k < 2**31, so the tails keep their resolution. With
    a ``second`` word in place of the 1/2 they go on to |z| = 9.2.
    """
    rest = 0.5 if second is None else (second.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-32)
    z = ndtri(((word & 0x7FFFFFFF).astype(jnp.float32) + rest) * jnp.float32(2.0**-32))
    return jnp.where(word >> 31 == 0, z, -z)
