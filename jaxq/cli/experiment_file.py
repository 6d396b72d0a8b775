"""An experiment as a TOML file: ``system``, ``[parameters]``, ``[run]``, ``[sweep]``, ``[compare]``, ``[tune]``,
``[gradient]``.

system = "mmc"
[parameters]
arrival_rate = 8
servers = 10
[run]
precision = 0.005
[sweep]                       # for jaxq sweep
arrival_rate = "6:9.5:8"      # or a list
[compare]                     # for jaxq compare
servers = [10, 12]
[tune]                        # for jaxq tune, of a system with objectives
parameter = "phi"             # or a list
start = 0.3                   # or a list, one for each parameter
[gradient]                    # for jaxq gradient
parameter = "phi"             # or a list
"""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from jaxq.cli.errors import BadInput
from jaxq.cli.field_values import Several
from jaxq.cli.options import DIFFERENTIATED, SHARED, TUNED
from jaxq.engine.fields import rules
from jaxq.engine.model import Model
from jaxq.engine.unknown import suggestion
from jaxq.systems.find import find, known

TABLES = ("parameters", "run", "sweep", "compare", "tune", "gradient")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A file that has been read; all keys in it are known."""

    path: str
    system: type[Model]
    parameters: dict[str, Any]
    run: dict[str, Any]
    sweep: dict[str, Any]
    compare: dict[str, Any]
    tune: dict[str, Any]
    gradient: dict[str, Any]

    def fields(self, verb: str) -> dict[str, Any]:
        """The fields for a verb: the parameters, under what the verb's own table varies."""
        varied = getattr(self, verb) if verb in ("sweep", "compare") else {}
        several = {name: Several(x) if isinstance(x, list) else x for name, x in varied.items()}
        return {**self.parameters, **several}


def read(path: str) -> Experiment:
    """Read an experiment file. BadInput names the file and the key."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None
    except RecursionError:
        raise BadInput(f"{path}: is nested too deeply") from None
    for key in data:
        if key != "system" and key not in TABLES:
            raise BadInput(f"{path}: {key}: unknown key{suggestion(key, ('system', *TABLES))}")
    name = data.pop("system", None)
    if name is None:
        raise BadInput(f"{path}: system: missing; there is {', '.join(known())}")
    try:
        system = find(str(name))
    except ValueError as error:
        raise BadInput(f"{path}: system: {error}") from None
    fields = rules(system)
    tables = {}
    for table in TABLES:
        tables[table] = data.get(table, {})
        if not isinstance(tables[table], dict):
            raise BadInput(f"{path}: {table} = {tables[table]}: must be a table, [{table}]")
        keys = {"run": SHARED, "tune": TUNED, "gradient": DIFFERENTIATED}.get(table, fields)
        for key, value in tables[table].items():
            if key not in keys:
                raise BadInput(f"{path}: [{table}] {key}: unknown key{suggestion(key, keys)}")
            if table in ("sweep", "compare") and not isinstance(value, (list, str)):
                raise BadInput(f"{path}: [{table}] {key} = {value}: must be a list of values")
            if value == [] and table not in ("run", "tune", "gradient"):
                raise BadInput(f"{path}: [{table}] {key} = []: must have at least one value")
    return Experiment(path, system, **tables)
