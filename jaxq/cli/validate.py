"""``jaxq validate``: every system against its oracle."""

from typing import Annotated, Any

import typer

from jaxq.checks import FieldError
from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.delivery import INTERRUPTED, deliver, print_json
from jaxq.cli.errors import input_errors, interruptible
from jaxq.engine.files import check_path, write_json

FAILED = 1
OWN_PRECISION, OWN_SHARE = 0.01, 0.02
"""Relative half-width to which a system of a user's own is run, and above which its run shows too little."""


def validate(
    systems: Annotated[
        list[str] | None,
        typer.Argument(help="systems, cases or FILE.py:CLASS of your own (default: all that ship)", metavar="NAME"),
    ] = None,
    seed: Annotated[str, typer.Option("--seed", metavar="NUMBER", help="seed of every run", show_default=True)] = "0",
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="write the JSON to FILE (.json)")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> int:
    """Compare every system with its oracle; or one of your own, at the defaults of its fields.

    All take under a minute. Exit code 1 if a metric is beyond the family-wise bound, a result carries a flag, or a case is
    too imprecise to show an error.

    Examples: jaxq validate mmc; jaxq validate my_system.py:Polling
    """
    from jaxq.cli.given_options import build_options
    from jaxq.cli.meter import make_meter
    from jaxq.cli.run import start_devices
    from jaxq.experiments import validate as experiment

    with interruptible(), input_errors():
        options = build_options({"seed": seed})
        if out is not None:
            check_path("out", out, (".json",))
        own = [name for name in systems or () if ".py" in name]
        shipped = [name for name in systems or () if name not in own]
        cases = experiment.select(shipped) if shipped or not own else []
        cases += map(own_case, own)
        start_devices()
    with interruptible():
        found = experiment.validate(None, make_meter(quiet), seed=options.seed, cases=cases)
        data = found.to_dict()
        files = {} if out is None else {out: lambda: write_json(out, data)}
        deliver(files, (lambda: print_json(data)) if json else (lambda: print_validation(found)))
    return INTERRUPTED if "unfinished" in found.flags else 0 if found.passed else FAILED


def own_case(name: str) -> Any:
    """The case of a class in a file: its defaults, simple values for fields without one, and a run to one per cent.

    Raises:
        TypeError, ValueError: there is no such class, it fails `jaxq.check`, or has no oracle.
    """
    from jaxq.cli.example import example
    from jaxq.engine.check import check
    from jaxq.experiments.validate import Case
    from jaxq.systems.find import find

    system = example(find(name))
    system.stationarity().check()
    check(system)
    if not system.oracle():
        raise FieldError("systems", name, "must define oracle, which its means are compared with")
    return Case(name, system, OWN_SHARE, {"precision": OWN_PRECISION})


def print_validation(found: Any) -> None:
    """A row a case, then what is wrong, then the verdict."""
    from rich.text import Text

    console = stdout_console()
    table = new_table("case", "system", ">compared", ">max |z|", "of", ">mean", ">oracle", ">seconds", "flags")
    for name, result in found.results.items():
        z = {key: abs(m.z) for key, m in result.metrics.items() if m.z is not None}
        worst = max(z, key=lambda key: z[key], default=None)
        metric = None if worst is None else result[worst]
        table.add_row(
            name,
            result.system,
            str(len(z)),
            "" if worst is None else Text(f"{z[worst]:.2f}", style="bold red" if z[worst] > found.bound else ""),
            worst or "",
            "" if metric is None else f"{metric.mean:.6g}",
            "" if metric is None else f"{metric.oracle:.6g}",
            f"{result.run['seconds'] + result.run['compile_seconds']:.1f}",
            Text(" ".join(result.flags), style="bold white on red"),
        )
    console.print(table)
    for failure in found.failures:
        console.print(f"FAILED  {failure}", style="bold red")
    worst = 0.0 if found.worst is None else abs(found.worst[2])
    verdict = Text("passed", "bold green") if found.passed else Text(" FAILED ", "bold white on red")
    console.print(
        Text(f"max |z| = {worst:.2f} of {found.comparisons}, bound {found.bound:.2f} (family-wise {found.level:g}); ")
        + Text(f"{len(found.results)} case{'s' * (len(found.results) > 1)} in {found.seconds:.0f} s: ")
        + verdict
    )
