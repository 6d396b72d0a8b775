"""Numbers as they are printed: a point whose value is kept when it is typed in again."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from jaxtyping import Float

MOST_MOVES = 40
"""Printed units that one entry at a time is moved by, at most in all."""
TRACE, TRACE_WORTH = 1e-4, 1e-5
"""A share that is a trace; how much of the objective all of them may be worth to be left out."""


class Lattice:
    """Points with ``digits`` significant digits near given fields, as whole numbers of printed units.

    Each entry has a unit of its own; the entries of a field in ``shares`` (of its last axis, for a matrix) have that of
    the largest one, which takes what the others leave of the sum: their sum stays what it was.

    Args:
        fields: values by name, numbers or arrays.
        digits: significant digits.
        shares: names of fields whose entries have a fixed sum.
    """

    def __init__(self, fields: dict[str, Any], digits: int, shares: Collection[str] = ()):
        self.fields = {name: np.asarray(value, np.float64) for name, value in fields.items()}
        self.digits, self.shares = digits, shares
        self.units = {name: self._units(name, value) for name, value in self.fields.items()}
        self.origin = np.concatenate([self._nearest(name).ravel() for name in self.fields])
        free = [self._free(name).ravel() for name in self.fields]
        self.moves = [move for i in np.flatnonzero(np.concatenate(free)) for move in self._moves(int(i))]

    def _units(self, name: str, value: np.ndarray) -> np.ndarray:
        size = np.abs(value)
        if name in self.shares:
            size = np.broadcast_to(size.max(axis=-1, keepdims=True), size.shape)
        exponent = np.floor(np.log10(size, out=np.zeros_like(size), where=size > 0))
        return 10.0 ** (exponent - self.digits + 1)

    def _nearest(self, name: str) -> np.ndarray:
        """The nearest whole numbers; what is not 0, a small share, does not become it."""
        whole = np.round(self.fields[name] / self.units[name])
        return np.where(whole == 0, np.sign(self.fields[name]), whole)

    def _free(self, name: str) -> np.ndarray:
        """Which entries are moved: those that are not 0, and of shares not the one that takes the rest."""
        value = self.fields[name]
        return value != 0 if name not in self.shares else (value != 0) & ~_largest(value)

    def _moves(self, entry: int) -> list[np.ndarray]:
        one = (np.arange(self.origin.size) == entry).astype(float)
        return [one, -one]

    def decode(self, point: Float[np.ndarray, " values"]) -> dict[str, Any]:
        """The fields of a point, float64, each the number that is printed."""
        found, start = {}, 0
        for name, value in self.fields.items():
            whole = point[start : start + value.size].reshape(value.shape)
            start += value.size
            # a quotient of whole numbers where the unit is below 1: 76391 / 10^5 is the float nearest to .76391
            down, up = np.round(np.maximum(1 / self.units[name], 1)), np.round(np.maximum(self.units[name], 1))
            typed = whole / down * up
            if name in self.shares:
                rest = value.sum(axis=-1, keepdims=True) - np.where(_largest(value), 0, typed).sum(-1, keepdims=True)
                typed = np.where(_largest(value), _trimmed(rest), typed)
            found[name] = typed[()]
        return found


def printable(
    value: Callable[[dict[str, Any]], float],
    fields: dict[str, Any],
    digits: int,
    shares: Collection[str] = (),
    margin: bool = False,
    moved: bool = True,
) -> tuple[dict[str, Any], float]:
    """The best point near ``fields`` that is what it prints as.

    From the nearest point of a `Lattice` single entries are moved by a printed unit, to the best neighbour, until none is
    better. With ``margin`` a point counts for the worst of itself and its neighbours, which keeps it off an edge that
    rounding inside ``value`` might put on the wrong side.

    Args:
        value: fields by name -> what is to be large; -infinity where they are not allowed.
        fields, digits, shares: as `Lattice`.
        margin, moved: see above; without ``moved`` the nearest point is taken as it is.

    Returns:
        The fields, and ``value`` there.
    """
    lattice = Lattice(fields, digits, shares)
    known: dict[bytes, float] = {}

    def alone(point: np.ndarray) -> float:
        key = point.tobytes()
        if key not in known:
            known[key] = value(lattice.decode(point))
        return known[key]

    def worth(point: np.ndarray) -> float:
        return min([alone(point), *(alone(point + move) for move in lattice.moves)]) if margin else alone(point)

    at = lattice.origin + 0.0
    for _ in range(MOST_MOVES if moved and lattice.moves else 0):
        after = max((at + move for move in lattice.moves), key=worth)
        if not worth(after) > worth(at):
            break
        at = after
    return lattice.decode(at), alone(at)


def without_traces(
    value: Callable[[dict[str, Any]], float], fields: dict[str, Any], worth: float, shares: Collection[str]
) -> tuple[dict[str, Any], float]:
    """The fields with each of the ``shares`` under `TRACE` at 0, where that is worth as much; and what it is worth.

    A softmax never reaches 0, and a route that one customer in 10^6 takes is one that no simulation sees enough of.
    """
    fewer = dict(fields)
    for name in shares:
        x = np.asarray(fields[name], np.float64)
        kept = np.where(x < TRACE * x.sum(axis=-1, keepdims=True), 0.0, x)
        rest = x.sum(axis=-1, keepdims=True) - np.where(_largest(x), 0.0, kept).sum(axis=-1, keepdims=True)
        fewer[name] = np.where(_largest(x), _trimmed(rest), kept)
    found = value(fewer)
    return (fewer, found) if found >= worth - TRACE_WORTH * abs(worth) else (fields, worth)


def _largest(value: np.ndarray) -> np.ndarray:
    """Whether an entry is the first largest one of its row; of a number: yes."""
    if value.ndim == 0:
        return np.ones_like(value, bool)
    return np.arange(value.shape[-1]) == np.argmax(value, axis=-1, keepdims=True)


def _trimmed(x: np.ndarray) -> np.ndarray:
    """Without the rounding of a sum: 12 significant digits."""
    return np.vectorize(lambda each: float(f"{each:.12g}"), otypes=[float])(x)
