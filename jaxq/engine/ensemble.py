"""Points of one structure run as one batch: the host side of a compiled program.

A sweep is more replicas with other leaves: point p, replica r is row ``p * replicas + r``, and r alone seeds it, so
all points see the same random words (common random numbers). Where several processes run together (`jaxq.engine.team`) each
has a share of the replicas on its devices; what is read of an ensemble is of all replicas, in all processes.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxq.engine.carry import seeded
from jaxq.engine.footprint import histogram_limit, window_limit
from jaxq.engine.kernel.choice import choose_program
from jaxq.engine.layout import run_layout
from jaxq.engine.leaves import stacked_leaves
from jaxq.engine.model import Model
from jaxq.engine.outline import summed
from jaxq.engine.outputs import Words, of_block, pieces, read, stretches, unpacked
from jaxq.engine.process import Process
from jaxq.engine.program import program
from jaxq.engine.rarity import prepared
from jaxq.engine.reading import estimated, grouped
from jaxq.engine.replicas import as_arrays, axis_of, cut, histograms, side_by_side
from jaxq.engine.sums import Sums
from jaxq.engine.team import team
from jaxq.engine.totals import Totals
from jaxq.stats.distribution import Distribution, passed
from jaxq.stats.estimate import Estimate
from jaxq.stats.histogram import Histogram, grouping
from jaxq.stats.windows import WindowedSums

AT_MOST = " <="
"""What follows the name of a quantity where its values are counted by threshold."""


class Queued(NamedTuple):
    """A launch that the devices may still be at: its blocks, the stretches that it completes and how long they are, and by
    part their sums, these as `Layout.handed`, and what was sampled."""

    blocks: int
    complete: int
    stretch: int
    filed: list
    handed: list
    sampled: list


class Ensemble:
    """The replicas of all points: carry on the devices, windowed sums on the host; by ``groups`` groups of the replicas of a
    point, one a replica unless there are very many (`jaxq.engine.group_sums`)."""

    magnified: tuple[float, ...] = ()
    """As `jaxq.engine.differences.Quotients.magnified`: its points are no quotients."""

    def __init__(
        self,
        systems: Sequence[Model],
        replicas: int,
        seed: int,
        devices: tuple,
        processes: Sequence[Process] | None = None,
        first: int = 0,
        thresholds: Mapping[str, Sequence[float]] = MappingProxyType({}),
        **layout,
    ):
        """``processes``: what the systems are stepped as (default: `jaxq.engine.rarity.prepared`). ``first``: the number of
        the first replica. ``thresholds``: of the quantities of ``histograms``, up to which their values are counted too.
        ``apart``: whether numbers that the points share may come to differ (`move`)."""
        self.systems, self.replicas = list(systems), replicas
        self.processes = processes = [prepared(system) for system in systems] if processes is None else list(processes)
        structure, leaves, self._own = stacked_leaves(processes, layout.pop("apart", False))
        self.rows = len(systems) * replicas
        self._team = team()
        self.quantities = summed(processes[0])
        self._exact = sum(quantity.exact for quantity in self.quantities)
        launch_rows, self.layout = run_layout(
            systems, processes[0], replicas, devices, sums=len(self.quantities), **layout
        )
        group = self.layout.group
        self.groups = replicas // group
        shared = self._team.share(self.groups)
        self._share = slice(shared.start * group, shared.stop * group)
        self._mine = self._share.stop - self._share.start
        self._lanes = len(systems) * self._mine
        shapes = tuple((leaf.shape[mine:], leaf.dtype) for leaf, mine in zip(leaves, self._own, strict=True))
        self._form, built = (structure, shapes), program.cache_info().misses
        self.program, self.fallback = choose_program(structure, shapes, self._own, self.layout)
        self.compile_seconds = self.program.compile_seconds if program.cache_info().misses > built else 0.0
        self.step_times = [system.step_time() for system in processes]
        self.blocks = 0
        self._parts, self._totals = [], []
        seeds = seeded(processes[0], seed, first + self._share.start + np.arange(self._mine))
        for begin in range(0, self._lanes, launch_rows):
            part = slice(begin, min(begin + launch_rows, self._lanes))
            placed = self._placed(leaves, self._rows(part))
            seeded_rows = self.program.place(seeds[self._rows(part) % self._mine], True)
            carry, totals = self.program.start(placed, seeded_rows)
            self._parts.append([placed, carry, part])
            self._totals.append(totals)
        columns = len(self.quantities)
        limit = window_limit(columns, len(systems) * self.groups, replicas)
        self._windows = WindowedSums(columns, self._lanes // group, limit)
        self._rooms: list[Any] = [None] * len(self._parts)
        self._known: dict[str, Any] = {}
        self._queued: Queued | None = None
        self._histograms: dict[str, Histogram] = {}
        self._thresholds = {name: sorted(given) for name, given in thresholds.items()}
        group_of = grouping(first, replicas)
        self._counted = group_of[-1] + 1  # of each point
        self._group = (np.arange(len(systems))[:, None] * self._counted + group_of[self._share]).ravel()

    def move(self, systems: Sequence[Model], processes: Sequence[Process]) -> None:
        """Go on from the states that there are with other parameters; the sums begin anew. ValueError where the program is
        another one, or a number that all points shared differs between them."""
        structure, leaves, own = stacked_leaves(processes)
        leaves = [
            np.broadcast_to(leaf, (len(processes), *leaf.shape)) if mine and not stacked else leaf
            for leaf, mine, stacked in zip(leaves, self._own, own, strict=True)
        ]
        shapes = [(leaf.shape[mine:], leaf.dtype) for leaf, mine in zip(leaves, self._own, strict=True)]
        if (structure, tuple(shapes)) != self._form or any(x > y for x, y in zip(own, self._own, strict=True)):
            raise ValueError("the program changes with the parameters")
        self.systems, self.processes = list(systems), list(processes)
        self.step_times = [process.step_time() for process in processes]
        for part in self._parts:
            part[0] = self._placed(leaves, self._rows(part[2]))
        self.forget()

    def forget(self) -> None:
        """Begin the sums anew; the states go on."""
        self.settle()
        self.blocks = 0
        self._windows = WindowedSums(len(self.quantities), self._lanes // self.layout.group, len(self._windows.data))
        self._known = {}
        self._totals = [
            totals._replace(**jax.tree.map(jax.numpy.zeros_like, {"whole": totals.whole, "real": totals.real}))
            for totals in self._totals
        ]

    def _rows(self, part: slice) -> np.ndarray:
        """The rows of a part, the last one repeated to fill the last tile."""
        return np.minimum(part.start + np.arange(self.layout.replicas), self._lanes - 1)

    def _placed(self, leaves: Sequence[np.ndarray], rows: np.ndarray) -> list:
        return [
            self.program.place(leaf[rows // self._mine] if mine else leaf, mine)
            for leaf, mine in zip(leaves, self._own, strict=True)
        ]

    @property
    def windows(self) -> WindowedSums:
        """The sums of `Process.observe`, `tally` and `counters`, by window of time."""
        self.settle()
        if self._windows.blocks < self.blocks:  # looked at many times, read once
            self._windows.show(self._filed([self._so_far(totals) for totals in self._totals]), self._open)
        own = self._windows
        if self._team.processes == 1:
            return own
        if "sums" not in self._known:
            self._known["sums"] = own.with_data(self._of_all("sums", own.data[: own.filled + (own.partial > 0)]))
        return self._known["sums"]

    @property
    def overflow(self) -> np.ndarray:
        """Whether a replica's numbers have left their range, shape (rows,); `jaxq.engine.totals.Totals`."""
        return self._marks("overflow", [totals.overflow for totals in self._totals])

    @property
    def beyond(self) -> np.ndarray:
        """Whether an index of a replica has lain beyond its array, shape (rows,); `jaxq.engine.carry.Carry`."""
        marks = [carry.beyond for _, carry, _ in self._parts]
        return np.zeros(self.rows, bool) if marks[0] is None else self._marks("beyond", marks)

    @property
    def invalid(self) -> np.ndarray:
        """Whether a replica's rates were none at the end of a block, shape (rows,)."""
        return self._marks("invalid", [totals.invalid for totals in self._totals])

    def _marks(self, name: str, parts: list) -> np.ndarray:
        if name not in self._known:
            self._known[name] = self._of_all(name, self._by_row(parts))
        return self._known[name]

    def _of_all(self, tag: str, mine: np.ndarray) -> np.ndarray:
        """An array of all replicas, from that of those of each process."""
        return side_by_side([x for x, *_ in self._team.gather(tag, [mine])], len(self.systems), -1)

    def _by_row(self, parts: list, group: int = 1) -> np.ndarray:
        """What there is of all parts, rows or groups of them last, without those that only fill the last tile."""
        sizes = [(rows.stop - rows.start) // group for _, _, rows in self._parts]
        found = [np.asarray(x)[..., :size] for x, size in zip(parts, sizes, strict=True)]
        return found[0] if len(found) == 1 else np.concatenate(found, -1)

    def _so_far(self, totals: Totals) -> list[Words]:
        """The sums of a part in the stretch that is not complete."""
        if self.layout.handed:
            return self._unpacked(self.program.so_far(totals.whole, totals.real))
        whole, real = ([np.asarray(x).T for x in words] for words in (totals.whole, totals.real))
        return [(whole, real)]

    def _unpacked(self, stretch: jax.Array) -> list[Words]:
        return unpacked(stretch, self._exact, len(self.quantities) - self._exact)

    def _filed(self, parts: Sequence[list[Words]]) -> np.ndarray:
        """The sums of all parts in one stretch, (columns, groups), until they are asked for again."""
        self._rooms = [read(part, room) for part, room in zip(parts, self._rooms, strict=True)]
        return self._by_row(self._rooms, self.layout.group)

    @property
    def events(self) -> int:
        """Events run so far, per replica."""
        return self.blocks * self.layout.events_per_block

    def launch(self, blocks: int | None = None) -> None:
        """Queue ``blocks`` blocks of every part (default: `Layout.blocks`), in as many launches as these have room for, and
        do the host's work for a launch while the next one runs."""
        left, self._known = self.layout.blocks if blocks is None else blocks, {}
        while left:
            span, room = self._windows.span_at(self.blocks)
            stretch = min(span, self.layout.stretch)
            longest = self.layout.blocks * (1 if self.layout.histograms else stretch)
            count = min(left, room, longest - self._open)
            complete, length = (self._open + count) // stretch, self.program.length(count, self._open, stretch)
            done = Queued(count, complete, stretch, [], [], [])
            for i, part in enumerate(self._parts):
                part[1], self._totals[i], *found = self.program.launch(part[0], part[1], self._totals[i], length)
                done.filed.append(found[0])
                done.sampled.append(found[1])
                if self.layout.handed:  # now, as what is queued later waits for the next launch
                    done.handed.append([self.program.hand(found[0], self.program.number(k)) for k in range(complete)])
            self.blocks, left = self.blocks + count, left - count
            self.settle()
            self._queued = done

    @property
    def _open(self) -> int:
        """Blocks that the devices have added up and not filed."""
        return self.blocks % min(self._windows.span_at(self.blocks)[0], self.layout.stretch)

    def settle(self) -> None:
        """Wait for the launch that is queued, if any, and take over what it has completed."""
        done, self._queued = self._queued, None
        if done is None:
            return
        for (first, *_), _ in done.filed:
            first.block_until_ready()
        if self.layout.handed:
            parts = [[self._unpacked(stretch) for stretch in part] for part in done.handed]
        else:
            parts = [stretches(filed, done.complete) for filed in done.filed if done.complete]
        for stretch in zip(*parts, strict=True):
            self._windows.extend(self._filed(stretch), done.stretch)
        for name in self.layout.histograms:
            self._count(name, [jax.tree.map(pieces, sampled[name]) for sampled in done.sampled], done.blocks)

    def _count(self, name: str, parts: list, blocks: int) -> None:
        """Add what a launch sampled of one quantity to its histogram, block by block."""
        values, weights = zip(*parts, strict=True)
        for block in range(blocks):
            weight = None if weights[0] is None else self._by_row([of_block(x, block) for x in weights])
            found = self._by_row([of_block(x, block) for x in values])
            self._add(name, found, weight)
            if name in self._thresholds:
                self._add(name + AT_MOST, passed(found, self._thresholds[name]), weight)

    def _add(self, name: str, values: np.ndarray, weights: np.ndarray | None) -> None:
        """Add one block to a histogram, the first time a new one."""
        if name not in self._histograms:
            whole, limit = values.dtype == np.int32, histogram_limit(len(self.systems))
            self._histograms[name] = Histogram(len(self.systems) * self._counted, whole, limit)
        self._histograms[name].add(values, weights, self._group)

    @property
    def _kept(self) -> list[str]:
        """The names of the histograms."""
        return [*self.layout.histograms, *(name + AT_MOST for name in self._thresholds)]

    def saved(self) -> dict[str, np.ndarray]:
        """Everything computed so far, as arrays (`jaxq.engine.checkpoint`), of the replicas of this process."""
        self.settle()
        self._windows.hide()
        state = np.array([self._windows.span, self._windows.filled, self._windows.partial])
        arrays: dict[str, Any] = {
            "blocks": np.int64(self.blocks),
            "windows": self._windows.data,
            "windows_state": state,
        }
        arrays |= as_arrays(self._histograms)
        parts = []
        for (_, carry, rows), totals in zip(self._parts, self._totals, strict=True):
            parts.append([np.asarray(x)[: rows.stop - rows.start] for x in jax.tree.leaves((carry, totals))])
        return arrays | {f"carry/{j}": np.concatenate(column) for j, column in enumerate(zip(*parts, strict=True))}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The inverse of `saved`, of all replicas: this process takes its own. ValueError where they are not so many."""
        axes, arrays, self._known = {name: axis_of(name) for name in arrays}, dict(arrays), {}
        for name, axis in axes.items():
            if axis is not None:
                group = self.layout.group if name == "windows" else 1
                if arrays[name].shape[axis] * group != self.rows:
                    raise ValueError(name)
                share = slice(self._share.start // group, self._share.stop // group)
                arrays[name] = cut(arrays[name], len(self.systems), axis, share)
        self.blocks, self._windows.data = int(arrays["blocks"]), arrays["windows"]
        self._windows.span, self._windows.filled, self._windows.partial = map(int, arrays["windows_state"])
        self._histograms = {name: x for name, x in histograms(arrays).items() if name in self._kept}
        if not self._team.first:  # process 0 goes on from the counts of all, which are added up in the end
            for histogram in self._histograms.values():
                histogram.windows.data[...] = 0
        for i, part in enumerate(self._parts):
            leaves, structure = jax.tree.flatten((part[1], self._totals[i]))
            rows = self._rows(part[2])
            placed = [self.program.place(arrays[f"carry/{j}"][rows], True) for j in range(len(leaves))]
            part[1], self._totals[i] = jax.tree.unflatten(structure, placed)

    def fits(self) -> bool:
        """Whether what `restore` put back hangs together: sums of every replica over as many blocks as were run."""
        counted = [self._histograms[name].windows for name in self._kept if name in self._histograms]
        if not self.blocks:
            return not self._windows.blocks and not counted
        windows = self._windows
        return (
            len(counted) == len(self._kept)
            and windows.blocks + self._open == self.blocks
            and all(store.blocks == self.blocks for store in counted)
            and all(store.data.dtype == np.float64 and 0 <= store.partial < store.span for store in (windows, *counted))
        )

    def lost(self, point: int) -> bool:
        """Whether a replica has gone wrong for good: its rates were none, or its sums are not finite."""
        rows = slice(point * self.replicas, (point + 1) * self.replicas)
        return bool(self.invalid[rows].any()) or not np.isfinite(self.windows.data[:, :, self._of(point)].sum())

    def _of(self, point: int) -> slice:
        """The groups of a point."""
        return slice(point * self.groups, (point + 1) * self.groups)

    def sums(
        self,
        point: int,
        first: int = 0,
        last: int | None = None,
        groups: int | None = None,
        batches: int = 1,
        episode: float = 0.0,
    ):
        """`Sums` of one point over windows ``first`` to ``last``.

        ``groups`` adds replicas up in groups first (cheaper, for warm-up); ``batches`` cuts the windows into that many
        batches, each counted as a replica (batch means). ``episode``: events that an occurrence of what is rare may last,
        for what was hardly seen.
        """
        windows = self.windows
        rows = self._of(point)
        last_window = windows.filled if last is None else last
        blocks = (last_window - first) * windows.span + (windows.partial if last is None else 0)
        data = windows.data[first : last_window + (1 if last is None and windows.partial else 0), :, rows]
        if batches > 1:
            size = (last_window - first) // batches
            cut = data[(last_window - first) - size * batches : last_window - first]
            data = cut.reshape(batches, size, *cut.shape[1:]).sum(axis=1)
            data = np.moveaxis(data, 0, 2).reshape(data.shape[1], -1)
            blocks = size * windows.span
        else:
            data = data.sum(axis=0)
        return self._estimates(point, grouped(data, groups), blocks * self.layout.events_per_block, episode)

    def series(self, point: int, groups: int) -> Sums:
        """`sums` of every complete window by itself, all at once (`jaxq.stats.estimate.Estimate.windows`)."""
        windows = self.windows
        data = grouped(windows.data[: windows.filled, :, self._of(point)], groups)
        return self._estimates(point, data, windows.span * self.layout.events_per_block, 0.0)

    def _estimates(self, point: int, data: np.ndarray, events: int, episode: float) -> Sums:
        group, stride = self.layout.group, self.layout.stride
        return estimated(data, self.quantities, self.step_times[point], stride, events, episode, group)

    def relative_to(self, metric: str, metrics: Mapping[str, Estimate]) -> float:
        """What a relative half-width of a metric is a share of: its mean."""
        return abs(metrics[metric].value)

    def states(self, point: int, most: int) -> Any:
        """The states that the first ``most`` replicas of a point are in now, an axis in front; fewer if they are cut off."""
        self.settle()
        first = point * self._mine
        _, carry, rows = next(part for part in self._parts if part[2].start <= first < part[2].stop)
        begin, end = first - rows.start, min(first + min(most, self._mine), rows.stop) - rows.start
        leaves, structure = jax.tree.flatten(jax.tree.map(lambda x: np.asarray(x)[begin:end], carry.state))
        shares = self._team.gather("states", leaves)
        return jax.tree.unflatten(structure, [np.concatenate(x)[:most] for x in zip(*shares, strict=True)])

    def distribution(self, point: int, name: str, events: int | None) -> Distribution:
        """The distribution of one quantity over all but the first ``events`` of a replica; None: over the last half."""
        self.settle()
        block = None if events is None else -(-events // self.layout.events_per_block)
        groups = slice(point * self._counted, (point + 1) * self._counted)

        def counted(name: str) -> Distribution:
            if self._team.processes == 1:
                return self._histograms[name].distribution(groups, block)
            mine = self._histograms[name].since(groups, block).saved()
            shares = self._team.gather("counts", list(mine.values()))
            return Histogram.together(
                [Histogram.restored(dict(zip(mine, x, strict=True))) for x in shares]
            ).distribution()

        found = counted(name)
        return found.counted_to(self._thresholds[name], counted(name + AT_MOST)) if name in self._thresholds else found
