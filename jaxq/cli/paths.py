"""``jaxq paths``: means at given times, from the initial state."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxq.checks import FieldError
from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import present
from jaxq.cli.errors import BadInput, input_errors, interruptible
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.field_values import points
from jaxq.cli.given_options import Output, number
from jaxq.cli.given_systems import build_systems, merge
from jaxq.cli.initial import read_text
from jaxq.cli.options import OUTPUT, PATHS
from jaxq.cli.run import start_devices
from jaxq.cli.schedule import read_texts
from jaxq.cli.tables import (
    WITHHELD_TEXT,
    print_flags,
)
from jaxq.engine.fields import Rule
from jaxq.engine.memory import PATH_BYTES, SEEN_BYTES
from jaxq.engine.model import Model
from jaxq.engine.plain import pair
from jaxq.plotting import plot

ROWS = 21
"""Times shown on the terminal; the files have all."""
NUMBERS = [name for name in PATHS if name not in ("times", "totals", "schedule", "initial", *OUTPUT)]


def execute(verb: str, system: type[Model], given: Mapping[str, Any], experiment: Experiment | None) -> int:
    """Follow one system; returns the exit code."""
    from jaxq.engine.paths import follow, paths
    from jaxq.engine.planned import plan_of

    chosen, sources = merge(verb, given, experiment)
    with interruptible(), input_errors(sources):
        output = Output.of(chosen)
        numbers = {name: number(chosen[name]) for name in NUMBERS if name in chosen}
        times = grid(chosen.get("times"), numbers.get("replicas", 1024))
        instance = build_systems(verb, system, chosen)[0][0]
        schedule = read_texts(system, chosen["schedule"]) if "schedule" in chosen else None
        initial = read_text(chosen["initial"]) if "initial" in chosen else None
        start_devices(numbers.get("devices"))
        totals = bool(chosen.get("totals"))
        planned = plan_of(paths)(instance, times, **numbers, totals=totals, schedule=schedule, initial=initial)
    with interruptible():
        found = follow(planned)
        return present(found, output, lambda path: plot(found, path=path), lambda: print_paths(found))


def grid(given, replicas: int = 1) -> list[float]:
    """The times of ``start:stop:count``, ``a,b,c`` or a list. ValueError unless they increase from 0 on."""
    if given is None:
        raise BadInput("times: jaxq paths needs --times start:stop:count or a,b,c")
    if isinstance(given, str) and ":" in given:
        times = points("times", Rule("times"), given, (SEEN_BYTES + PATH_BYTES) * replicas)
    else:
        try:
            times = [float(x) for x in (given.split(",") if isinstance(given, str) else given)]
        except (TypeError, ValueError):
            times = []
    if not times or not all(0 <= t < np.inf for t in times) or any(np.diff(times) <= 0):
        raise FieldError("times", given, "must be increasing numbers >= 0")
    return times


def print_paths(found: Any) -> None:
    """A row a time."""
    from rich.text import Text

    headers = [header for name in found.mean for header in (f">{name}", ">+-")]
    console, table = stdout_console(), new_table(">time", *headers)
    shown = np.unique(np.linspace(0, len(found.times) - 1, ROWS).round().astype(int))
    for i in shown:
        cells: list[Any] = [f"{found.times[i]:.6g}"]
        for name in found.mean:
            mean, width = float(found.mean[name][i]), float(found.half_width[name][i])
            known = np.isfinite(mean)
            cells += (
                pair(mean, width if np.isfinite(width) else None) if known else [Text(WITHHELD_TEXT, "bold red"), ""]
            )
        table.add_row(*cells)
    run = found.run
    for line in found.head():
        console.print(line)
    console.print(table)
    some = f"{len(shown)} of {len(found.times)} times; " if len(shown) < len(found.times) else ""
    console.print(
        f"{some}{run['replicas']} replicas, {run['events']:.4g} events; pointwise intervals at {found.level:g}, "
        f"seed {run['seed']}; {run['seconds']:.3g} s",
        style="dim",
    )
    print_flags(console, found.flags)
