"""A command of the command line."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand

from jaxq.cli.errors import BadInput

HELP = {"max_content_width": 110, "help_option_names": ["-h", "--help"]}
"""How wide a help page may be, and how it is asked for."""


class Command(TyperCommand):
    """A command that takes each option once, unless it may be repeated; nobody means the last of two values."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters; arguments are told by their names alone, not as typer's ``NAME <str>``."""
        found = super().get_params(ctx)
        for parameter in found:
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = lambda **_: ""
        return found

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """BadInput, with all the values, for an option that is given again."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, count in Counter(order).items():
            once = parameter.param_type_name == "option" and not (
                parameter.multiple or getattr(parameter, "is_flag", False)
            )
            if once and count > 1:
                values = ", ".join(given_values(args, parameter.opts))
                raise BadInput(f"{parameter.opts[0]}: is given {count} times ({values}); must be given once")
        return super().parse_args(ctx, args)


def given_values(args: list[str], names: list[str]) -> list[str]:
    """The values that the option of these names has among the arguments."""
    values = []
    for arg, following in zip(args, [*args[1:], ""], strict=True):
        name, equals, value = arg.partition("=")
        if name in names:
            values.append(value if equals else following)
    return values
