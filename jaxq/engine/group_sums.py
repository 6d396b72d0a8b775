"""Groups of neighbouring replicas of a point, added up where the sums are made: all that the host is given of very many.

A mean over n independent groups of as many replicas is the mean over the replicas, and the spread of the groups gives its
error with n - 1 degrees of freedom. The host's work is then that for n replicas, whatever their number: it reads each sum of
each of them at the end of a window, and an accelerator should not wait for that.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax

from jaxq.engine.model import Model

FEW, SINGLE = 2**14, 150_000
"""Replicas of a point, and sums of all of them together, up to which those of each replica are kept: so many sums are a
third of a millisecond of the host, and so few replicas are no run of an accelerator."""
LEAST, LARGEST = 1024, 2**14
"""Groups at least, as many as a run on a CPU has replicas, and replicas of a group at most, so that the words of their sums
are exact."""


def group_size(systems: Sequence[Model], sums: int, replicas: int) -> int:
    """Replicas of a group, where there are so many sums of each: 1 up to `FEW` replicas or `SINGLE` sums of a point;
    beyond, as many as leave the fewest groups of one size that are `LEAST` or more. 1 also where a system changes by
    itself: when its last replica has passed that groups cannot tell."""
    if replicas <= FEW or replicas * sums <= SINGLE or any(system.stationarity().switches for system in systems):
        return 1
    most = max(1, min(replicas // LEAST, LARGEST))
    return next(size for size in range(most, 0, -1) if replicas % size == 0)


def added_up(whole: tuple, real: tuple, group: int) -> tuple[tuple, tuple]:
    """Sums of replicas, (..., rows) in two words each (`jaxq.engine.totals.Totals`), over groups, (..., rows / group):
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


def packed(whole: tuple, real: tuple, group: int):
    """Sums of replicas, (columns, rows) in two words each, over groups, as one array of int32, (words, rows / group): the
    words of whole numbers, the highest first, then the bits of floats. The host reads one array faster than four."""
    if group > 1:
        whole, real = added_up(whole, real, group)
    return jnp.concatenate([*whole, *(lax.bitcast_convert_type(x, jnp.int32) for x in real)])


def plus(one: tuple, other: tuple) -> tuple:
    """The sum of two floats in two words each, the second of which is what rounding has lost of the first (Knuth, vol. 2,
    4.2.2, Theorem B)."""
    (a, b), (c, d) = one, other
    added = a + c
    part = added - a
    lost = (a - (added - part)) + (c - part)
    return added, b + d + lost
