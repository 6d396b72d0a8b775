"""What `tune` is asked, checked: the objective, the parameters and where they start."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jaxq.checks import FieldError
from jaxq.engine import output_analysis
from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective, of_kind
from jaxq.engine.options import Options
from jaxq.engine.parameter import location
from jaxq.engine.record import title
from jaxq.tuning import simulated
from jaxq.tuning.parametrise import start_coordinates
from jaxq.tuning.response_surface import ResponseSurface

DIGITS = 6
"""Significant digits of the best values."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """A tuning that has been checked, ready to run. ``start``, ``rules``: values and what they may be by name; ``verify``:
    whether both are simulated. ``surface``: of an objective that is simulated."""

    system: Model
    name: str
    objective: Objective
    start: dict[str, Any]
    rules: dict[str, Rule]
    steps: int
    rate: float
    options: Options
    verify: bool
    surface: ResponseSurface | None = None


def choose_objective(
    system: Model, name: str | None, maximise: bool = False, tuned: Sequence[str] = ()
) -> tuple[str, Objective]:
    """The objective of a name, or the first that depends on all that is ``tuned``. Raises ValueError."""
    if isinstance(name, str) and name.startswith(simulated.PREFIX):
        return name, simulated.simulated(system, name, maximise)
    known = of_kind(Objective, system.objectives())
    rest = f"{simulated.PREFIX}METRIC, the mean of a metric itself"
    if not known:
        raise FieldError("objective", ..., f"{title(system)} has no objective for this configuration; give {rest}")
    if name is not None and name not in known:
        raise FieldError("objective", name, f"{title(system)} has {', '.join(known)}, or {rest}")
    if maximise:
        raise FieldError("maximise", maximise, f"is for {simulated.PREFIX}METRIC; other objectives know")
    if name is None:
        fields = {parameter.partition("[")[0] for parameter in tuned if isinstance(parameter, str)}
        fitting = [one for one, of in known.items() if not of.parameters or fields <= {*of.parameters}]
        name = next(iter(fitting or known))
    return name, known[name]


def check_parameter(system: Model, parameter: str, name: str, objective: Objective) -> None:
    """ValueError unless the objective of that name can be followed along the parameter."""
    if isinstance(parameter, str) and not parameter.isidentifier():
        found = location(system, parameter)
        if found.field in objective.shares:
            raise FieldError("parameter", parameter, f"the entries of {found.field} keep their sum; tune {found.field}")
        if objective.function is None:
            return
        if found.inner or objective.hard is not None:
            rule = f"the objective {name} is a formula of whole fields; give {simulated.PREFIX}METRIC"
            raise FieldError("parameter", parameter, rule)
        parameter = found.field
    known, rule = tunable(system), rules(type(system)).get(parameter)
    if rule is None:
        raise FieldError("parameter", parameter, f"{title(system)} has no such field; it has {', '.join(known)}")
    if rule.untuned:
        raise FieldError("parameter", parameter, rule.untuned)
    if parameter not in known:
        raise FieldError(
            "parameter", parameter, f"must be a field of real numbers; {title(system)} has {', '.join(known)}"
        )
    if objective.parameters and parameter not in objective.parameters:
        raise FieldError("parameter", parameter, f"the objective {name} depends on {', '.join(objective.parameters)}")


def tunable(system: Model) -> list[str]:
    """Names of the fields that a descent can move."""
    return [name for name, rule in rules(type(system)).items() if rule.tunable]


def by_name(what: str, names: list[str], given: Any) -> dict[str, Any]:
    """The start, or the bounds, by name."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(names) > 1:
            raise FieldError(what, given, f"must give values by name, for {', '.join(names)}")
        return {names[0]: given}
    for name in given:
        if name not in names:
            raise FieldError(what, name, f"must be one of the tuned fields, {', '.join(names)}")
    return dict(given)


def start_value(name: str, rule: Rule, value: Any, share: bool) -> Any:
    """Where a parameter starts, converted and checked. Raises ValueError."""
    if value is None:
        raise FieldError(
            "start", ..., f"{name} is none and needs a start; it must be {_required(rule).allowed()} ({rule.doc})"
        )
    value = rule.convert(value)
    _required(rule).check(name, value)
    start_coordinates(name, rule, value, share)
    return value


def _required(rule: Rule) -> Rule:
    return dataclasses.replace(rule, optional=False)


def paired_options(metric: str | None, given: dict[str, Any]) -> Options:
    """Options whose precision is that of one metric, as the others may vanish at the optimum."""
    options = Options(**given)
    if metric is None or not options.wants_precision:
        return options
    asked = given.get("precision")
    if asked is None and options.metric:
        return options
    target = metric if asked is None else f"{metric}:{asked!r}"
    return dataclasses.replace(options, precision=None, metric=(target, *options.metric))


def check_replicas(options: Options) -> None:
    """ValueError if replicas are too few to be paired."""
    if options.replicas is not None and options.replicas < output_analysis.FEW:
        raise FieldError("replicas", options.replicas, f"a paired comparison needs at least {output_analysis.FEW}")
