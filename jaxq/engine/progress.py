"""Progress between launches: an interface, a meter for any stream, and one that shows nothing."""

import sys
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


class Patient:
    """A line on stderr once a run has taken ten seconds, and then each time that it has taken twice as long."""

    def __init__(self):
        self._description, self._due = "", 10.0

    def start(self, description: str) -> None:
        """Keep what will run for the first line."""
        self._description, self._due = description, 10.0

    def update(self, progress: Progress) -> None:
        """Write a line, if it is time to."""
        if progress.seconds < self._due:
            return
        while progress.seconds >= self._due:
            self._due *= 2
        text = f"{progress.seconds:.0f} s, {progress.events:.3g} events; waiting for {progress.waiting_for}"
        print(f"jaxq: {self._description}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to take away."""
