"""The distribution of a quantity: counts by bin, group of replicas and window of time, on the host.

A bin is a run of neighbouring float32 numbers (in the order of their bits), or of neighbouring whole numbers. Only bins
that have been seen are kept, and whenever they are more than `MOST`, neighbours merge in pairs: so the bins follow the
scale of the quantity, whatever its unit and sign.

What was counted apart, of other replicas, can be put together (`Histogram.together`): the bins, and which of them hold one
value, follow from the values alone, in whatever order they came.

Resolution: whole numbers are exact while no more than `MOST` of them occur and all are under 2**21; a quantity with few
values is exact; otherwise a bin is 2**-k of its value, with k = 9 if the values fill 16 octaves, 7 if they fill 64.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy  # its `special` is loaded where it is first used
from jaxtyping import Float, Int, Num, Shaped

from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import t_quantile
from jaxq.stats.windows import WindowedSums

MOST = 8192
"""Bins kept at most."""
GROUPS = 32
"""Groups of replicas at least, which intervals come from; fewer replicas are a group each."""
FEW, SEEN = 30, 10
"""Independent values under which those of a tail are few; equal ones that are taken for the least there can be."""
ROUNDING = 1e-12
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

    def distribution(self, groups: slice = slice(None), block: int | None = 0) -> "Distribution":
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


def _clopper_pearson(
    share: Float[np.ndarray, " bins"], count: float, level: float
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """The ends of the interval of a probability, from the share of so many independent values."""
    if not np.isfinite(count):
        return share, share
    k, tail = np.clip(share, 0.0, 1.0) * count, (1 - level) / 2
    none, all = k <= 0, k >= count * (1 - ROUNDING)
    low = scipy.special.betaincinv(np.where(none, 1.0, k), count - k + 1, tail)
    high = scipy.special.betaincinv(k + 1, np.where(all, 1.0, count - k), 1 - tail)
    return np.where(none, 0.0, low), np.where(all, 1.0, high)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Weighted counts, shape (groups, bins), of values from ``left`` to ``right``, both ascending; where they are equal
    the bin holds one value."""

    left: Float[np.ndarray, " bins"]
    right: Float[np.ndarray, " bins"]
    counts: Num[np.ndarray, "groups bins"]
    whole: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing was counted, or something that is no number."""
        return not self.counts.sum() > 0 or bool(np.isnan(self.left).any() or np.isnan(self.right).any())

    def _below(self) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
        """The distribution function at the end of each bin, and its standard error.

        A ratio of sums: a group's residual is ``F_g(x) - F(x) w_g``, with w_g its weight.
        """
        groups = self.counts.cumsum(axis=1)
        weights = groups[:, -1]
        below = groups.sum(axis=0) / weights.sum()
        residuals = groups - below * weights[:, None]
        count = len(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt((residuals**2).sum(axis=0) / np.float64(count * (count - 1))) / weights.mean()
        return below, error

    def quantile(self, probability: float, level: float = 0.95) -> tuple[float, float, float]:
        """(value, low, high): the quantile, and the points x whose F(x) is not told from ``probability`` at ``level``.

        The interval inverts the test of F(x) = p by Student's t over groups (Woodruff 1952; Francisco and Fuller 1991):
        low is the first x with ``F(x) + t se(x) >= p``, high the first from which on ``F(x) - t se(x) >= p``. So it
        holds at atoms and for whole numbers too, and need not be symmetric. In the tails, where less than `FEW`
        independent values are on one side of x, the bounds of F(x) are those of Clopper and Pearson for as many values as
        say as much of the median (Korn and Graubard 1998). An end beyond all that was seen is nan, and so is then the
        value: below the least one, unless many are equal to it, as waits of 0 are. nan too where nothing was counted, and
        for the ends where there is one group only.
        """
        if self.empty:
            return np.nan, np.nan, np.nan
        below, error = self._below()
        value = self._at(below, probability)
        t = t_quantile((1 + level) / 2, len(self.counts) - 1)
        if not np.isfinite(t):
            return value, np.nan, np.nan
        lower, upper = below - t * error, below + t * error
        count = self._independent(below, error, level)
        few = np.flatnonzero(np.minimum(below, 1 - below) < FEW / count)
        lower[few], upper[few] = _clopper_pearson(below[few], count, level)
        highest, lowest = np.maximum.accumulate(upper), np.minimum.accumulate(lower[::-1])[::-1]
        least = self.left[0] == self.right[0] and below[0] >= SEEN / count
        unseen = 0.0 if least else float(_clopper_pearson(np.zeros(1), count, level)[1][0])
        low = self._at(highest, probability, -1) if unseen < probability else np.nan
        high = self._at(lowest, probability, 1) if lowest[-1] >= probability * (1 - ROUNDING) else np.nan
        return (value if np.isfinite(low) and np.isfinite(high) else np.nan), low, high

    def _independent(self, below: Float[np.ndarray, " bins"], error: Float[np.ndarray, " bins"], level: float) -> float:
        """How many independent values would say as much of the distribution function where it is nearest to 1/2, with the
        quantile of the normal law; infinite where all groups agree, or there is one."""
        k = int(np.argmin(np.abs(below - 0.5)))
        wide = t_quantile((1 + level) / 2, len(self.counts) - 1) * error[k] / scipy.special.ndtri((1 + level) / 2)
        return below[k] * (1 - below[k]) / wide**2 if wide**2 > 0 and below[k] < 1 else np.inf

    def _at(self, below: Float[np.ndarray, " bins"], probability: float, side: int = 0) -> float:
        """Where ``below`` reaches a probability; among whole numbers of one bin, ``side`` takes its first or last."""
        # the sums are rounded: a probability that is met exactly is met
        k = min(int(np.searchsorted(below, probability * (1 - ROUNDING))), len(below) - 1)
        left, right = float(self.left[k]), float(self.right[k])
        if left == right:
            return left
        if self.whole and side:
            return left if side < 0 else right
        before = max(below[k - 1], 0.0) if k else 0.0
        share = (probability - before) / (below[k] - before) if below[k] > before else 1.0
        value = left + min(max(share, 0.0), 1.0) * (right - left)
        return float(round(value)) if self.whole else value

    def below(self, value: float, level: float = 0.95) -> Estimate:
        """P(X <= value), a bin that ``value`` cuts taken as even; nan where nothing was counted.

        The residuals are of groups. Where few values, or none, are on one side, one more counts as one of those that
        are independent (``episode``)."""
        if self.empty:
            return Estimate(np.nan, np.full(len(self.counts), np.nan))
        weights = self.counts.sum(axis=1)
        groups = self.counts @ self._share(value)
        found = float(groups.sum() / weights.sum())
        one = 1 / self._independent(*self._below(), level)
        few = min(found, 1 - found) < FEW * one
        return Estimate(found, (groups - found * weights) / weights.mean(), episode=float(one * few))

    def read(self, tail: Callable[[float], float], value: float) -> float:
        """What `below` would find at ``value`` of values that have this tail, ``x -> P(X > x)``: the same, but for the bin
        that ``value`` cuts."""
        value, share = self._at_most(value), self._share(value)
        cut = np.flatnonzero((0 < share) & (share < 1))
        if not cut.size:
            return 1 - tail(value)
        k = cut[0]
        left, right = float(self.left[k]) - self.whole, float(self.right[k])
        return 1 - float((1 - share[k]) * tail(left) + share[k] * tail(right))

    def _at_most(self, value: float) -> float:
        """The largest number that is counted as at most ``value``: values are whole, or rounded to float32."""
        with np.errstate(over="ignore"):
            return math.floor(value) if self.whole else max(value, float(np.float32(value)))

    def _share(self, value: float) -> Float[np.ndarray, " bins"]:
        """The share of each bin that is at most ``value``."""
        value = self._at_most(value)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (value - self.left + self.whole) / (self.right - self.left + self.whole)
        return np.where(self.right <= value, 1.0, np.where(self.left > value, 0.0, inside))

    def probability_below(self, value: float, level: float = 0.95) -> tuple[float, float]:
        """(P(X <= value), half-width) from `below`; nan where nothing was counted.

        Where few values, or none, are on one side, the half-width is at least that to the further end of Clopper and
        Pearson's interval, as in `quantile`."""
        found = self.below(value, level)
        width = found.half_width(level)
        if found.episode:
            low, high = (float(x[0]) for x in _clopper_pearson(np.array([found.value]), 1 / found.episode, level))
            width = max(width, found.value - low, high - found.value)
        return found.value, width
