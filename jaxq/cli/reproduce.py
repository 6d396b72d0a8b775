"""``jaxq reproduce``: the figures and tables of the papers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxq.checks import FieldError
from jaxq.cli.console import new_table, print_line, stdout_console
from jaxq.cli.delivery import FLAGGED, INTERRUPTED, OK, check_written, print_json, write
from jaxq.cli.errors import BadInput, Interrupted, input_errors, interruptible
from jaxq.cli.validate import FAILED
from jaxq.engine import files
from jaxq.engine.interrupt import Interrupt

Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="write figures (.png, .svg) and tables (.csv) to DIR, a folder each paper if several",
    ),
]


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(help="experiments; token-pool: all of its paper; all", metavar="NAME")
    ] = None,
    out: Out = None,
    seed: Annotated[str, typer.Option("--seed", metavar="NUMBER", help="seed of every run", show_default=True)] = "0",
    quick: Annotated[bool, typer.Option("--quick", help="coarse, in seconds")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="list the experiments and stop")] = False,
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> int:
    """Reproduce figures and tables of the papers.

    Simulated points are judged together against their curves. Exit code 1 if one is beyond the family-wise bound, 3 if
    a result carries a flag.

    Example: jaxq reproduce token-pool/figure-2 --out figures
    """
    from jaxq.cli.given_options import build_options
    from jaxq.cli.meter import RichMeter, make_meter
    from jaxq.cli.run import start_devices
    from jaxq.experiments.catalogue import EXPERIMENTS, select
    from jaxq.experiments.experiment import Run
    from jaxq.experiments.reproduction import reproduce as do

    if list_all:
        print_list(EXPERIMENTS, json)
        return OK
    with interruptible(), input_errors():
        if not names:
            raise BadInput(f"names: jaxq reproduce needs one of {', '.join(EXPERIMENTS)}")
        chosen = select(names)
        options = build_options({"seed": seed})
        folder = check_folder(out)
        papers = {experiment.paper for experiment in chosen}
        folders = {paper: folder if len(papers) == 1 else check_folder(str(folder / paper)) for paper in papers}
        start_devices()
    meter = make_meter(quiet)
    show = meter.show if isinstance(meter, RichMeter) else lambda text: None
    run = Run(options.seed, quick, meter, show)
    found, lost, code = {}, {}, OK
    for experiment in chosen:
        try:
            with interruptible():
                done = do(experiment, run)
        except Interrupted:
            if not found:
                raise
            code = INTERRUPTED
            break
        wanted = done.files(folders[experiment.paper])
        with Interrupt():
            if not json:
                print_reproduction(done)
            failed = write(wanted)
            written = [str(path) for path in wanted if path not in failed]
            found[experiment.name] = {**done.to_dict(), "files": written}
            for path in () if quiet or json else written:
                print_line("wrote", path)
        lost |= failed
        code = worse(
            code, INTERRUPTED if done.interrupted else FAILED if not done.passed else FLAGGED * bool(done.flags)
        )
        if run.interrupted:
            break
    if json:
        print_json({"schema": 1, "experiments": found})
    elif len(found) > 1:
        stdout_console().print(table_of([summary(name, data) for name, data in found.items()]))
    check_written(lost)
    return code


def summary(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A line about an experiment among several."""
    verdict = "FAILED" if not data["passed"] else ", ".join(data["flags"]) or "passed"
    worst = data["worst"] and data["worst"]["z"]
    return {"experiment": name, "comparisons": data["comparisons"], "worst z": worst, "s": data["seconds"], "": verdict}


def worse(first: int, second: int) -> int:
    """The exit code of two experiments: interrupted before failed before flagged."""
    return min(first, second, key=(INTERRUPTED, FAILED, FLAGGED, OK).index)


def check_folder(out: str | None) -> Path:
    """The folder that ``--out`` names, made if need be. Raises ValueError."""
    if out is None:
        raise FieldError("out", ..., "jaxq reproduce needs --out DIR, where the figures and tables are written")
    files.check_parent("out", out)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise FieldError("out", out, "must be a folder")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FieldError("out", out, f"cannot be made ({files.reason(error)})") from None
    files.check_folder("out", out, folder)
    return folder


def print_list(experiments: Any, json: bool) -> None:
    """Name, title and source of every experiment."""
    rows = [{"name": name, "title": e.title, "source": e.source} for name, e in experiments.items()]
    if json:
        print_json({"schema": 1, "experiments": rows})
    else:
        stdout_console().print(table_of(rows))


def table_of(rows: list[dict[str, Any]]) -> Any:
    """Rows as a table under the union of their keys; numbers to the right."""
    from jaxq.engine.plain import number

    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = {name for row in rows for name, x in row.items() if isinstance(x, str)} - {"half_width", "z"}
    table = new_table(*(name if name in texts else f">{name}" for name in names))
    for row in rows:
        table.add_row(*[number(row.get(name), 5) for name in names])
    return table


def print_reproduction(done: Any) -> None:
    """What was compared, what is wrong, then the verdict."""
    from rich.text import Text

    from jaxq.cli.tables import print_flags

    console, findings = stdout_console(), done.findings
    console.print(Text(done.experiment.name, "bold") + Text(f"  {done.experiment.title} ({done.experiment.source})"))
    if findings.points:
        rows = [point.row() for point in findings.points]
        hidden = {"level"} | (set() if done.flags else {"flags"})
        hidden |= {"relation"} if all(row["relation"] == "equals" for row in rows) else set()
        shown = [{k: v for k, v in row.items() if k not in hidden} for row in rows]
        for row in shown:
            row["z"] = None if row["z"] is None else f"{row['z']:+.2f}"
            row["half_width"] = None if row["half_width"] is None else f"{row['half_width']:.2g}"
        console.print(table_of(shown))
    if findings.published:
        console.print(table_of(findings.published))
    for failure in done.failures:
        console.print(f"FAILED  {failure}", style="bold red")
    print_flags(console, done.flags)
    rows = sum(map(len, findings.tables.values()))
    if not findings.points:
        console.print(f"{rows} rows in {done.seconds:.0f} s; nothing is simulated")
        return
    verdict = Text("passed", "bold green") if done.passed else Text(" FAILED ", "bold white on red")
    console.print(Text(f"{done.tested}; {done.seconds:.0f} s: ") + verdict)
