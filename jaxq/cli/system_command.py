"""The command that does a verb with a system: its options are the fields of the system and those of the verb."""

import dataclasses
import inspect
from typing import Any

import typer
from typer.core import TyperCommand

from jaxq.cli.command import HELP, Command
from jaxq.cli.errors import input_errors
from jaxq.cli.experiment_file import Experiment, read
from jaxq.cli.field_values import FILE, allowed
from jaxq.cli.options import option, shared_parameters
from jaxq.cli.own_errors import own_errors
from jaxq.cli.place import first_paragraph, load
from jaxq.cli.verbs import VERBS
from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.plain import in_words, plain
from jaxq.engine.record import title
from jaxq.systems.find import find


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


def named(verb: str, name: str) -> TyperCommand:
    """The command of a system by its name, or of an experiment file. BadInput, with the nearest name, for anything else."""
    if name.endswith(".toml"):
        experiment = read(name)
        return command(verb, experiment.system, experiment)
    with input_errors():
        system = find(name)
    return command(verb, system)


def command(verb: str, system: type[Model], experiment: Experiment | None = None) -> TyperCommand:
    """The command that does ``verb`` with a system; an experiment file gives it other defaults."""
    declared = rules(system)
    defaults = {field.name: field.default for field in dataclasses.fields(system)}

    def run(**given):
        execute = load(VERBS[verb].execute)
        with own_errors(system):
            return execute(verb, system, given, experiment)

    parameters = [field_option(name, rule, defaults[name], experiment) for name, rule in declared.items()]
    run.__dict__["__signature__"] = inspect.Signature([*parameters, *shared_parameters(load(VERBS[verb].options))])
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    name = title(system) if experiment is None else experiment.path
    described = first_paragraph(system.__doc__)
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
