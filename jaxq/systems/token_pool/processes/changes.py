"""All that an event of the token mechanism changes, as one bit each of a word."""

from typing import Any

import jax.numpy as jnp

_BITS = (
    "joins",
    "serves",
    "request",
    "offers",
    "helps",
    "earns",
    "leaves_empty",
    "gets_empty",
    "leaves_full",
    "gets_full",
    "relocates",
    "relocating_empties",
    "relocating_unfills",
)


def packed(**flags) -> Any:
    """Flags by name as the bits of one word."""
    return sum(flags[name].astype(jnp.int32) << i for i, name in enumerate(_BITS) if name in flags)


def bit(changes, name: str):
    """0 or 1."""
    return (changes >> _BITS.index(name)) & 1
