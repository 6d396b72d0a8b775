"""``jaxq plot``: a figure of a result that was saved."""

from typing import Annotated

import typer

from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.report import deliver


def plot(
    result: Annotated[str, typer.Argument(help="what --out has written: .json or .npz", metavar="RESULT")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="the figure: .png, .svg or .pdf")],
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="NAME", help="of a sweep or comparison  [default: the first headline]"),
    ] = None,
) -> int:
    """Draw a saved run, sweep or comparison."""
    from jaxq import plotting
    from jaxq.checks import FieldError
    from jaxq.engine.files import check_path
    from jaxq.engine.result import Results, load

    with interruptible(), input_errors():
        check_path("out", out, (".png", ".svg", ".pdf"))
        try:
            found = load(result)
        except OSError as error:
            raise FieldError("result", result, f"cannot be read ({error.strerror})") from None
        if metric is not None:
            if not isinstance(found, Results):
                raise FieldError("metric", metric, "is for a sweep or a comparison; a run shows them all")
            known = list(found[0].metrics)
            if metric not in known:
                raise FieldError("metric", metric, f"must be one of {', '.join(known)}")
    with interruptible():
        deliver({out: lambda: plotting.plot(found, metric=metric, path=out)}, lambda: None)
    return 0
