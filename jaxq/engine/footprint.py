"""Bytes that a run holds at its peak, derived from how it is cut before anything is allocated or compiled.

A replica of c sums that is carried in s bytes, in a launch with room for k stretches, holds on its device: s, its own
parameters, and twice (what was, and what a launch makes of it) 8 c of sums so far, 8 c k of stretches that are filed and
what is sampled for histograms, since a launch begins before the last one is read. Sums so far are changed in place: the
second 8 c are the sums of a block, which a kernel may keep in memory (`jaxq.engine.kernel.spilling`). The host keeps 8 c a
window for each replica or group of them, four more of these while it looks at the run, the counts of histograms, and a copy
of the block that it counts. Before the first event there are the words that replicas are seeded from instead, three times.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxq.engine.layout import FEW, first_look, run_layout
from jaxq.engine.leaves import stacked_leaves
from jaxq.engine.model import Model
from jaxq.engine.outline import lanes_bytes, samples, summed
from jaxq.engine.process import Process
from jaxq.engine.team import team
from jaxq.stats.histogram import MOST, neighbours

WINDOW_BYTES, LEAST_WINDOWS = 2**30, 16
"""Above so many bytes the sums of a run are kept in fewer windows, down to so many."""
FEW_POINTS = 8
"""Up to so many points side by side, histograms are kept in 32 windows, else in 16."""
WHOLE_BINS = 256
"""Values of a whole number, taken for those that a run will see; of a real number, all bins that there may be."""


class Footprint(NamedTuple):
    """Bytes of the machine's memory, and of accelerators beside it (0 where the devices are cores)."""

    machine: int
    devices: int

    def __str__(self) -> str:
        text = f"about {sized(self.machine)} of memory"
        return f"{text} and {sized(self.devices)} on the devices" if self.devices else text


def sized(count: float) -> str:
    """Bytes in words, to three digits: ``58.3 MB``, ``12,000 GB``."""
    size, unit = (count / 1e9, "GB") if count > 999e6 else (count / 1e6, "MB")
    return f"{float(f'{size:.3g}'):,.15g} {unit}"


def window_limit(columns: int, rows: int, replicas: int) -> int:
    """Windows that a run's sums are kept in: twice its first look, eight times where replicas are few (a window as long as a
    correlation time makes that seem longer), and fewer while they take more than 1 GB, 16 at least."""
    limit = (2 if replicas >= FEW else 8) * first_look(replicas)
    while limit > LEAST_WINDOWS and 8 * limit * columns * rows > WINDOW_BYTES:
        limit //= 2
    return limit


def histogram_limit(points: int) -> int:
    """Windows that the histograms of so many points side by side are kept in."""
    return 32 if points <= FEW_POINTS else 16


def footprint(
    systems: Sequence[Model], processes: Sequence[Process], replicas: int, devices: tuple, apart: bool = False, **cut
) -> Footprint:
    """The footprint, in this process, of an `Ensemble` of systems of one structure; ``cut``: as `run_layout`."""
    process, points = processes[0], len(systems)
    sums = len(summed(process))
    rows, layout = run_layout(systems, process, replicas, devices, sums=sums, **cut)
    share = team().share(replicas // layout.group)
    mine = (share.stop - share.start) * layout.group
    padded = -(-points * mine // rows) * layout.replicas
    groups = points * replicas // layout.group
    word = 8 * sums

    _, leaves, own = stacked_leaves(processes, apart)
    given = sum(leaf[0].nbytes for leaf, several in zip(leaves, own, strict=True) if several)
    carried = given + lanes_bytes(process) - 4 * sums
    seeds = 4 * (process.scan.init_words + 4)

    sampled = samples(process, layout.histograms)
    often = layout.observations if layout.sampling == 1 else 1 + (process.step_time() is None)
    counted = 8 * points * -(-replicas // neighbours(replicas)) * histogram_limit(points)
    bins = sum(WHOLE_BINS if whole else MOST for whole, _ in sampled)
    block = max((often * (size + 4) for _, size in sampled), default=0)

    filed = layout.blocks * (word + often * sum(size for _, size in sampled))
    handed = layout.blocks * word * groups if layout.handed else 0
    running = padded * (carried + 2 * (word + filed)) + 2 * handed
    starting = padded * (carried + word + seeds)
    looking = word * groups * (window_limit(sums, groups, replicas) + 4) + counted * bins + padded * block
    seeding = seeds * (mine + padded)
    if devices[0].platform == "cpu":
        return Footprint(int(max(running + looking, starting + seeding)), 0)
    copied = handed + padded * layout.blocks * often * sum(size for _, size in sampled)
    return Footprint(int(max(looking + copied, seeding)), int(max(running, starting)))
