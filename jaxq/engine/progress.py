"""Progress between launches: an interface, and the meter that shows nothing."""

from typing import NamedTuple, Protocol


class Progress(NamedTuple):
    """Where a run stands: total events so far, seconds of running, and a few words on what it waits for."""

    events: int
    seconds: float
    waiting_for: str


class Meter(Protocol):
    """Shows progress; called on the host between launches, never from compiled code."""

    def start(self, description: str) -> None:
        """The run begins (before compiling); ``description`` says what will run and the memory it takes."""

    def update(self, progress: Progress) -> None:
        """A launch has ended."""

    def close(self) -> None:
        """The run has ended, also after an error."""


class Silent:
    """Shows nothing."""

    def start(self, description: str) -> None:
        pass

    def update(self, progress: Progress) -> None:
        pass

    def close(self) -> None:
        pass
