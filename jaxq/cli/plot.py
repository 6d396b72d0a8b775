"""``jaxq plot``: a figure of a result that was saved."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxq.checks import FieldError
from jaxq.cli.delivery import deliver
from jaxq.cli.errors import input_errors, interruptible

if TYPE_CHECKING:
    from jaxq.engine.model import Model


System = Annotated[
    str | None,
    typer.Option(
        "--system", metavar="FILE.py:CLASS", help="where a system of your own is: for the curve of its oracle"
    ),
]


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
    system: System = None,
) -> int:
    """Draw a saved run, sweep, comparison, gradient, transient, exact law, tuning or search.

    Example: jaxq plot sweep.json --out sweep.pdf --metric waiting_time
    """
    from jaxq import plotting
    from jaxq.cli.given_options import PLOT_ENDINGS
    from jaxq.engine.files import check_path

    with interruptible(), input_errors():
        check_path("out", out, PLOT_ENDINGS)
        found = read(result, system)
        try:
            plotting.check_metrics(found, metric or [])
        except (KeyError, TypeError) as error:
            raise ValueError(error.args[0]) from None
        styled = styling(style)
    with interruptible(), styled:
        deliver({out: lambda: plotting.plot(found, metric=metric, path=out)}, lambda: None)
    return 0


def read(path: str, system: str | None = None) -> Any:
    """A saved result, with the system of a sweep or a tuning where it can be made again; ``system``: where the class is.
    Raises ValueError."""
    import dataclasses

    from jaxq.engine.derivatives import Gradients
    from jaxq.engine.record import title
    from jaxq.engine.result import Results
    from jaxq.engine.saved import load
    from jaxq.systems.find import find
    from jaxq.tuning.outcome import Outcome
    from jaxq.tuning.result import Tuning

    try:
        found = load(path)
    except OSError as error:
        raise FieldError("result", path, f"cannot be read ({error.strerror})") from None
    first: Any = found[0] if isinstance(found, Results) else found.result if isinstance(found, Gradients) else found
    if system is not None and title(find(system)) != first.system:
        raise FieldError("system", system, f"must be where the system of the result is, {first.system}")
    name = system or first.system
    if isinstance(found, Results) and not found.differences:
        found.model = system_again(name, first.parameters)
    if isinstance(found, Tuning):
        return dataclasses.replace(found, tuned=system_again(name, found.fixed | found.best.values))
    if isinstance(found, Outcome):
        return dataclasses.replace(found, tuned=system_again(name, found.fixed | found.climbs[found.best].end))
    return found


def system_again(name: str, fields: Mapping[str, Any]) -> "Model | None":
    """A system from its saved fields; None where that cannot be, as of a user's file that has gone."""
    from jaxq.cli.given_systems import build_systems
    from jaxq.systems.find import find

    with contextlib.suppress(ValueError):
        return build_systems("run", find(name), {name: x for name, x in fields.items() if x is not None})[0][0]
    return None


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
