"""The verbs that take a system: groups with one command a system, made from its fields, and one for any .toml file."""

from typing import Any

from typer.core import TyperGroup

from jaxq.cli.errors import BadInput
from jaxq.cli.place import description, load
from jaxq.systems.find import known


class SystemGroup(TyperGroup):
    """A verb: its commands are the systems that have a name, built when asked for, those of .py files, and .toml files."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The systems."""
        return list(known())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a system or of an experiment file. BadInput, with the nearest name, for anything else."""
        return load("jaxq.cli.system_command:named")(self.name or "", cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each system is; none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, description(place)) for name, place in known().items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """BadInput unless a system comes first."""
        if ctx.resilient_parsing:  # a shell asks what could come next
            return super().parse_args(ctx, args)
        if not args:
            raise BadInput(f"jaxq {self.name}: name a system ({', '.join(known())}), FILE.py:CLASS or a .toml file")
        if args[0].startswith("-") and args[0] not in ("--help", "-h"):
            raise BadInput(f"{args[0]}: options come after the system, as in jaxq {self.name} mmc {args[0]} ...")
        return super().parse_args(ctx, args)
