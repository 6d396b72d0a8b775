"""``jaxq tutorial``: five commands, explained and run."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from jaxq.checks import FieldError
from jaxq.cli.errors import CommandError, input_errors
from jaxq.engine.files import check_folder


class Step(NamedTuple):
    """A command and what there is to see in it."""

    command: str
    explanation: str


FOLDER = "jaxq-tutorial"
STEPS = (
    Step(
        "jaxq run mmc --arrival-rate 120 --servers 100 --abandonment-rate 0.5",
        "A call centre: 100 agents, 120 calls in a mean handling time, callers hang up after two such times. Each mean has\n"
        "a 95 % interval (+-); beside it stands the exact value (oracle), and z is the difference in standard errors.",
    ),
    Step(
        "jaxq sweep mmc --arrival-rate 90 --servers 95:105:6 --events 5e4 --out staffing.json",
        "How many agents? A field given as start:stop:count is swept; all points are one program and see the same random\n"
        "numbers. --out keeps the result.",
    ),
    Step(
        "jaxq report staffing.json --out staffing.html",
        "A saved result becomes one page with figures and tables, and says how it was run. Open it in a browser.\n"
        "jaxq plot staffing.json --out staffing.pdf draws the figure alone.",
    ),
    Step(
        "jaxq compare load-balancing --policy jsq,pod2,random --servers 20 --load 0.8 --events 2e4",
        "Which policy? Systems that are compared are run on the same random numbers, so that their differences are known\n"
        "better than their means. jaxq list policy names more of them.",
    ),
    Step(
        "jaxq paths mmc --arrival-rate 8 --servers 10 --times 0:20:11",
        "And from an empty start? Means at given times. jaxq run SYSTEM --help lists the fields of a system, and jaxq new\n"
        "my_system.py writes one of your own to start from.",
    ),
)


def tutorial(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="run all steps without asking")] = False,
) -> int:
    """Five commands, explained and run: about two minutes.

    Files go to the folder jaxq-tutorial.

    Example: jaxq tutorial --yes
    """
    with input_errors():
        if not yes and not (sys.stdin and sys.stdin.isatty()):
            raise FieldError(
                "yes", ..., "must be given where nobody can press Enter (no terminal): jaxq tutorial --yes"
            )
        folder = Path(FOLDER)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise FieldError("folder", FOLDER, f"cannot be made ({error.strerror})") from None
        check_folder("folder", FOLDER, folder)
    for number, step in enumerate(STEPS, 1):
        print(f"\n[{number} of {len(STEPS)}]  {step.explanation}\n\n  $ {step.command}\n", flush=True)
        if not yes and not _go_on():
            break
        program, *arguments = shlex.split(step.command)
        done = subprocess.run([sys.executable, "-m", program, *arguments], cwd=folder)
        if done.returncode:
            raise CommandError(f"step {number} ended with exit code {done.returncode}")
    print(f"\nFiles are in {FOLDER}. Where to go on: jaxq --help")
    return 0


def _go_on() -> bool:
    try:
        return input("Enter to run it, q to stop: ").strip().lower() not in ("q", "quit")
    except EOFError:
        return False
