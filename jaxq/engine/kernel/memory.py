"""Arrays of a replica that are too large for registers: they stay in device memory and are changed in place.

A program of JAX has values and no places: after a write the old array may still be read. Here it is gone; so every write
makes a new version, and a read or a write of an old one is refused while the kernel is traced.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxq.engine.kernel.cells import NotLifted


class Buffer:
    """The entries of an array of each replica: row ``lanes`` of a reference; of all replicas alike where that is None."""

    def __init__(self, reference: Any, lanes: Any, size: int, interface: Any):
        self.reference, self.lanes, self.size, self.interface = reference, lanes, size, interface
        self.version = 0

    def place(self, index) -> tuple:
        """Where an entry is."""
        if self.lanes is None:
            return (index,)
        return self.lanes, jnp.broadcast_to(jnp.asarray(index, jnp.int32), self.lanes.shape)


class Image:
    """An array that is computed entry by entry where it is read."""

    def __init__(self, size: int, entry: Callable[[Any], Any]):
        self.size, self.entry = size, entry

    def at(self, index):
        """One entry, at an index that may differ from lane to lane."""
        return self.entry(index)

    def reduce(self, combine: Callable, spread: Callable):
        """All entries, the first one first."""
        first = spread(self.at(jnp.int32(0)))
        return lax.fori_loop(1, self.size, lambda i, total: spread(combine(total, self.at(i))), first)


class Memory(Image):
    """One version of a `Buffer`."""

    def __init__(self, buffer: Buffer):
        super().__init__(buffer.size, self._load)
        self.buffer, self.version = buffer, buffer.version

    def _current(self) -> None:
        if self.version != self.buffer.version:
            raise NotLifted("an array is read after it was written")

    def _load(self, index):
        self._current()
        return self.buffer.interface.load(self.buffer.reference, *self.buffer.place(index))

    def write(self, index, value, inside=None) -> "Memory":
        """The next version, with another entry where ``inside`` is true (None: everywhere)."""
        self._current()
        if self.buffer.lanes is None:
            raise NotLifted("a table that all replicas share is written")
        shape = self.buffer.lanes.shape
        mask = None if inside is None else jnp.broadcast_to(inside, shape)
        value = jnp.broadcast_to(value, shape)
        self.buffer.interface.store(self.buffer.reference, value, *self.buffer.place(index), mask=mask)
        self.buffer.version += 1
        return Memory(self.buffer)

    def again(self) -> "Memory":
        """This array as the next turn of a loop finds it."""
        self._current()
        return self.newest()

    def newest(self) -> "Memory":
        """What the buffer now has."""
        return Memory(self.buffer)
