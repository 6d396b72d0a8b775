"""What a launch hands to the host, as arrays whose last axes are those of the statistics."""

import math

import jax
import numpy as np
from jaxtyping import Array, Float, Int32, Shaped

CACHED = 2**16
"""Entries that are put together at a time, half a MB of float64."""


Words = tuple[list[np.ndarray], list[np.ndarray]]
"""Sums on one device: words of whole numbers to the base 2**16, the highest first, and floats as a sum and what it has lost;
each (columns, ...), then the rows, in one axis or two."""


def read(
    devices: list[Words], room: Float[np.ndarray, "columns replicas"] | None = None
) -> Float[np.ndarray, "columns replicas"]:
    """The sums of one stretch as float64, (columns, rows). ``room``: an earlier answer that is needed no more (fresh memory
    takes longer than the sums do)."""
    (whole, real), *_ = devices
    exact, rows = len(whole[0]), [math.prod(whole[0].shape[1:]) for whole, _ in devices]
    found = np.empty((exact + len(real[0]), sum(rows))) if room is None else room
    first = 0
    for count, (whole, real) in zip(rows, devices, strict=True):
        part = found[:, first : first + count].reshape(-1, *whole[0].shape[1:])
        first += count
        _add(part[:exact], whole, 2.0**16)
        _add(part[exact:], real, 1.0)
    return found


def stretches(filed: tuple, count: int) -> list[list[Words]]:
    """The first stretches that a launch has filed, by device; each word is (tiles, stretches, columns, tile)."""
    whole, real = ([pieces(word) for word in part] for part in filed)

    def of(words: list, device: int, number: int) -> list[np.ndarray]:
        return [word[device][:, number].swapaxes(0, 1) for word in words]

    return [[(of(whole, i, k), of(real, i, k)) for i in range(len(whole[0]))] for k in range(count)]


def unpacked(array: Int32[Array, "devices words replicas"], exact: int, rounded: int) -> list[Words]:
    """A stretch of which each device has made one row (`jaxq.engine.group_sums.packed`), of so many columns."""
    found = []
    for (words,) in pieces(array):
        end = len(words) - 2 * rounded
        whole = words[:end].reshape(-1, exact, words.shape[1]) if exact else words[None, :0]
        found.append((list(whole), list(words[end:].view(np.float32).reshape(2, rounded, words.shape[1]))))
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


def pieces(x: jax.Array) -> list[np.ndarray]:
    """The parts of an array on the devices, in order."""
    count = x.sharding.num_devices
    return [np.asarray(x)] if count == 1 else [np.asarray(x.addressable_data(i)) for i in range(count)]


def of_block(sampled: list[np.ndarray], block: int) -> Shaped[np.ndarray, "observations replicas"]:
    """What was sampled in one block of a launch, (observations, rows), from (tiles, blocks, ..., tile) of each device."""
    tiles, width = sum(map(len, sampled)), sampled[0].shape[-1]
    found, first = np.empty((math.prod(sampled[0].shape[2:-1]), tiles, width), sampled[0].dtype), 0
    for x in sampled:
        found[:, first : first + len(x)] = np.moveaxis(x[:, block].reshape(len(x), -1, width), 0, 1)
        first += len(x)
    return found.reshape(len(found), -1)
