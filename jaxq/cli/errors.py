"""What ends a command with one line instead of a traceback."""

import contextlib
from collections.abc import Mapping

from jaxq.checks import FieldError

LONGEST = 300
"""Characters of a line; what is longer quotes its input at length, and loses the middle."""

NOTHING = "interrupted; there is no result to save"


class CommandError(Exception):
    """A line for stderr and an exit code. ``format_message`` is what `jaxq.cli.app.call` looks for."""

    code = 2

    def format_message(self) -> str:
        """The message on one line."""
        text = " ".join(str(self).split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 105]} ... {text[-100:]}"


class BadInput(CommandError):
    """An option, a field or an experiment file is not allowed: exit code 2."""


class CannotPrint(CommandError):
    """stdout is closed, or full: exit code 2."""


class Interrupted(CommandError):
    """Ctrl-C or SIGTERM before there was anything to report: exit code 130."""

    code = 130


@contextlib.contextmanager
def interruptible():
    """Inside, Ctrl-C that the engine does not turn into a partial result is `Interrupted`."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(NOTHING) from None


@contextlib.contextmanager
def input_errors(sources: Mapping[str, str] | None = None):
    """Inside, a ValueError is bad input.

    Only parsing, construction and checks belong inside: an error of a run itself is a bug and keeps its traceback.
    ``sources`` says which fields and options came from a file.
    """
    try:
        yield
    except ValueError as error:
        source = (sources or {}).get(error.field) if isinstance(error, FieldError) else None
        raise BadInput(f"{source}: {error}" if source else str(error)) from error
