"""``--coordinator``, ``--processes``, ``--process-id``: one command in several processes."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from jaxq.checks import FieldError, positive
from jaxq.cli.command import given_values
from jaxq.cli.given_options import number
from jaxq.cli.options import JOINED, OUTPUT
from jaxq.engine import distributed
from jaxq.engine.launcher import Place, place
from jaxq.engine.team import team


def placed(chosen: Mapping[str, Any]) -> tuple[Place | None, dict[str, Any]]:
    """(which process this is of how many, or None where the command names no other; the rest of what was chosen, of which
    files and printing are process 0's). Raises ValueError."""
    given = {name: chosen[name] for name in JOINED if name in chosen}
    rest = {name: value for name, value in chosen.items() if name not in JOINED}
    if not given:
        return None, rest
    if "coordinator" not in given:
        raise FieldError("coordinator", ..., f"must be given, HOST:PORT or auto, with {', '.join(given)}")
    numbers = {name: number(given[name]) for name in ("processes", "process_id") if name in given}
    at = place(given["coordinator"], **numbers)
    if at.process_id:
        rest = {n: x for n, x in rest.items() if n not in (*OUTPUT, "checkpoint")} | {"quiet": True}
    return at, rest


def join(at: Place | None, chosen: Mapping[str, Any]) -> None:
    """Meet the other processes, if there are any. Raises ValueError where they do not come."""
    timeout = number(chosen.get("join_timeout", distributed.TIMEOUT))
    positive("join_timeout", timeout)
    if at is not None:
        distributed.join(at, timeout)


def tell(argv: Sequence[str], error: Exception, said: str) -> None:
    """Let the other processes of a command line that is refused here know what is ``said``, so that none waits for this one.
    They are told by ``argv`` alone, whatever else of it could not be read; Ctrl-C ends that."""
    if team().processes > 1 or isinstance(error.__cause__, distributed.NotMet):
        return  # they have met already, or cannot
    texts = {name: given_values(list(argv), ["--" + name.replace("_", "-")]) for name in JOINED}
    given = {name: values[-1] for name, values in texts.items() if values}
    with contextlib.suppress(ValueError, KeyboardInterrupt):
        at, _ = placed(given)
        if at is not None:
            distributed.refuse(at, said, number(given.get("join_timeout", distributed.TIMEOUT)))
