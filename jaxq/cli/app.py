"""The typer application and the one place where exceptions become exit codes."""

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jaxq.cli.command import Command
from jaxq.cli.console import Stdout, print_line
from jaxq.cli.errors import NOTHING, BadInput
from jaxq.cli.group import HELP, SystemGroup
from jaxq.cli.info import info
from jaxq.cli.list import list_systems
from jaxq.cli.merge import merge
from jaxq.cli.new import new
from jaxq.cli.page import report
from jaxq.cli.plot import plot
from jaxq.cli.reproduce import reproduce
from jaxq.cli.staffing import staffing
from jaxq.cli.tutorial import tutorial
from jaxq.cli.validate import validate
from jaxq.cli.verbs import VERBS
from jaxq.engine import interrupt
from jaxq.engine.memory import TooLarge
from jaxq.engine.team import ProcessLost
from jaxq.engine.unknown import suggestion

OK, LOST, INTERRUPTED = 0, 4, 130
COMPLETE = "_JAXQ_COMPLETE"
"""Variable through which a shell asks what could come next."""


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from jaxq import __version__

        print(f"jaxq {__version__}")
        raise typer.Exit()


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)]


def root(version: Version = False) -> None:
    """Monte Carlo for queueing systems on JAX.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 validation failed, 2 bad input, 3 a result
    carries a flag, 4 another process of the run was lost, 130 interrupted by Ctrl-C or SIGTERM. For the fields of a
    system: jaxq run mmc --help.
    """


class Verbs(TyperGroup):
    """The verbs, those that simulate first."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order of the help."""
        return [*VERBS, *(name for name in self.commands if name not in VERBS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command. BadInput, with the nearest name, for another."""
        if cmd_name not in self.commands:
            raise BadInput(f"unknown command {cmd_name}{suggestion(cmd_name, self.commands)}")
        return super().get_command(ctx, cmd_name)


def build() -> typer.Typer:
    """The application."""
    app = typer.Typer(cls=Verbs, add_completion=True, rich_markup_mode=None, context_settings=HELP)
    app.callback()(root)
    for name, verb in VERBS.items():
        group = typer.Typer(cls=SystemGroup, rich_markup_mode=None, context_settings=HELP)
        app.add_typer(
            group,
            name=name,
            help=f"{verb.help}\n\nExample: {verb.example}",
            short_help=verb.short,
            subcommand_metavar="SYSTEM|FILE.py:CLASS|FILE.toml [OPTIONS]",
        )
    app.command("reproduce", cls=Command, context_settings=HELP)(reproduce)
    app.command("new", cls=Command, context_settings=HELP)(new)
    app.command("plot", cls=Command, context_settings=HELP)(plot)
    app.command("report", cls=Command, context_settings=HELP)(report)
    app.command("merge", cls=Command, context_settings=HELP)(merge)
    app.command("staffing", cls=Command, context_settings=HELP)(staffing)
    app.command("tutorial", cls=Command, context_settings=HELP)(tutorial)
    app.command("list", cls=Command, context_settings=HELP)(list_systems)
    app.command("info", cls=Command, context_settings=HELP)(info)
    app.command("validate", cls=Command, context_settings=HELP)(validate)
    return app


def call(argv: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Bad input is one line on stderr; a bug keeps its traceback."""
    shown, unraisable = warnings.showwarning, sys.unraisablehook
    warnings.showwarning, sys.unraisablehook = _show_warning, _unraisable
    try:
        with interrupt.handling(_hear), contextlib.redirect_stdout(Stdout(sys.stdout)):
            command = typer.main.get_command(build())
            if COMPLETE in os.environ:
                with contextlib.suppress(BadInput):  # of a line that is not finished
                    command(prog_name="jaxq", complete_var=COMPLETE)
                return OK
            # not its main(), which has another line, or none, and other exit codes for what is caught here
            with command.make_context("jaxq", list(argv) or ["--help"]) as context:
                code = command.invoke(context)
            sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        print_line("error", NOTHING)
        return INTERRUPTED
    except ProcessLost as error:
        print_line("error", str(error))
        return LOST
    except TooLarge as error:
        print_line("error", str(error))
        return BadInput.code
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        print_line("error", message(error))
        return getattr(error, "code", 2)
    finally:
        warnings.showwarning, sys.unraisablehook = shown, unraisable


def _hear(*_) -> None:
    """Ctrl-C or SIGTERM where no run hears it; a second one within a second changes nothing."""
    if not interrupt.patient():
        interrupt.note()
        raise KeyboardInterrupt


def _unraisable(problem: Any) -> None:
    """Where an exception is lost, as in a callback of the garbage collector, Ctrl-C is heard once more a moment later."""
    if not issubclass(problem.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(problem)
        return
    interrupt.forget()
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()


def message(error: Any) -> str:
    """What an error of the parser or a `CommandError` says; for an unknown option, the nearest one."""
    unknown = getattr(error, "option_name", None)
    if unknown is not None and hasattr(error, "possibilities"):
        nearest = next(iter(error.possibilities or ()), None)
        return f"unknown option {unknown}" + (f"; did you mean {nearest}?" if nearest else "; see --help")
    return error.format_message()


def _show_warning(text, category, filename, lineno, file=None, line=None) -> None:
    print_line("warning", str(text))
