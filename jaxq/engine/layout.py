"""The rule by which the engine cuts a run into tiles, blocks and launches (figures: benchmarks/decisions.md).

CPU: a tile's carry and sums fill about half of the first-level cache (16 KB of 32), 64 to 256 replicas (a system may say
otherwise); so the whole event loop of a tile runs in cache. How many blocks a launch has is measured (`jaxq.engine.loop`),
so that the host loop between launches, about a millisecond, is not felt; it has room for the sums of as many stretches
as there would be blocks in 2**27 events. GPU: one tile, no unrolling beyond the system's hint, and room for 2**34 events.
"""

import math
from collections.abc import Sequence

from jaxq.engine.group_sums import group_size
from jaxq.engine.kernel.choice import kernel_wanted
from jaxq.engine.kernel.program import LANES
from jaxq.engine.launch_layout import Layout
from jaxq.engine.model import Model
from jaxq.engine.outline import lanes_bytes, summed
from jaxq.engine.process import Process
from jaxq.engine.team import team

TILE_BYTES = 16 * 1024
LAUNCH_EVENTS, GPU_LAUNCH_EVENTS = 2**27, 2**34
ROOM = 2**22
"""Sums that a launch has room for (32 MB): filling that of very many replicas would take longer than the launch."""
LAUNCH_SAMPLES = 2**24
"""Values of a quantity that a launch with histograms hands to the host (64 MB), or a block of 16 observations if that is
more."""
OBSERVATIONS, SAMPLED_OBSERVATIONS = 1024, 4096
"""Observations of a block at most, and of one that is sampled once: so long that the host, which counts the samples of one
launch while the next one runs, is not waited for."""
LEAST_OBSERVATIONS = 16
"""Observations of a block at least, unless the run is so short that 32 blocks of them would be too long."""
FIRST_LOOK = 32
"""Blocks before the first look at the run, if replicas are many; then at every doubling."""
FEW = 30
"""Below this many replicas, intervals are from batches of windows, if need be, and windows are shorter."""


def default_replicas(devices: tuple) -> int:
    """Replicas of a run that names none: enough to fill the machine, few enough that warm-up stays cheap."""
    return 65536 if devices[0].platform != "cpu" else 1024


def first_look(replicas: int) -> int:
    """Blocks before the first look: 32, and the more the fewer replicas there are, up to 1024 for one."""
    return FIRST_LOOK * 2 ** max(0, math.ceil(math.log2(FEW / replicas)))


def _power_of_two(x: float) -> int:
    return 1 << max(0, math.floor(math.log2(max(x, 1))))


def choose_tile(system: Process, devices: tuple, replicas: int) -> int:
    """Replicas per tile: a power of two for CPU, all replicas of a device elsewhere, in whole
    tiles of a kernel."""
    a_device = -(-replicas // len(devices))
    if devices[0].platform != "cpu":
        return -(-a_device // LANES) * LANES
    wanted = system.scan.tile or min(256, max(64, _power_of_two(TILE_BYTES / lanes_bytes(system))))
    return min(wanted, a_device)


def run_layout(
    systems: Sequence[Model],
    process: Process,
    replicas: int,
    devices: tuple,
    *,
    sums: int,
    batch: int | None = None,
    group: int | None = None,
    **layout,
) -> tuple[int, Layout]:
    """(rows of a launch, its layout) of a run of systems that are stepped as ``process`` is: ``batch`` replicas a launch,
    ``group`` a group, where they are given; else all, and `group_size`. The layout is that of all processes."""
    group = group or group_size(systems, sums, replicas)
    widest = -(-replicas // group // team().processes) * group * len(systems)
    rows = min(widest, max(1, (batch or widest) // group) * group)
    return rows, choose_layout(process, rows, devices, point=replicas, group=group, sums=sums, **layout)


def choose_layout(
    system: Process,
    replicas: int,
    devices: tuple,
    *,
    point: int = 0,
    events: int = 2**62,
    histograms: tuple[str, ...] = (),
    tile: int | None = None,
    blocks: int | None = None,
    observations: int | None = None,
    sampling: int | None = None,
    group: int = 1,
    sums: int | None = None,
) -> Layout:
    """The layout for ``replicas`` in one launch, ``point`` of them of each point; ``events`` (per replica) shortens
    the blocks of a small run. ``sampling``: more than 1 if histograms sample a block once, at its end, as they do on an
    accelerator. ``group``: replicas whose sums are added up (`jaxq.engine.group_sums`). ``sums``: how many there are of a
    replica, where that is known."""
    if tile is None:
        tile = choose_tile(system, devices, replicas)
        if devices[0].platform != "cpu":
            tile = -(-tile // math.lcm(LANES, group)) * math.lcm(LANES, group)
    unit = math.lcm(tile, group) * len(devices)
    padded = -(-replicas // unit) * unit
    looked = first_look(point or replicas)
    kernel, unroll = kernel_wanted(devices), system.scan.unroll
    once = bool(histograms) and (kernel if sampling is None else sampling > 1)
    if observations is None:
        wanted = _power_of_two(events / (looked * system.scan.stride))
        if histograms and not once:
            wanted = min(wanted, _power_of_two(LAUNCH_SAMPLES / padded))
        least = min(LEAST_OBSERVATIONS, _power_of_two(events / (FIRST_LOOK * system.scan.stride)))
        observations = max(least, min(SAMPLED_OBSERVATIONS if once else OBSERVATIONS, wanted))
    sampling = observations if once else 1
    if blocks is None:
        a_block = padded * observations * system.scan.stride
        room = LAUNCH_EVENTS if devices[0].platform == "cpu" else GPU_LAUNCH_EVENTS
        sums = len(summed(system)) if sums is None else sums
        blocks = min(looked, _power_of_two(room / a_block), _power_of_two(ROOM / (padded * max(sums, 1))))
        if histograms:
            blocks = min(blocks, _power_of_two(LAUNCH_SAMPLES / (padded * observations / sampling)))
    cut = padded, tile, blocks, observations, system.scan.stride, unroll
    return Layout(*cut, devices, histograms, sampling, group, kernel)
