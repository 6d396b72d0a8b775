"""The values of a quantity counted: by bin, group of replicas and window of time, on the host.

A bin is a run of neighbouring float32 numbers (in the order of their bits), or of neighbouring whole numbers. Only bins
that have been seen are kept, and whenever they are more than `MOST`, neighbours merge in pairs: so the bins follow the
scale of the quantity, whatever its unit and sign.

What was counted apart, of other replicas, can be put together (`Histogram.together`): the bins, and which of them hold one
value, follow from the values alone, in whatever order they came.

Resolution: whole numbers are exact while no more than `MOST` of them occur and all are under 2**21; a quantity with few
values is exact; otherwise a bin is 2**-k of its value, with k = 9 if the values fill 16 octaves, 7 if they fill 64.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Num, Shaped

from jaxq.stats.distribution import Distribution
from jaxq.stats.windows import WindowedSums

MOST = 8192
"""Bins kept at most."""
GROUPS = 32
"""Groups of replicas at least, which intervals come from; fewer replicas are a group each."""
_HALF = 2**21
_PART = 2**16


def _ordered(bits: Int[np.ndarray, " values"]) -> Int[np.ndarray, " values"]:
    """int32 in the order of the float32 numbers with these bits; its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def neighbours(replicas: int) -> int:
    """Neighbouring replicas whose values a histogram counts together, 2**k."""
    return 1 << max(0, (replicas // GROUPS).bit_length() - 1)


def grouping(first: int, replicas: int) -> np.ndarray:
    """The group of each replica, from ``first`` on: by 2**k neighbours, counted from replica 0 on whatever ``first``, so
    that a group of a part of a run is in one group of the whole. There are 32 to 64."""
    size = neighbours(replicas)
    return np.arange(first, first + replicas) // size - first // size


def resolution(seen: Sequence[tuple[int, np.ndarray]]) -> int:
    """How often the neighbours among bins that were seen apart (`Histogram.bins`) merge where they are seen together."""
    shift = max(shift for shift, _ in seen)
    while np.unique(np.concatenate([keys >> (shift - own) for own, keys in seen])).size > MOST:
        shift += 1
    return shift


class Histogram:
    """Weighted counts of one quantity, in at most ``limit`` windows, of ``groups`` groups of replicas."""

    def __init__(self, groups: int, whole: bool, limit: int = 32):
        self.whole, self._groups, self._limit = whole, groups, limit
        self._shift = 0 if whole else 10
        self._keys = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int32 if whole else np.float32)  # the first value seen in a bin
        self._single = np.zeros(0, bool)  # whether it is the only one
        self.windows = WindowedSums(groups, 64, limit)

    @functools.cached_property
    def _table(self) -> np.ndarray:
        """The column of each bin; -1 where there is none."""
        table = np.full(2 * _HALF, -1, np.int32)
        table[self._keys + _HALF] = np.arange(self._keys.size)
        return table

    def add(
        self,
        values: Num[np.ndarray, "observations replicas"],
        weights: Shaped[np.ndarray, "observations replicas"] | None,
        group: Int[np.ndarray, " replicas"],
    ) -> None:
        """Add one block.

        Args:
            values: int32 (whole numbers) or float32, shape (observations, replicas).
            weights: as ``values``: boolean, whether there was a value; float32, its weight; None: 1 each.
            group: the group of each replica.
        """
        if weights is not None and weights.dtype == bool:
            values, group, weights = values[weights], np.broadcast_to(group, values.shape)[weights], None
        columns = self._all_columns(values.ravel()).reshape(values.shape)
        width, group = self.windows.data.shape[2], np.broadcast_to(group, values.shape)
        counts = np.zeros(self._groups * width)
        step = max(1, _PART * len(values) // max(values.size, 1))
        for first in range(0, len(values), step):
            part = slice(first, first + step)
            cells = (columns[part] + width * group[part]).ravel()
            np.add.at(counts, cells, 1.0 if weights is None else weights[part].ravel().astype(np.float64))
        self.windows.add(counts.reshape(1, self._groups, width))

    def _all_columns(self, values: Num[np.ndarray, " values"]) -> Int[np.ndarray, " values"]:
        """The column of each value, found in parts that fit the cache."""
        columns, shift = np.empty(values.size, np.int32), -1
        if not self._keys.size:  # how coarse the bins must be is seen sooner in a few values
            self._columns(values[:: values.size // _PART | 1])
        while shift != self._shift:  # coarser bins have other columns
            shift = self._shift
            for first in range(0, values.size, _PART):
                columns[first : first + _PART] = self._columns(values[first : first + _PART])
        return columns

    def _key(self, values: Num[np.ndarray, " values"]) -> Int[np.ndarray, " values"]:
        if not self.whole:
            bits = values.view(np.int32)
            return (_ordered(bits) if bits.size and bits.min() < 0 else bits) >> self._shift
        while values.size and not -_HALF <= values.min() >> self._shift <= values.max() >> self._shift < _HALF:
            self._coarsen()
        return values >> self._shift

    def _columns(self, values: Num[np.ndarray, " values"]) -> Int[np.ndarray, " values"]:
        """The column of each value; bins not seen before get one."""
        if not self.whole:
            values = values + np.float32(0)  # no negative zero
        keys = self._key(values)
        places = (keys + _HALF).astype(np.intp)
        columns = self._table.take(places, mode="wrap")
        if columns.size and columns.min() < 0:
            unseen = np.flatnonzero(columns < 0)
            found, where = np.unique(keys[unseen], return_index=True)
            if self._keys.size + found.size > MOST:
                self._coarsen()
                return self._columns(values)
            self._keys = np.append(self._keys, found)
            self._first = np.append(self._first, values[unseen[where]])
            self._single = np.append(self._single, np.ones(found.size, bool))
            self._grow()
            self._table[found + _HALF] = np.arange(self._keys.size - found.size, self._keys.size)
            columns = self._table[places]
        if not self.whole:
            alone = np.flatnonzero(self._single[columns])
            alone = columns[alone[self._first[columns[alone]] != values[alone]]]
            self._single[alone] = False
        return columns

    def _grow(self) -> None:
        data = self.windows.data
        width = data.shape[2]
        while width < self._keys.size:
            width *= 2
        if width > data.shape[2]:
            used = min(self.windows.filled + 1, len(data))
            self.windows.data = np.zeros((*data.shape[:2], width))  # of which what is not used yet takes no memory
            self.windows.data[:used, :, : data.shape[2]] = data[:used]

    @property
    def bins(self) -> tuple[int, np.ndarray]:
        """How often neighbours have merged, and the bins seen, in units of what they are now."""
        return self._shift, self._keys

    def coarsen(self, shift: int) -> None:
        """Merge neighbours until they have merged so often."""
        while self._shift < shift:
            self._coarsen()

    def _coarsen(self) -> None:
        """Merge neighbouring bins in pairs."""
        self._shift += 1
        self.__dict__.pop("_table", None)
        order = np.argsort(self._keys)
        self._keys, starts, sizes = np.unique(self._keys[order] >> 1, return_index=True, return_counts=True)
        self._first, self._single = self._first[order][starts], self._single[order][starts] & (sizes == 1)
        for window in self.windows.data[: self.windows.filled + 1] if self.windows.blocks else ():
            merged = np.add.reduceat(window[:, order], starts, axis=1)
            window[:, : starts.size], window[:, starts.size :] = merged, 0.0

    def since(self, groups: slice, block: int | None) -> "Histogram":
        """The counts of some groups, as one window: from the first window on that begins at ``block`` or later; None: of the
        last half of the run."""
        windows = self.windows
        last = windows.filled - (windows.partial == 0)
        first = windows.filled // 2 if block is None else min(-(-block // windows.span), last)
        counts = windows.total(max(first, 0))[groups]
        found = Histogram(len(counts), self.whole, 1)
        found._shift, found._keys, found._first, found._single = (
            self._shift,
            self._keys,
            self._first,
            self._single.copy(),
        )
        found.windows.data, found.windows.filled = counts[None], 1
        return found

    def distribution(self, groups: slice = slice(None), block: int | None = 0) -> Distribution:
        """The distribution over some groups; see `since`."""
        counts = self.since(groups, block).windows.data[0]
        used = np.flatnonzero(counts.any(axis=0))
        used = used[np.argsort(self._keys[used])]
        left, right = self._edges(self._keys[used])
        if not self.whole:
            left, right = (np.where(self._single[used], self._first[used], x) for x in (left, right))
        return Distribution(left, right, counts[:, used], self.whole)

    @classmethod
    def together(
        cls, parts: Sequence["Histogram"], places: Sequence[np.ndarray] | None = None, groups: int | None = None
    ) -> "Histogram":
        """What one would have counted of all, from parts in windows as long; counts of whole numbers to the bit. Spoils the
        parts.

        Args:
            parts: of different replicas.
            places: by part, which group of the whole each of its groups is in (default: the same).
            groups: of the whole.
        """
        first = parts[0]
        shift = resolution([part.bins for part in parts])
        for part in parts:
            part.coarsen(shift)
        keys = np.unique(np.concatenate([part._keys for part in parts]))
        found = cls(groups or first._groups, first.whole, first._limit)
        found._shift = shift
        found._keys, found._first, found._single = (
            keys,
            np.zeros(keys.size, first._first.dtype),
            np.ones(keys.size, bool),
        )
        found.windows = first.windows.with_data(np.zeros((first._limit, found._groups, found.windows.data.shape[2])))
        found._grow()
        seen = np.zeros(keys.size, bool)
        for part, place in zip(parts, places or [np.arange(found._groups)] * len(parts), strict=True):
            at = np.searchsorted(keys, part._keys)
            found._first[at] = np.where(seen[at], found._first[at], part._first)
            found._single[at] &= part._single & (found._first[at] == part._first)
            seen[at] = True
            for mine, group in enumerate(place):
                found.windows.data[:, group, at] += part.windows.data[:, mine, : at.size]
        return found

    def _edges(self, keys: Int[np.ndarray, " bins"]) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
        left, right = keys << self._shift, (keys + 1) << self._shift
        if self.whole:
            return left.astype(float), right - 1.0
        return _number_of(left), _number_of(right)

    def saved(self) -> dict[str, np.ndarray]:
        """Everything counted so far, as arrays."""
        windows = self.windows
        state = np.array([self._shift, windows.span, windows.filled, windows.partial])
        return {
            "keys": self._keys,
            "first": self._first,
            "single": self._single,
            "data": windows.data,
            "state": state,
        }

    @classmethod
    def restored(cls, arrays) -> "Histogram":
        """The inverse of `saved`."""
        limit, groups, _ = arrays["data"].shape
        found = cls(groups, arrays["first"].dtype == np.int32, limit)
        found._keys, found._first, found._single = arrays["keys"], arrays["first"], arrays["single"]
        windows = found.windows
        windows.data = arrays["data"]
        found._shift, windows.span, windows.filled, windows.partial = map(int, arrays["state"])
        return found


def _number_of(ordered: Int[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    bits = _ordered(np.minimum(ordered, 2**31 - 1).astype(np.int32))
    with np.errstate(invalid="ignore"):  # a quantity that is no number
        return bits.view(np.float32).astype(np.float64)
