"""The verbs that take a system: groups with one command a system, made from its fields, and one for any .toml file."""

import dataclasses
import inspect
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from jaxq.cli.command import Command
from jaxq.cli.errors import BadInput, input_errors
from jaxq.cli.experiment_file import Experiment, read
from jaxq.cli.field_values import FILE, allowed
from jaxq.cli.options import option, shared_parameters
from jaxq.cli.verbs import VERBS
from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.plain import in_words, plain
from jaxq.engine.record import title
from jaxq.systems.find import find, known

HELP = {"max_content_width": 110}


class SystemCommand(Command):
    """A command whose help lists the fields of the system apart from the options of the run."""

    field_names: frozenset[str] = frozenset()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the two sections."""
        sections: dict[str, list] = {"Fields": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections["Fields" if parameter.name in self.field_names else "Options"].append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class SystemGroup(TyperGroup):
    """A verb: its commands are the systems that have a name, built when asked for, those of .py files, and .toml files."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The systems."""
        return list(known())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a system or of an experiment file. BadInput, with the nearest name, for anything else."""
        verb = self.name or ""
        if cmd_name.endswith(".toml"):
            experiment = read(cmd_name)
            return command(verb, experiment.system, experiment)
        with input_errors():
            system = find(cmd_name)
        return command(verb, system)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """BadInput unless a system comes first."""
        if ctx.resilient_parsing:  # a shell asks what could come next
            return super().parse_args(ctx, args)
        if not args:
            raise BadInput(f"jaxq {self.name}: name a system ({', '.join(known())}), FILE.py:CLASS or a .toml file")
        if args[0].startswith("-") and args[0] not in ("--help", "-h"):
            raise BadInput(f"{args[0]}: options come after the system, as in jaxq {self.name} mmc {args[0]} ...")
        return super().parse_args(ctx, args)


def command(verb: str, system: type[Model], experiment: Experiment | None = None) -> TyperCommand:
    """The command that does ``verb`` with a system; an experiment file gives it other defaults."""
    declared = rules(system)
    defaults = {field.name: field.default for field in dataclasses.fields(system)}

    def run(**given):
        return VERBS[verb].execute(verb, system, given, experiment)

    parameters = [field_option(name, rule, defaults[name], experiment) for name, rule in declared.items()]
    run.__dict__["__signature__"] = inspect.Signature([*parameters, *shared_parameters(VERBS[verb].options)])
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    name = title(system) if experiment is None else experiment.path
    described = first_paragraph(system)
    text = f"{VERBS[verb].help}\n\n{described}\n\nExample: {VERBS[verb].example}"
    app.command(name, cls=SystemCommand, help=text, short_help=described, context_settings=HELP)(run)
    built = typer.main.get_command(app)
    assert isinstance(built, SystemCommand)
    built.field_names = frozenset(declared)
    return built


def field_option(name: str, rule: Rule, default: Any, experiment: Experiment | None) -> inspect.Parameter:
    """The option of one field; its help is the field's doc, rule and default."""
    data = f"{FILE}: as observed in {rule.observed.partition('.')[0]}" if rule.observed else ""
    words = "; ".join(filter(None, (rule.doc, allowed(rule) or rule.usage, data)))
    metavar = "NAME" if rule.choices else "TEXT" if rule.parse_compound else "WHOLE" if rule.whole else "NUMBER"
    return option(name, metavar, f"{words}  [{default_words(default, name, experiment)}]")


def default_words(default, name: str, experiment: Experiment | None = None) -> str:
    """What holds if an option is not given."""
    if experiment is not None and name in experiment.parameters:
        return f"{experiment.path}: {in_words(experiment.parameters[name])}"
    if default is dataclasses.MISSING:
        return "required"
    return f"default: {'none' if default is None else plain(default)}"


def first_paragraph(system: type[Model]) -> str:
    """What a system is, from its docstring."""
    return inspect.cleandoc(system.__doc__ or "").split("\n\n")[0].replace("\n", " ")
