"""The typer application and the one place where exceptions become exit codes."""

import contextlib
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jaxq.cli.command import HELP, Command
from jaxq.cli.console import Stdout, print_line
from jaxq.cli.delivery import INTERRUPTED, OK
from jaxq.cli.errors import NOTHING, BadInput
from jaxq.cli.group import SystemGroup
from jaxq.cli.place import description, load
from jaxq.cli.verbs import VERBS
from jaxq.engine import interrupt
from jaxq.engine.team import ProcessLost
from jaxq.engine.unknown import suggestion

COMMANDS = {
    "reproduce": "jaxq.cli.reproduce:reproduce",
    "new": "jaxq.cli.new:new",
    "plot": "jaxq.cli.plot:plot",
    "report": "jaxq.cli.page:report",
    "merge": "jaxq.cli.merge:merge",
    "staffing": "jaxq.cli.staffing:staffing",
    "tutorial": "jaxq.cli.tutorial:tutorial",
    "list": "jaxq.cli.list:list_systems",
    "info": "jaxq.cli.info:info",
    "validate": "jaxq.cli.validate:validate",
}
"""The other verbs: by name, where each is. One is imported when it is asked for; of all, `--help` reads the first words."""
COORDINATOR = "--coordinator"
"""The option by which a command runs in several processes."""
LOST = 4
"""Exit code where another process of the run has gone."""
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
        return [*VERBS, *COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command. BadInput, with the nearest name, for another."""
        if cmd_name in VERBS:
            return group(cmd_name)
        if cmd_name in COMMANDS:
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            app.command(cmd_name, cls=Command, context_settings=HELP)(load(COMMANDS[cmd_name]))
            return typer.main.get_command(app)
        raise BadInput(f"unknown command {cmd_name}{suggestion(cmd_name, self.list_commands(ctx))}")

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each verb does; none is imported."""
        rows = {name: verb.short for name, verb in VERBS.items()}
        rows |= {name: description(place) for name, place in COMMANDS.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(rows.items()))


def group(name: str) -> Any:
    """The command of a verb that takes a system."""
    verb = VERBS[name]
    app = typer.Typer(
        name=name,
        cls=SystemGroup,
        help=f"{verb.help}\n\nExample: {verb.example}",
        subcommand_metavar="SYSTEM|FILE.py:CLASS|FILE.toml [OPTIONS]",
        add_completion=False,
        rich_markup_mode=None,
        context_settings=HELP,
    )
    return typer.main.get_group(app)


def build() -> typer.Typer:
    """The application."""
    app = typer.Typer(cls=Verbs, add_completion=True, rich_markup_mode=None, context_settings=HELP)
    app.callback()(root)
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
    except Exception as error:
        if not hasattr(error, "format_message"):
            if not isinstance(error, load("jaxq.engine.memory:TooLarge")):
                raise
            error = BadInput(str(error))
        print_line("error", message(error))
        if COORDINATOR in (word.partition("=")[0] for word in argv):
            load("jaxq.cli.join:tell")(argv, error, message(error))
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
    """What an error of the parser or a `CommandError` says; the option nearest to an unknown one, and what is missing."""
    unknown = getattr(error, "option_name", None)
    if unknown is not None and hasattr(error, "possibilities"):
        nearest = next(iter(error.possibilities or ()), None)
        return f"unknown option {unknown}" + (f"; did you mean {nearest}?" if nearest else "; see --help")
    if unknown is not None:
        return f"{unknown}: needs a value"
    said = error.format_message()
    if said.startswith("Missing "):
        wanted = error.param
        name = f"{wanted.opts[0]} {wanted.metavar}" if said.startswith("Missing option") else wanted.metavar
        return f"{error.ctx.command_path}: give {name}, {wanted.help}"
    extra = re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", said)
    return f"unexpected {extra[1]}; an option is written --name value" if extra else said


def _show_warning(text, category, filename, lineno, file=None, line=None) -> None:
    print_line("warning", str(text))
