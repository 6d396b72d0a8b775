"""What an event does as few words: worked out once, and read by every count. As separate values the compiler would work the
decision out anew for each of them."""

from collections.abc import Sequence
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


def packed(numbers: Sequence, sizes: Sequence[int]) -> tuple:
    """Whole numbers >= 0 of so many bits each, in turn, as uint32 words."""
    words: dict[int, Any] = {}
    for number, (word, place) in zip(numbers, _places(sizes), strict=True):
        words[word] = words.get(word, 0) + (number.astype(jnp.uint32) << place)
    return tuple(words.values())


def unpacked(words: Sequence, sizes: Sequence[int]) -> list:
    """The numbers of `packed`, int32."""
    places = zip(_places(sizes), sizes, strict=True)
    return [((words[word] >> place) & (2**size - 1)).astype(jnp.int32) for (word, place), size in places]


def _places(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Where each number stands: (word, lowest bit)."""
    found, word, place = [], 0, 0
    for size in sizes:
        if place + size > 32:
            word, place = word + 1, 0
        found.append((word, place))
        place += size
    return found
