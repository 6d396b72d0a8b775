"""What becomes of an outcome: files, a figure, JSON or tables, and the exit code."""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from jaxq.cli.console import stdout_console
from jaxq.cli.errors import BadInput
from jaxq.cli.options import Output
from jaxq.engine.files import json_text, reason
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.model import Model
from jaxq.engine.quantity import primary
from jaxq.engine.result import Result, Results
from jaxq.engine.team import team

OK, FLAGGED, INTERRUPTED = 0, 3, 130


def report(verb: str, outcome: Result | Results, systems: list[Model], output: Output) -> int:
    """Save, draw and print an outcome."""
    first = primary_of(outcome, systems)

    def show():
        if isinstance(outcome, Results):
            from jaxq.cli.result_tables import print_results

            print_results(stdout_console(), verb, outcome, first)
        else:
            from jaxq.cli.tables import print_result

            print_result(stdout_console(), outcome)

    return present(outcome, output, lambda path: draw(outcome, path, first), show)


def present(outcome: Any, output: Output, draw: Callable[[str], None], show: Callable[[], None]) -> int:
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


def primary_of(outcome: Result | Results, systems: list[Model]) -> tuple[str, ...]:
    """The primary metrics of the system and those the run was given targets for; all if there are none."""
    result = outcome[0] if isinstance(outcome, Results) else outcome
    targets = [text.partition(":")[0] for text in result.run["options"]["metric"]]
    first = primary(systems[0].metric_table, result.metrics)
    return tuple(dict.fromkeys([*first, *targets])) or tuple(result.metrics)


def exit_code(flags: tuple[str, ...]) -> int:
    """130 for an interrupted run, 3 for any other flag."""
    return INTERRUPTED if "unfinished" in flags else FLAGGED if flags else OK


def print_json(data: Any) -> None:
    """JSON on stdout, and nothing else."""
    print(json_text(data))


def draw(outcome: Result | Results, path: str, primary: tuple[str, ...]) -> None:
    """The figure of an outcome, without a display: all metrics of a run, the primary metrics of several."""
    from jaxq.plotting import plot

    plot(outcome, metric=primary if isinstance(outcome, Results) else None, path=path)
