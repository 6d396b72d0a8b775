"""What a launch hands to the host, as arrays whose last axes are those of the statistics."""

import jax
import numpy as np


def float64(whole: tuple, real: tuple) -> np.ndarray:
    """The sums in pairs of words of shape (..., rows, columns), as (..., columns, rows)."""
    (a, b), (c, d) = [[np.asarray(word, np.float64).swapaxes(-1, -2) for word in words] for words in (whole, real)]
    return np.concatenate([2.0**16 * a + b, c + d], axis=-2)


def by_stretch(x: jax.Array, count: int) -> np.ndarray:
    """A launch's output (tiles, stretches, tile, columns) as (count, rows, columns)."""
    shards = sorted(x.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    found = np.concatenate([np.asarray(shard.data)[:, :count] for shard in shards]).swapaxes(0, 1)
    _, tiles, tile, columns = found.shape
    return found.reshape(count, tiles * tile, columns)


def of_block(sampled, block: int, rows: slice):
    """(values, weights or None) of one block of a launch, each (observations, rows), from (tiles, blocks, ..., tile)."""

    def cut(x):
        if x is None:
            return None
        x = x[:, block].reshape(len(x), -1, x.shape[-1])
        return np.moveaxis(x, 0, 1).reshape(x.shape[1], -1)[:, : rows.stop - rows.start]

    return tuple(map(cut, sampled))
