"""Points of one structure run as one batch: the host side of a compiled program.

A sweep is more replicas with other leaves: point p, replica r is row ``p * replicas + r``, and r alone seeds it, so
all points see the same random words (common random numbers).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxq.engine.layout import choose_layout
from jaxq.engine.memory import window_limit
from jaxq.engine.model import Model
from jaxq.engine.outline import whole_quantities
from jaxq.engine.process import Process
from jaxq.engine.program import BlockSums, compute_leaf, program
from jaxq.engine.rarity import prepared
from jaxq.engine.sums import Sums
from jaxq.random import key_data
from jaxq.stats.estimate import Estimate, grain
from jaxq.stats.histogram import GROUPS, Distribution, Histogram
from jaxq.stats.windows import WindowedSums

ROUNDING = 2.0**-23
"""What a sum in float32 may be off by, as a share of it (measured: 2e-8, always in the same direction)."""
FEW_POINTS = 8
"""Up to so many points side by side, histograms are kept in 32 windows, else in 16."""


def stacked_leaves(systems: Sequence[eqx.Module]):
    """(structure, leaves, own): leaves equal in all systems once, the others stacked along a first axis."""
    flat = [jax.tree.flatten(system) for system in systems]
    structure = flat[0][1]
    for system, (_, other) in zip(systems, flat, strict=True):
        if other != structure:
            raise ValueError(f"{type(system).__name__}: points of one batch must share their static fields")
    leaves, own = [], []
    for column in zip(*[leaves for leaves, _ in flat], strict=True):
        column = [compute_leaf(leaf) for leaf in column]
        shared = all(np.array_equal(column[0], leaf) for leaf in column[1:])
        own.append(not shared)
        leaves.append(column[0] if shared else np.stack(column))
    return structure, leaves, tuple(own)


class Stack:
    """The replicas of all points: carry on the devices, windowed sums on the host."""

    def __init__(
        self,
        systems: Sequence[Model],
        replicas: int,
        seed: int,
        devices: tuple,
        processes: Sequence[Process] | None = None,
        **layout,
    ):
        """``processes``: what the systems are stepped as (default: `jaxq.engine.rarity.prepared`)."""
        self.systems, self.replicas = list(systems), replicas
        self.processes = processes = [prepared(system) for system in systems] if processes is None else list(processes)
        structure, leaves, own = stacked_leaves(processes)
        self.rows = len(systems) * replicas
        batch = layout.pop("batch", None)
        launch_rows = min(self.rows, batch or self.rows)
        self.layout = choose_layout(processes[0], launch_rows, devices, point=replicas, **layout)
        self.whole = whole_quantities(processes[0])
        padded = self.layout.replicas
        shapes = tuple(
            (leaf.shape[1:] if mine else leaf.shape, leaf.dtype) for leaf, mine in zip(leaves, own, strict=True)
        )
        built = program.cache_info().misses
        self.program = program(structure, shapes, own, self.layout)
        self.compile_seconds = self.program.compile_seconds if program.cache_info().misses > built else 0.0
        self.step_times = [system.step_time() for system in processes]
        self.blocks = 0
        self.overflow = np.zeros(self.rows, bool)
        self.invalid = np.zeros(self.rows, bool)
        self._parts = []
        for first in range(0, self.rows, launch_rows):
            rows = np.minimum(first + np.arange(padded), self.rows - 1)
            placed = [
                self.program.place(leaf[rows // replicas] if mine else leaf, mine)
                for leaf, mine in zip(leaves, own, strict=True)
            ]
            numbers = self.program.place((rows % replicas).astype(np.int32), True)
            carry = self.program.start(placed, self.program.place(key_data(seed), False), numbers)
            self._parts.append([placed, carry, slice(first, min(first + launch_rows, self.rows))])
        self._names: dict[str, list[str]] = {}
        self._stores: dict[str, WindowedSums] = {}
        self._histograms: dict[str, Histogram] = {}
        self._groups = min(replicas, GROUPS)  # of each point
        replica = np.arange(self.rows)
        self._group = replica // replicas * self._groups + replica % replicas * self._groups // replicas
        self._queued: list = []

    @property
    def windows(self) -> WindowedSums:
        """The sums of `Process.observe`, `tally` and `counters`, by window of time."""
        self.settle()
        return self._stores["windows"]

    @property
    def events(self) -> int:
        """Events run so far, per replica."""
        return self.blocks * self.layout.events_per_block

    def launch(self, blocks: int | None = None) -> None:
        """Queue one launch of every part, of ``blocks`` blocks (default: as many as fit), then add up the sums of the one
        before, while the devices work."""
        blocks = self.layout.blocks if blocks is None else blocks
        queued = []
        for part in self._parts:
            part[1], sums = self.program.launch(part[0], part[1], self.program.place(np.int32(blocks), False))
            queued.append(sums)
        self.blocks += blocks
        self.settle()
        self._queued = [blocks, *queued]

    def settle(self) -> None:
        """Wait for the launch that is queued, if any, and add its sums up."""
        if not self._queued:
            return
        (blocks, *queued), self._queued = self._queued, []
        parts = list(zip(self._parts, queued, strict=True))
        columns = [self._columns(sums, rows, blocks) for (_, _, rows), (sums, _) in parts]
        self._store("windows", np.concatenate(columns, axis=2))
        for name in self.layout.histograms:
            sampled = [(jax.tree.map(np.asarray, kept[name]), rows) for (_, _, rows), (_, kept) in parts]
            self._count(name, sampled, blocks)

    def _count(self, name: str, parts: list, blocks: int) -> None:
        """Add what a launch sampled of one quantity to its histogram, block by block."""
        if name not in self._histograms:
            self._histograms[name] = Histogram(
                len(self.systems) * self._groups,
                whole=parts[0][0][0].dtype == np.int32,
                limit=32 if len(self.systems) <= FEW_POINTS else 16,
            )
        for block in range(blocks):
            values, weights = zip(*[_of_block(sampled, block, rows) for sampled, rows in parts], strict=True)
            weight = None if weights[0] is None else np.concatenate(weights, axis=1)
            self._histograms[name].add(np.concatenate(values, axis=1), weight, self._group)

    def saved(self) -> dict[str, np.ndarray]:
        """Everything computed so far, as arrays (`jaxq.engine.checkpoint`)."""
        self.settle()
        arrays = {
            "blocks": np.int64(self.blocks),
            "overflow": self.overflow,
            "invalid": self.invalid,
            "names": np.str_(json.dumps(self._names)),
        }
        for name, store in self._stores.items():
            arrays[name] = store.data
            arrays[f"{name}_state"] = np.array([store.span, store.filled, store.partial])
        for name, histogram in self._histograms.items():
            arrays |= {f"histogram/{name}/{part}": array for part, array in histogram.saved().items()}
        for i, (_, carry, _) in enumerate(self._parts):
            arrays |= {f"carry/{i}/{j}": np.asarray(x) for j, x in enumerate(jax.tree.leaves(carry))}
        return arrays

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The inverse of `saved`."""
        self.blocks, self.overflow, self.invalid = int(arrays["blocks"]), arrays["overflow"], arrays["invalid"]
        self._names = json.loads(str(arrays["names"]))
        if "windows" in arrays:
            store = WindowedSums(*arrays["windows"].shape[1:], limit=len(arrays["windows"]))
            store.data = arrays["windows"]
            store.span, store.filled, store.partial = map(int, arrays["windows_state"])
            self._stores["windows"] = store
        for name in self.layout.histograms:
            start = f"histogram/{name}/"
            kept = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
            if kept:
                self._histograms[name] = Histogram.restored(kept)
        for i, part in enumerate(self._parts):
            leaves, structure = jax.tree.flatten(part[1])
            placed = [self.program.place(arrays[f"carry/{i}/{j}"], True) for j in range(len(leaves))]
            part[1] = jax.tree.unflatten(structure, placed)

    def fits(self) -> bool:
        """Whether what `restore` put back hangs together: sums of every replica over as many blocks as were run."""
        if not self.blocks:
            return not self._stores and not self._histograms
        counted = [self._histograms[name].windows for name in self.layout.histograms if name in self._histograms]
        if len(self._stores) != 1 or len(counted) != len(self.layout.histograms):
            return False
        columns, windows = sum(map(len, self._names.values())), self._stores["windows"]
        return windows.data.shape[1:] == (columns, self.rows) and all(
            store.data.dtype == np.float64 and store.blocks == self.blocks and 0 <= store.partial < store.span
            for store in (windows, *counted)
        )

    def _store(self, name: str, blocks: np.ndarray) -> None:
        if name not in self._stores:
            _, columns, rows = blocks.shape
            self._stores[name] = WindowedSums(columns, rows, window_limit(columns, rows, self.replicas))
        self._stores[name].add(blocks)

    def _columns(self, sums: BlockSums, rows: slice, blocks: int) -> np.ndarray:
        """The sums of one launch as (blocks, columns, rows), in float64 where whole numbers may exceed 2**31."""
        count = rows.stop - rows.start
        take = lambda x: _by_block(x)[:blocks, :count]  # noqa: E731
        found = {
            "time": {} if sums.time is None else {"": take(sums.time)},
            "observed": {
                name: take(x) + (2.0**16 * take(sums.high[name]) if name in sums.high else 0.0)
                for name, x in sums.observed.items()
            },
            "tallied": {name: take(x) for name, x in sums.tallied.items()},
            "counted": {name: take(x) for name, x in sums.counted.items()},
        }
        self._names = {kind: list(values) for kind, values in found.items()}
        self.overflow[rows] |= take(sums.overflow).any(axis=0)
        self.invalid[rows] |= take(sums.invalid).any(axis=0)
        for counted in found["counted"].values():  # never down, so it has wrapped
            self.overflow[rows] |= (counted < 0).any(axis=0)
        values = [x for part in found.values() for x in part.values()]
        shape = (blocks, count)
        return np.stack(values, axis=1).astype(np.float64) if values else np.zeros((shape[0], 0, shape[1]))

    def lost(self, point: int) -> bool:
        """Whether a replica has gone wrong for good: its rates were none, or its sums are not finite."""
        rows = slice(point * self.replicas, (point + 1) * self.replicas)
        return bool(self.invalid[rows].any()) or not np.isfinite(self.windows.data[:, :, rows].sum())

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
        rows = slice(point * self.replicas, (point + 1) * self.replicas)
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
        return self._estimates(point, _grouped(data, groups), blocks * self.layout.events_per_block, episode)

    def series(self, point: int, groups: int) -> Sums:
        """`sums` of every complete window by itself, all at once (`jaxq.stats.estimate.Estimate.windows`)."""
        windows = self.windows
        rows = slice(point * self.replicas, (point + 1) * self.replicas)
        data = _grouped(windows.data[: windows.filled, :, rows], groups)
        return self._estimates(point, data, windows.span * self.layout.events_per_block, 0.0)

    def _estimates(self, point: int, data: np.ndarray, events: int, episode: float) -> Sums:
        step_time, stride = self.step_times[point], self.layout.stride
        scale = {
            "time": stride,
            "observed": stride * (1.0 if step_time is None else step_time),
            "tallied": stride,
            "counted": 1,
        }
        entries: dict[str, dict[str, Estimate]] = {}
        constant = np.zeros(data.shape[-1])
        column = 0
        for kind, names in self._names.items():
            entries[kind] = {}
            for name in names:
                exact = kind == "counted" or (step_time is not None and name in self.whole)
                values = data[..., column, :] * scale[kind]
                column += 1
                once = scale[kind]
                if episode and kind == "observed" and step_time is None:  # the mean weight of an observation
                    once *= entries["time"][""].value / max(events, 1)
                one = grain(values, once) if episode else 0.0
                long = max(one, once * episode / stride / len(values)) if one else 0.0
                entries[kind][name] = Estimate.of(values, 0.0 if exact else ROUNDING, one, long)
        time = Estimate(events * step_time, constant) if step_time is not None else entries["time"][""]
        return Sums(time, Estimate(float(events), constant), *[entries[k] for k in ("observed", "tallied", "counted")])

    def relative_to(self, metric: str, metrics: Mapping[str, Estimate]) -> float:
        """What a relative half-width of a metric is a share of: its mean."""
        return abs(metrics[metric].value)

    def states(self, point: int, most: int) -> Any:
        """The states that the first ``most`` replicas of a point are in now, an axis in front; fewer if they are cut off."""
        self.settle()
        first = point * self.replicas
        _, carry, rows = next(part for part in self._parts if part[2].start <= first < part[2].stop)
        begin, end = first - rows.start, min(first + min(most, self.replicas), rows.stop) - rows.start
        return jax.tree.map(lambda x: np.asarray(x)[begin:end], carry.state)

    def distribution(self, point: int, name: str, events: int | None) -> Distribution:
        """The distribution of one quantity over all but the first ``events`` of a replica; None: over the last half."""
        self.settle()
        block = None if events is None else -(-events // self.layout.events_per_block)
        return self._histograms[name].distribution(slice(point * self._groups, (point + 1) * self._groups), block)


def _of_block(sampled, block: int, rows: slice):
    """(values, weights or None) of one block of a launch, each (observations, rows), from (tiles, blocks, ..., tile)."""

    def cut(x):
        if x is None:
            return None
        x = x[:, block].reshape(len(x), -1, x.shape[-1])
        return np.moveaxis(x, 0, 1).reshape(x.shape[1], -1)[:, : rows.stop - rows.start]

    return tuple(map(cut, sampled))


def _grouped(data: np.ndarray, groups: int | None) -> np.ndarray:
    """Means over that many groups of neighbouring replicas, the last axis; as it is without, or where there are no more."""
    if groups is None or groups >= data.shape[-1]:
        return data
    edges = np.linspace(0, data.shape[-1], groups + 1).astype(int)
    return np.add.reduceat(data, edges[:-1], axis=-1) / np.diff(edges)


def _by_block(x) -> np.ndarray:
    """A launch's output (tiles, blocks, ...) as (blocks, rows)."""
    x = np.asarray(x)
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
