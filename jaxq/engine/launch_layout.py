"""How a launch is cut."""

import dataclasses

STRETCH = 2**16
"""Observations that the two words of a whole number hold, whatever was observed."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a launch is cut: replicas (padded, over all devices) into tiles, events into blocks, of which it may complete
    ``blocks`` stretches; with histograms it has ``blocks`` blocks at most. Sums are given by ``group`` replicas."""

    replicas: int
    tile: int
    blocks: int
    observations: int
    stride: int
    unroll: int
    devices: tuple
    histograms: tuple[str, ...] = ()
    sampling: int = 1
    """Histograms: observations from one sample to the next, 1 or all of a block."""
    group: int = 1
    kernel: bool = False
    """Whether a launch is one kernel where it can be (`jaxq.engine.kernel.choice`)."""

    @property
    def events_per_block(self) -> int:
        return self.observations * self.stride

    @property
    def handed(self) -> bool:
        """Whether devices put a stretch together for the host: where it is read in groups, or from their own memory."""
        return self.group > 1 or self.devices[0].platform != "cpu"

    @property
    def stretch(self) -> int:
        """Blocks that are added up on the devices at most, a power of two."""
        return 1 << max(1, STRETCH // self.observations).bit_length() - 1
