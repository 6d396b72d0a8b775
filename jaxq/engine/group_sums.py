"""Groups of neighbouring replicas of a point, added up where the sums are made: all that the host is given of very many.

A mean over n independent groups of as many replicas is the mean over the replicas, and the spread of the groups gives its
error with n - 1 degrees of freedom. The host's work is then that for n replicas, whatever their number.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp

from jaxq.engine.model import Model

SINGLE = 100_000
"""Replicas of a point up to which the sums of each are kept."""
LEAST, LARGEST = 4096, 2**14
"""Groups at least, and replicas of a group at most, so that the words of their sums are exact."""


def group_size(systems: Sequence[Model], replicas: int) -> int:
    """Replicas of a group: 1 up to `SINGLE` of a point; beyond, as many as leave the fewest groups of one size that are
    `LEAST` or more. 1 also where a system changes by itself: when its last replica has passed that groups cannot tell."""
    if replicas <= SINGLE or any(system.stationarity().switches for system in systems):
        return 1
    most = min(replicas // LEAST, LARGEST)
    return next(size for size in range(most, 0, -1) if replicas % size == 0)


def added_up(whole: tuple, real: tuple, group: int) -> tuple[tuple, tuple]:
    """Sums of replicas, (..., rows) in two words each (`jaxq.engine.program.Totals`), over groups, (..., rows / group):
    whole numbers exactly, in three words to the base 2**16, and floats compensated in two."""

    def apart(x):
        return x.reshape(*x.shape[:-1], x.shape[-1] // group, group)

    high, low = whole
    words = tuple(apart(x).sum(-1) for x in (high >> 16, high & 0xFFFF, low))
    a, b = map(apart, real)
    full = 1 << math.ceil(math.log2(group))
    pad = [(0, 0)] * (a.ndim - 1) + [(0, full - group)]
    a, b = jnp.pad(a, pad), jnp.pad(b, pad)
    while a.shape[-1] > 1:
        half = a.shape[-1] // 2
        a, b = plus((a[..., :half], b[..., :half]), (a[..., half:], b[..., half:]))
    return words, (a[..., 0], b[..., 0])


def plus(one: tuple, other: tuple) -> tuple:
    """The sum of two floats in two words each, the second of which is what rounding has lost of the first (Knuth, vol. 2,
    4.2.2, Theorem B)."""
    (a, b), (c, d) = one, other
    added = a + c
    part = added - a
    lost = (a - (added - part)) + (c - part)
    return added, b + d + lost
