"""Where an outcome goes: files, JSON or tables, and the exit code."""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jaxq.cli.errors import BadInput
from jaxq.engine.files import json_text, reason
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.team import team

if TYPE_CHECKING:
    from jaxq.cli.given_options import Output

OK, FLAGGED, INTERRUPTED = 0, 3, 130


def present(outcome: Any, output: "Output", draw: Callable[[str], None], show: Callable[[], None]) -> int:
    """Save an outcome (which has ``save``, ``to_dict`` and ``flags``), ``draw`` it to a file and ``show`` it: process 0 of
    several does, the others have its exit code alone."""
    if not team().first:
        return exit_code(outcome.flags)
    files: dict[Any, Callable[[], Any]] = {path: functools.partial(outcome.save, path) for path in output.files}
    if output.plot is not None:
        files[output.plot] = functools.partial(draw, output.plot)
    deliver(files, (lambda: print_json(outcome.to_dict())) if output.json else show)
    return exit_code(outcome.flags)


def deliver(files: Mapping[Any, Callable[[], Any]], show: Callable[[], None]) -> None:
    """Write every file and ``show`` the result, whatever becomes of the files; a first Ctrl-C changes nothing any more.

    ``files``: by path, what writes it. BadInput, at the end, names those that could not be written, and why.
    """
    lost: dict[Any, str] = {}
    with Interrupt():
        try:
            lost = write(files)
        finally:
            show()
            sys.stdout.flush()
    check_written(lost)


def write(files: Mapping[Any, Callable[[], Any]]) -> dict[Any, str]:
    """Write every file; why it could not be written, by path."""
    lost = {}
    for path, save in files.items():
        try:
            save()
        except (OSError, ValueError) as error:  # a folder that has gone since it was checked is a ValueError
            lost[path] = reason(error)
    return lost


def check_written(lost: Mapping[Any, str]) -> None:
    """BadInput if a file could not be written."""
    if lost:
        raise BadInput("; ".join(f"{path}: not written ({why})" for path, why in lost.items()))


def exit_code(flags: tuple[str, ...]) -> int:
    """130 for an interrupted run, 3 for any other flag."""
    return INTERRUPTED if "unfinished" in flags else FLAGGED if flags else OK


def print_json(data: Any) -> None:
    """JSON on stdout, and nothing else."""
    print(json_text(data))
