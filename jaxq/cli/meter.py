"""A progress line on stderr."""

import sys

from jaxq.engine.progress import Meter, Patient, Progress, Silent


def make_meter(quiet: bool = False) -> Meter:
    """A `RichMeter` on a terminal, `Patient` elsewhere, `Silent` when ``quiet``."""
    return Silent() if quiet else RichMeter() if sys.stderr.isatty() else Patient()


class RichMeter:
    """What runs, events so far and per second, and what the run waits for; gone when the run ends."""

    def __init__(self):
        self._bar = self._task = None

    def start(self, description: str) -> None:
        """Show the line, first while the run compiles."""
        self._open(f"{description}: compiling")

    def show(self, text: str) -> None:
        """Show a text, while something runs that is no simulation."""
        if self._bar is None or self._task is None:
            self._open(text)
        else:
            self._bar.update(self._task, description=text)

    def _open(self, text: str) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        column = TextColumn("{task.description}", markup=False)
        console = Console(stderr=True)
        self._bar = Bar(
            SpinnerColumn(), TimeElapsedColumn(), column, console=console, transient=True, redirect_stdout=False
        )
        self._task = self._bar.add_task(text, total=None)
        self._bar.start()

    def update(self, progress: Progress) -> None:
        """Show where the run stands."""
        if self._bar is not None and self._task is not None:
            rate = progress.events / progress.seconds if progress.seconds else 0.0
            done = f"{progress.events:.3g} events, {rate:.2g}/s; waiting for {progress.waiting_for}"
            self._bar.update(self._task, description=done)

    def close(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
