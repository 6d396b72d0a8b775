"""What the replicas of a run have added up on the devices, and by which `Quantity` it is known."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxq.engine.group_sums import plus

KINDS = "time", "observed", "tallied", "counted"


class Quantity(NamedTuple):
    """A sum that is kept: what it is of (one of `KINDS`; the time has no name), its name, and whether it is exact."""

    kind: str
    name: str
    exact: bool


def quantities(exact, rounded, counted) -> list[Quantity]:
    """The sums of a process with these `contributions` and counters, the exact ones first."""

    def ordered(keys, exact: bool) -> list[Quantity]:
        keys = sorted(keys, key=lambda key: (KINDS.index(key[0]), key[1]))
        return [Quantity(kind, name, exact) for kind, name in keys]

    whole = [("observed", name) for name in exact] + [("counted", name) for name in counted]
    return ordered(whole, True) + ordered(rounded, False)


class Totals(NamedTuple):
    """What a batch of replicas has added up, in two words a sum, by replica and `Quantity`.

    ``whole``: int32 words of ``2**16 a + b``; ``real``: float32 words of ``a + b``, b being what rounding has lost of a.
    ``overflow``: whether `Process.overflow` was true at the end of a block, a counter went down, or a whole number moved so
    far within 64 observations that their sum may have wrapped. ``invalid``: whether `Process._invalid_rates` was true.
    """

    whole: tuple
    real: tuple
    overflow: Any
    invalid: Any

    def plus(self, block):
        """These and those of the block that follows."""
        whole, real = whole_plus(self.whole, block.whole), plus(self.real, block.real)
        return Totals(whole, real, self.overflow | block.overflow, self.invalid | block.invalid)


def nothing(columns: list[Quantity], shape: tuple) -> Totals:
    """`Totals` before the first block, of a batch of replicas of this shape."""
    exact = sum(column.exact for column in columns)
    whole, real = jnp.zeros((*shape, exact), jnp.int32), jnp.zeros((*shape, len(columns) - exact), jnp.float32)
    never = jnp.zeros(shape, bool)
    return Totals((whole, whole), (real, real), never, never)


def whole_plus(one: tuple, other: tuple) -> tuple:
    """The sum of two whole numbers in two words each."""
    return _two_words(one[0] + other[0], one[1] + other[1])


def _two_words(high, low):
    return high + (low >> 16), low & 0xFFFF


def totals_of(high: dict, low: dict, rounded: dict, counted: dict, overflow, invalid) -> Totals:
    """`Totals` of whole numbers ``2**16 high + low``, of floats by (kind, name), and of counters, each by replica."""
    columns = quantities(low, rounded, counted)
    zero = jnp.zeros(overflow.shape, jnp.int32)
    highs = [high[q.name] if q.kind == "observed" else zero for q in columns if q.exact]
    lows = [low[q.name] if q.kind == "observed" else counted[q.name] for q in columns if q.exact]
    real = _side_by_side([rounded[q.kind, q.name] for q in columns if not q.exact], overflow.shape, jnp.float32)
    whole = [_side_by_side(x, overflow.shape, jnp.int32) for x in (highs, lows)]
    return Totals(_two_words(*whole), (real, jnp.zeros_like(real)), overflow, invalid)


def _side_by_side(columns: list, shape: tuple, dtype):
    return jnp.stack(columns, -1).astype(dtype) if columns else jnp.zeros((*shape, 0), dtype)
