"""``jaxq tune`` of an objective that is looked for from many starts."""

from collections.abc import Mapping
from typing import Any

from jaxq.checks import FieldError
from jaxq.cli.console import new_table, stdout_console
from jaxq.cli.given_options import number
from jaxq.cli.given_systems import build_systems
from jaxq.cli.tables import (
    WITHHELD_TEXT,
    heading,
    print_flags,
    run_line,
)
from jaxq.engine.model import Model
from jaxq.engine.objective import Search, of_kind
from jaxq.engine.plain import pair, parameters_text, scalings
from jaxq.engine.planned import plan_of
from jaxq.tuning.outcome import Outcome
from jaxq.tuning.search import Question, search

NUMBERS = ("starts", "steps", "rate")
OF_A_DESCENT = ("parameter", "start", "bounds", "method", "window")


def read(system: type[Model], chosen: Mapping[str, Any], options: Mapping[str, Any]) -> Question | None:
    """The search that the options ask for, checked; None if they ask for a descent. Raises ValueError."""
    name = chosen.get("objective")
    descent = [option for option in OF_A_DESCENT if option in chosen]
    if name is None and descent:
        known = {}
    else:
        instance = build_systems("tune", system, chosen)[0][0]
        known = of_kind(Search, instance.objectives())
    if not known or (name is not None and name not in known):
        if "starts" in chosen:
            raise FieldError("starts", number(chosen["starts"]), "only a search has random starts, not this objective")
        return None
    if descent:
        raise FieldError(descent[0], ..., f"the objective {name} takes none, as its starts are random")
    numbers = {n: number(chosen[n]) for n in NUMBERS if n in chosen}
    return plan_of(search)(instance, name, **numbers, **options)


def print_outcome(found: Outcome) -> None:
    """Every end with its gain, the best one marked, and what may be claimed."""
    from rich.text import Text

    console = stdout_console()
    console.print(heading(found.system, found.fixed, {"scaled": scalings(found.tuned)}))
    rows = found.rows()
    hidden = ("smooth", found.metric, "gain", "half_width")
    shown = [name for name in rows[0] if name not in hidden]
    table = new_table(*(f">{name}" for name in shown), ">gain, paired", ">+-", "")
    for i, (row, climb) in enumerate(zip(rows, found.climbs, strict=True)):
        gain = climb.gain
        mean, width = (WITHHELD_TEXT, "") if gain.mean is None else pair(gain.mean, gain.half_width)
        style = "bold" if i == found.best else None
        # the fields have been rounded: as many digits as they have
        cells = [f"{row[name]:.5g}" if name == "searched" else f"{row[name]:.12g}" for name in shown]
        mark = "best" if i == found.best else "sure" if climb.sure else ""
        table.add_row(*cells, mean, width, mark, style=style)
    console.print(table)
    console.print(f"against  {parameters_text({n: found.baseline[n] for n in found.baseline if n not in found.fixed})}")
    console.print(Text(found.verdict(), style="bold"))
    console.print(f"intervals of all gains together at {100 * found.level:g} %, on fresh random numbers")
    print_flags(console, found.flags)
    console.print("each " + run_line(found.against), style="dim")
