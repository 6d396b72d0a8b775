"""Ctrl-C and SIGTERM: a run ends with what it has.

Both are heard alike, so that a scheduler that takes a machine back loses no more than a user who is impatient.
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0
"""Seconds after a first signal in which further ones change nothing: a finger and a shell send two at a time."""

_last = -math.inf


class Interrupt:
    """Inside, the first signal only sets ``heard``; another one, a second later or more, raises KeyboardInterrupt."""

    def __init__(self):
        self.heard = False

    def __enter__(self) -> "Interrupt":
        self._handlers = handling(self._hear)
        self._handlers.__enter__()
        return self

    def _hear(self, *_) -> None:
        if patient():
            return
        if self.heard:
            raise KeyboardInterrupt
        self.heard = True
        note()

    def __exit__(self, *_) -> None:
        self._handlers.__exit__(None, None, None)


def note() -> None:
    """A signal was heard now."""
    global _last
    _last = time.monotonic()


def forget() -> None:
    """The signal that was heard last had no effect: the next one counts as the first."""
    global _last
    _last = -math.inf


def patient() -> bool:
    """Whether a signal was heard less than `PATIENCE` ago."""
    return time.monotonic() - _last < PATIENCE


@contextlib.contextmanager
def handling(handler: Callable[..., None]) -> Iterator[None]:
    """Inside, ``handler(number, frame)`` is called for `SIGNALS`, if this is the main thread; nothing changes elsewhere."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
