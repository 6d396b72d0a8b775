"""``jaxq report``: a saved result as one HTML page."""

from typing import Annotated

import typer

from jaxq.cli.delivery import deliver
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.plot import System, read


def report(
    result: Annotated[str, typer.Argument(help="what --out has written: .json or .npz", metavar="RESULT")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="the page, .html")],
    system: System = None,
) -> int:
    """Write a saved result as one HTML page: figures, tables, flags, how it was run.

    The page needs no other file and no network.

    Example: jaxq report sweep.json --out sweep.html
    """
    from jaxq.cli.again import command
    from jaxq.engine.files import check_path, write_text
    from jaxq.plotting.page import page

    with interruptible(), input_errors():
        check_path("out", out, (".html",))
        found = read(result, system)
    with interruptible():
        text = page(found, command(found, system))
        deliver({out: lambda: write_text(out, text)}, lambda: None)
    return 0
