"""What a class of a user's own does wrong, in one line."""

import contextlib
import sys
from pathlib import Path

from jaxq.cli.errors import BadInput, CommandError
from jaxq.systems.find import line


@contextlib.contextmanager
def own_errors(system: type):
    """Inside, an error in the file of a system that does not ship is bad input, told with its line; so is a TypeError that
    begins with its name, which is how the engine refuses a class. Any other error keeps its traceback.
    """
    path = getattr(sys.modules.get(system.__module__), "__file__", None)
    try:
        yield
    except CommandError:
        raise
    except Exception as error:
        if path is None or system.__module__.startswith("jaxq."):
            raise
        at = line(error, path)
        if at:
            raise BadInput(f"{Path(path).name}{at}: {type(error).__name__}: {error}") from error
        if isinstance(error, TypeError) and str(error).startswith(system.__name__):
            raise BadInput(str(error)) from error
        raise
