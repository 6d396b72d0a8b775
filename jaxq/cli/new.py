"""``jaxq new``: a system to start from."""

from pathlib import Path
from typing import Annotated

import typer

from jaxq.checks import FieldError
from jaxq.cli.errors import input_errors
from jaxq.engine.files import check_path, reason


def new(file: Annotated[str, typer.Argument(metavar="FILE.py", help="the file to write; it must not exist")]) -> int:
    """Write a small system with comments, to be changed into your own.

    It runs as it is: jaxq run FILE.py

    Example: jaxq new my_system.py
    """
    with input_errors():
        check_path("file", file, (".py",))
        text = Path(__file__).with_name("skeleton.py").read_text(encoding="utf8").replace("FILE.py", file)
        try:
            with open(file, "x", encoding="utf8") as written:
                written.write(text)
        except FileExistsError:
            raise FieldError("file", file, "is there already; must be a new file") from None
        except OSError as error:
            raise FieldError("file", file, f"cannot be written ({reason(error)})") from None
    print(f"{file}: try it with\n  jaxq run {file} --arrival-rate 0.8")
    return 0
