"""``jaxq plot``: a figure of a result that was saved."""

import contextlib
from typing import Annotated, Any

import typer

from jaxq.checks import FieldError
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.options import PLOT_ENDINGS
from jaxq.cli.report import deliver


def plot(
    result: Annotated[str, typer.Argument(help="what --out has written: .json or .npz", metavar="RESULT")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="the figure: .png, .svg or .pdf")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="which to draw; repeatable  [default: the primary, or all]"),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option("--style", metavar="NAME|FILE", help="a matplotlib style sheet that comes before the house style"),
    ] = None,
) -> int:
    """Draw a saved run, sweep, comparison, gradient or transient.

    Example: jaxq plot sweep.json --out sweep.pdf --metric waiting_time
    """
    from jaxq import plotting
    from jaxq.engine.files import check_path

    with interruptible(), input_errors():
        check_path("out", out, PLOT_ENDINGS)
        found = read(result)
        try:
            plotting.check_metrics(found, metric or [])
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        styled = styling(style)
    with interruptible(), styled:
        deliver({out: lambda: plotting.plot(found, metric=metric, path=out)}, lambda: None)
    return 0


def read(path: str) -> Any:
    """A saved result, with the system of a sweep where it can be made again. Raises ValueError."""
    from jaxq.cli.given_systems import build_systems
    from jaxq.engine.result import Results
    from jaxq.engine.saved import load
    from jaxq.systems.find import find

    try:
        found = load(path)
    except OSError as error:
        raise FieldError("result", path, f"cannot be read ({error.strerror})") from None
    if isinstance(found, Results) and not found.differences:
        with contextlib.suppress(ValueError):  # a system of a user's own, or of a file that has gone
            known = {name: x for name, x in found[0].parameters.items() if x is not None}
            found.model = build_systems("run", find(found[0].system), known)[0][0]
    return found


def styling(style: str | None) -> Any:
    """A context with that style. Raises ValueError."""
    if style is None:
        return contextlib.nullcontext()
    from matplotlib import style as sheets

    try:
        with sheets.context(style):
            pass
    except (OSError, ValueError) as error:
        raise FieldError("style", style, f"must be a matplotlib style sheet ({str(error).splitlines()[0]})") from None
    return sheets.context(style)
