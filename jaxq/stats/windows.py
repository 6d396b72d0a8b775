"""Sums over a run, by replica and window of time, in float64.

The devices add blocks up over stretches of a window (`jaxq.engine.program`); here stretches are added up in float64, exact
for whole numbers up to 2**53, into at most ``limit`` windows of equal length. When they are full, neighbours merge and every
window covers twice as many blocks; so a run of any length is seen at a resolution of 1/64 to 1/32, which is what warm-up
detection, batch means and growth rates work on.
"""

import numpy as np
from jaxtyping import Float, Num


class WindowedSums:
    """``data`` has shape (limit, columns, replicas); the first ``filled`` windows are complete, each of ``span`` blocks, and
    the next one has ``partial`` blocks so far."""

    def __init__(self, columns: int, replicas: int, limit: int = 64):
        self.data = np.zeros((limit, columns, replicas))
        self.span, self.filled, self.partial = 1, 0, 0
        self._hidden: tuple[np.ndarray, int] | None = None

    def with_data(self, data: Float[np.ndarray, "windows columns replicas"]) -> "WindowedSums":
        """As many windows, as long, with the sums of other replicas."""
        limit, columns, replicas = data.shape
        other = WindowedSums(columns, replicas, limit)
        other.data, other.span, other.filled, other.partial = data, self.span, self.filled, self.partial
        return other

    @property
    def blocks(self) -> int:
        """Blocks added so far, those of an incomplete window among them."""
        return self.filled * self.span + self.partial

    def span_at(self, position: int) -> tuple[int, int]:
        """(blocks of a window, blocks until these double) at a position, in blocks from the start of the run."""
        span, limit = 1, len(self.data)
        while position >= limit * span:
            span *= 2
        return span, limit * span - position

    def add(self, blocks: Num[np.ndarray, "blocks columns replicas"]) -> None:
        """Add consecutive blocks, shape (blocks, columns, replicas)."""
        for block in blocks:  # one by one: how a run is cut into launches changes no bit
            self.extend(block, 1)

    def extend(self, sums: Num[np.ndarray, "columns replicas"], blocks: int) -> None:
        """Add ``blocks`` blocks by their sums, shape (columns, replicas); no more than end a window."""
        self.hide()
        if self.filled == len(self.data):
            self._merge()
        self.data[self.filled] += sums
        self.partial += blocks
        if self.partial == self.span:
            self.filled, self.partial = self.filled + 1, 0

    def show(self, sums: Num[np.ndarray, "columns replicas"], blocks: int) -> None:
        """Count a stretch that is still going on, until `hide`: as `extend`, but it may not end a window."""
        self.hide()
        if self.filled == len(self.data):
            self._merge()
        self._hidden = self.data[self.filled].copy(), self.partial
        self.data[self.filled] += sums
        self.partial += blocks

    def hide(self) -> None:
        """Take back what `show` counted, to the bit."""
        if self._hidden is not None:
            self.data[self.filled], self.partial = self._hidden
            self._hidden = None

    def _merge(self) -> None:
        half = len(self.data) // 2
        for k in range(half):  # in place: half of them beside the whole would be the most that a run holds
            np.add(self.data[2 * k], self.data[2 * k + 1], out=self.data[k])
        self.data[half:] = 0
        self.span, self.filled = 2 * self.span, half

    def total(self, first: int, last: int | None = None) -> Float[np.ndarray, "columns replicas"]:
        """Sum over complete windows ``first`` to ``last`` (exclusive; None: all that follow, the incomplete one too)."""
        return self.data[first : None if last is None else last].sum(axis=0)
