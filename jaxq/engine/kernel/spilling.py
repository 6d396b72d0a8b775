"""What loops carry past the loops inside them, kept in device memory where registers are too few.

A sum over observations fills a register through all the events between two of them, though it is touched once an
observation. A compiler that runs out of registers cannot tell it from what every event needs; here it is loaded where it
is read, and the next one is stored over it when it has been read for the last time.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Var

from jaxq.engine.kernel.memory import Buffer, Memory

REGISTERS = 64
"""Scalars that the loops of a block carry in registers at most; beyond, sums are spilled. As many again are left for what an
event needs: of a kernel of 128 registers a processor holds 512 replicas at a time, a card the 65,536 of a usual run."""
SPILLED = 100
"""Scalars that are spilled at most: Triton takes time as the square of the loads and stores of a kernel, minutes for twice
as many. Beyond, the compiler spills what it will."""
LEVELS = 2
"""Nested loops of a block that sums are carried by: over groups of observations, and over these."""


class Row(Buffer):
    """A word of each replica of a tile, int32: a row of a scratch, (tiles, rows, replicas)."""

    def __init__(self, reference: Any, tile: Any, number: int, lanes: Any, interface: Any):
        super().__init__(reference, lanes, 1, interface)
        self.tile, self.number = tile, number

    def place(self, index) -> tuple:
        """Where it is: replicas side by side."""
        return self.tile, self.number, self.lanes


class Spilled:
    """A scalar of one replica that is in memory, and loaded wherever it is used."""

    def __init__(self, memory: Memory, kind: Any):
        self._memory, self._kind = memory, kind

    def __jax_array__(self):
        return lax.bitcast_convert_type(self._memory.at(0), self._kind)

    @property
    def buffer(self) -> Buffer:
        """The row that it is in."""
        return self._memory.buffer

    def write(self, value) -> "Spilled":
        """Another value in the same row."""
        value = jnp.broadcast_to(jnp.asarray(value, self._kind), self.buffer.lanes.shape)
        return Spilled(self._memory.write(0, lax.bitcast_convert_type(value, jnp.int32)), self._kind)

    def again(self) -> "Spilled":
        """This value as the next turn of a loop finds it."""
        return Spilled(self._memory.again(), self._kind)

    def newest(self) -> "Spilled":
        """What its row now has."""
        return Spilled(self._memory.newest(), self._kind)


class Scratch:
    """Rows of device memory, given out one after the other."""

    def __init__(self, reference: Any, tile: Any, lanes: Any, interface: Any):
        self._reference, self._tile, self._lanes, self._interface = reference, tile, lanes, interface
        self._numbers = itertools.count()

    def put(self, value, dtype) -> Spilled:
        """A value in a row of its own."""
        row = Row(self._reference, self._tile, next(self._numbers), self._lanes, self._interface)
        return Spilled(Memory(row), dtype).write(value)


class Tile(NamedTuple):
    """Replicas that are run side by side, and room for what ``levels`` of nested loops carry past the loops inside them."""

    width: int
    scratch: Scratch | None = None
    levels: int = 0

    def inside(self) -> "Tile":
        """The same inside a loop."""
        return self._replace(levels=self.levels - 1)


def spillable(equations: Sequence, carried: Sequence[Var], after: Sequence) -> dict[int, tuple[Var, Var]]:
    """The scalars of a loop that have nothing to do with the loops inside it, by number, before and after a turn.

    ``equations``: those of a turn; ``carried``, ``after``: all that is carried, before it and after it.
    """
    inner = [eqn for eqn in equations if eqn.primitive.name == "scan"]
    inside = {atom for eqn in inner for atom in (*eqn.invars, *eqn.outvars) if isinstance(atom, Var)}
    made = {atom for eqn in equations for atom in eqn.outvars}

    def aside(old: Var, new) -> bool:
        aval: Any = old.aval
        scalar = aval.shape == () and aval.dtype in (jnp.float32, jnp.int32)
        return scalar and isinstance(new, Var) and new in made and after.count(new) == 1 and not {old, new} & inside

    pairs = enumerate(zip(carried, after, strict=True))
    return {i: pair for i, pair in pairs if aside(*pair)} if inner else {}


def last_use(equations: Sequence, old: Var, new: Var) -> int:
    """The equation after which ``new`` is there and ``old`` is not read any more."""
    return max(k for k, eqn in enumerate(equations) if new in eqn.outvars or old in eqn.invars)
