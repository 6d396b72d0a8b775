"""What a launch hands to the host, as arrays whose last axes are those of the statistics."""

import jax
import numpy as np

CACHED = 2**16
"""Entries that are put together at a time, half a MB of float64."""


def read(whole: tuple, real: tuple, stretch: int, room: np.ndarray | None = None) -> np.ndarray:
    """The sums of one stretch as float64, (columns, rows): whole numbers from words to the base 2**16, the highest first,
    and floats from a sum and what it has lost; each (tiles, stretches, columns, tile). ``room``: an earlier answer that is
    needed no more (fresh memory takes longer than the sums do)."""
    pieces = [[piece[:, stretch].swapaxes(0, 1) for piece in _pieces(word)] for word in (*whole, *real)]
    exact, rows = len(pieces[0][0]), [x.shape[1] * x.shape[2] for x in pieces[0]]
    found = np.empty((exact + len(pieces[-1][0]), sum(rows))) if room is None else room
    first = 0
    for count, *words in zip(rows, *pieces, strict=True):
        part = found[:, first : first + count].reshape(-1, *words[0].shape[1:])
        first += count
        _add(part[:exact], words[: len(whole)], 2.0**16)
        _add(part[exact:], words[len(whole) :], 1.0)
    return found


def _add(out: np.ndarray, words: list[np.ndarray], base: float) -> None:
    """``words`` as the digits of a number, highest first."""
    step = max(1, CACHED // max(out[:1].size, 1))
    for k in range(0, len(out), step):
        some = out[k : k + step]
        some[...] = words[0][k : k + step]
        for word in words[1:]:
            if base != 1:
                some *= base
            some += word[k : k + step]


def _pieces(x) -> list[np.ndarray]:
    """The parts of an array on the devices, in order."""
    if not isinstance(x, jax.Array):
        return [x]
    shards = sorted(x.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return [np.asarray(shard.data) for shard in shards]


def of_block(sampled, block: int, rows: slice):
    """(values, weights or None) of one block of a launch, each (observations, rows), from (tiles, blocks, ..., tile)."""

    def cut(x):
        if x is None:
            return None
        x = x[:, block].reshape(len(x), -1, x.shape[-1])
        return np.moveaxis(x, 0, 1).reshape(x.shape[1], -1)[:, : rows.stop - rows.start]

    return tuple(map(cut, sampled))
