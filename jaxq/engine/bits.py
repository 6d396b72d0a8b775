"""Flags of an event as one word: worked out once, and read by every count. As separate values the compiler would work the
decision out anew for each of them."""

from typing import Any

import jax.numpy as jnp


class Bits:
    """Names, each of one bit of an int32 word, the first of the lowest."""

    def __init__(self, *names: str):
        self.names = names

    def packed(self, **flags) -> Any:
        """The word of these flags; the others are 0."""
        return sum(flags[name].astype(jnp.int32) << i for i, name in enumerate(self.names) if name in flags)

    def of(self, word, name: str):
        """0 or 1."""
        return (word >> self.names.index(name)) & 1

    def above(self, word):
        """What stands above all of them."""
        return word >> len(self.names)
