"""Sums over a run, by replica and window of time, in float64.

The device returns one small sum a block (int32 or float32, see `jaxq.engine.program`); here blocks are added up in
float64, exact for whole numbers up to 2**53, into at most ``limit`` windows of equal length. When they are full,
neighbours merge and every window covers twice as many blocks; so a run of any length is seen at a resolution of
1/64 to 1/32, which is what warm-up detection, batch means and growth rates work on.
"""

import numpy as np


class WindowedSums:
    """``data`` has shape (limit, columns, replicas); the first ``filled`` windows are complete, each of ``span`` blocks."""

    def __init__(self, columns: int, replicas: int, limit: int = 64):
        self.data = np.zeros((limit, columns, replicas))
        self.span, self.filled, self.partial = 1, 0, 0

    @property
    def blocks(self) -> int:
        """Blocks added so far, those of an incomplete window among them."""
        return self.filled * self.span + self.partial

    def add(self, blocks: np.ndarray) -> None:
        """Add consecutive blocks, shape (blocks, columns, replicas)."""
        done = 0
        while done < len(blocks):
            if self.filled == len(self.data):
                self._merge()
            take = min(self.span - self.partial, len(blocks) - done)
            for block in blocks[done : done + take]:  # one by one: how a run is cut into launches changes no bit
                self.data[self.filled] += block
            done += take
            self.partial += take
            if self.partial == self.span:
                self.filled, self.partial = self.filled + 1, 0

    def _merge(self) -> None:
        half = len(self.data) // 2
        self.data[:half] = self.data[0::2] + self.data[1::2]
        self.data[half:] = 0
        self.span, self.filled = 2 * self.span, half

    def total(self, first: int, last: int | None = None) -> np.ndarray:
        """Sum over complete windows ``first`` to ``last`` (exclusive; None: all that follow, the incomplete one too)."""
        return self.data[first : None if last is None else last].sum(axis=0)
