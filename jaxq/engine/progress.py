"""Progress between launches: an interface, a function, a meter for any stream, and one that shows nothing."""

import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

from jaxq.stats.estimate import Estimate


class Progress(NamedTuple):
    """Where a run stands: total events so far, seconds of running, and a few words on what it waits for.

    ``estimates()``: by metric, for each point, the `Estimate` (``value``, ``half_width(level)``) over the second half of
    what has run. They are worked out when asked for, change nothing, and may still be biased: whether the run has warmed up
    is judged later. RuntimeError where several processes run together.
    """

    events: int
    seconds: float
    waiting_for: str
    estimates: Callable[[], list[dict[str, Estimate]]] = list


class Meter(Protocol):
    """Shows progress; called on the host between launches, never from compiled code."""

    def start(self, description: str) -> None:
        """The run begins (before compiling); ``description`` says what will run and the memory it takes."""

    def update(self, progress: Progress) -> None:
        """A launch has ended."""

    def close(self) -> None:
        """The run has ended, also after an error."""


class Called:
    """A function that is called with the `Progress` after each launch, about once a second."""

    def __init__(self, function: Callable[[Progress], object]):
        self._function = function

    def start(self, description: str) -> None:
        """Nothing has run yet."""

    def update(self, progress: Progress) -> None:
        """Call the function; what it raises ends the run."""
        self._function(progress)

    def close(self) -> None:
        """Nothing to take away."""


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


Watch = Meter | Callable[[Progress], object] | None
"""What a user may give as meter."""


def as_meter(meter: Watch) -> Meter:
    """A meter from what a user gives: one, a function of the `Progress`, or None for `Patient`. TypeError else."""
    if meter is None:
        return Patient()
    if all(hasattr(meter, name) for name in ("start", "update", "close")):
        return meter  # pyright: ignore[reportReturnType] - what it has is what counts
    if callable(meter):
        return Called(meter)
    raise TypeError(f"meter = {meter!r}: must be a function of a jaxq.Progress, or have start, update and close")
