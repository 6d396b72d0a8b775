"""``jaxq merge``: parts of a run put together."""

from typing import Annotated

import typer

from jaxq.cli.errors import input_errors, interruptible


def merge(
    parts: Annotated[
        list[str], typer.Argument(help="checkpoints of parts, written with --replica-range", metavar="PART")
    ],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="the checkpoint of the whole, .npz")],
) -> int:
    """Put the checkpoints of parts of a run together.

    The same command with --replicas in place of --replica-range, and --checkpoint FILE, then prints the result of all
    replicas and runs nothing again.

    Example: jaxq merge part-*.npz --out all.npz
    """
    from jaxq.engine.merge import merge as put_together

    with interruptible(), input_errors():
        merged = put_together(parts, out)
    count = merged.end - merged.first
    again = f"--replicas {count}" if merged.first == 0 else f"--replica-range {merged.first}:{merged.end}"
    print(f"{out}: replicas {merged.first} to {merged.end - 1}; for the result: {again} --checkpoint {out}")
    return 0
