"""The rule by which the engine cuts a run into tiles, blocks and launches (figures: benchmarks/README.md).

CPU: a tile's carry and sums fill about half of the first-level cache (16 KB of 32), 64 to 256 replicas (a system may say
otherwise); so the whole event loop of a tile runs in cache. A launch lasts long enough (2**27 events) that the host
loop between launches, about a millisecond, is not felt. GPU: one tile, no unrolling beyond the system's hint.
"""

import math

from jaxq.engine.program import Layout, lanes_bytes
from jaxq.engine.system import System

TILE_BYTES = 16 * 1024
LAUNCH_EVENTS = 2**27
LAUNCH_SAMPLES = 2**24
"""Values of a quantity that a launch with histograms hands to the host (64 MB)."""
OBSERVATIONS = 1024
LEAST_OBSERVATIONS = 16
FIRST_LOOK = 32
"""Blocks before the first look at the run; then at every doubling."""


def default_replicas(devices: tuple) -> int:
    """Replicas of a run that names none: enough to fill the machine, few enough that warm-up stays cheap."""
    return 65536 if devices[0].platform != "cpu" else 1024


def _power_of_two(x: float) -> int:
    return 1 << max(0, math.floor(math.log2(max(x, 1))))


def choose_tile(system: System, devices: tuple, replicas: int) -> int:
    """Replicas per tile: a power of two for CPU, all replicas of a device elsewhere."""
    a_device = -(-replicas // len(devices))
    if devices[0].platform != "cpu":
        return a_device
    wanted = system.tile or min(256, max(64, _power_of_two(TILE_BYTES / lanes_bytes(system))))
    return min(wanted, a_device)


def choose_layout(
    system: System,
    replicas: int,
    devices: tuple,
    *,
    events: int = 2**62,
    histograms: tuple[str, ...] = (),
    tile: int | None = None,
    blocks: int | None = None,
    observations: int | None = None,
) -> Layout:
    """The layout for ``replicas`` in one launch; ``events`` (per replica) shortens the blocks of a small run."""
    if tile is None:
        tile = choose_tile(system, devices, replicas)
    unit = tile * len(devices)
    padded = -(-replicas // unit) * unit
    if observations is None:
        wanted = _power_of_two(events / (FIRST_LOOK * system.stride))
        if histograms:
            wanted = min(wanted, _power_of_two(4 * LAUNCH_SAMPLES / padded))
        observations = max(LEAST_OBSERVATIONS, min(OBSERVATIONS, wanted))
    if blocks is None:
        a_block = padded * observations * system.stride
        blocks = max(1, min(FIRST_LOOK, _power_of_two(LAUNCH_EVENTS / a_block)))
        if histograms:
            blocks = min(blocks, _power_of_two(LAUNCH_SAMPLES / (padded * observations)))
    unroll = system.unroll
    return Layout(padded, tile, blocks, observations, system.stride, unroll, devices, histograms)
