"""The command that does a verb with a system: its options are the fields of the system and those of the verb."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from jaxq.cli.command import HELP, Command
from jaxq.cli.errors import BadInput, input_errors
from jaxq.cli.field_texts import FieldText, field_texts, kept
from jaxq.cli.options import option, shared_parameters
from jaxq.cli.own_errors import own_errors
from jaxq.cli.place import description, first_paragraph, load
from jaxq.cli.verbs import VERBS
from jaxq.systems import PLACES
from jaxq.systems.find import find

if TYPE_CHECKING:
    from jaxq.cli.experiment_file import Experiment
    from jaxq.engine.model import Model


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
            if records:  # a system may have no field
                with formatter.section(heading):
                    formatter.write_dl(records)


def named(verb: str, name: str) -> TyperCommand:
    """The command of a system by its name, or of an experiment file. BadInput, with the nearest name, for anything else."""
    if name.endswith(".toml"):
        experiment = load("jaxq.cli.experiment_file:read")(name)
        return command_of(verb, experiment.path, experiment.system, experiment)
    texts = kept(name)
    if texts is not None:
        return command(verb, name, description(PLACES[name]), texts, lambda: load(PLACES[name]))
    with input_errors():
        system = find(name)
    return command_of(verb, load("jaxq.engine.record:title")(system), system)


def command_of(verb: str, name: str, system: "type[Model]", experiment: "Experiment | None" = None) -> TyperCommand:
    """The command that does ``verb`` with a class; an experiment file gives it other defaults."""
    described = first_paragraph(system.__doc__)
    return command(verb, name, described, field_texts(system, experiment), lambda: system, experiment)


def command(
    verb: str,
    name: str,
    described: str,
    texts: Mapping[str, FieldText],
    system: "Callable[[], type[Model]]",
    experiment: "Experiment | None" = None,
) -> TyperCommand:
    """The command that does ``verb`` with the class that ``system`` gives when it is run."""

    def run(**given):
        kind, execute = system(), load(VERBS[verb].execute)
        with own_errors(kind):
            return execute(verb, kind, given, experiment)

    parameters = [option(field, text.metavar, text.help) for field, text in texts.items()]
    shared = load(VERBS[verb].options)
    for field in texts:
        if field in shared:
            raise BadInput(
                f"{field}: is a field of {name} and an option of jaxq {verb}; the field must be named otherwise"
            )
    run.__dict__["__signature__"] = inspect.Signature([*parameters, *shared_parameters(shared)])
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    text = f"{VERBS[verb].help}\n\n{described}\n\nExample: {VERBS[verb].example}"
    app.command(name, cls=SystemCommand, help=text, short_help=described, context_settings=HELP)(run)
    built = typer.main.get_command(app)
    assert isinstance(built, SystemCommand)
    built.field_names = frozenset(texts)
    return built
