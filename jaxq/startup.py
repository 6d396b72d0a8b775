"""Ctrl-C and SIGTERM while the command line is still being imported: one line and exit code 130, as later on.

`jaxq` imports this first of all, with nothing but the standard library. In any other program it does nothing.
"""

import os
import signal
import sys


def is_command() -> bool:
    """Whether this process is ``jaxq`` or ``python -m jaxq`` (while Python looks for a module to run, its name is "-m")."""
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    return name == "-m" or os.path.splitext(os.path.basename(name))[0] == "jaxq"


def leave(*_) -> None:
    """End the process: there is nothing to save, and a half imported library cannot be trusted to clean up."""
    os.write(2, b"error: interrupted; there is no result to save\n")
    os._exit(130)


if is_command():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
