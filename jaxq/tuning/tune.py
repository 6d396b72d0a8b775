"""`tune`: parameters of a system by gradient of one of its objectives, then checked through the simulation."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxq.checks import FieldError, integer, one_of, positive
from jaxq.engine import output_analysis
from jaxq.engine.devices import choose_devices
from jaxq.engine.fields import Rule, rules
from jaxq.engine.flags import Flag
from jaxq.engine.layout import default_replicas
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective, Optimum, of_kind
from jaxq.engine.options import OPTIONS, Options
from jaxq.engine.parameter import location
from jaxq.engine.plain import describe
from jaxq.engine.plan import check_model
from jaxq.engine.progress import Meter, Watch, as_meter
from jaxq.engine.record import title
from jaxq.engine.simulate import compare
from jaxq.engine.unbiased import UNBIASED
from jaxq.engine.unknown import known_keywords
from jaxq.tuning import simulated
from jaxq.tuning.descent import Step, descend, shown
from jaxq.tuning.entries import as_fields, check_apart, placed, rule_of, value_of
from jaxq.tuning.parametrise import Coordinates, at_bounds, start_coordinates
from jaxq.tuning.polish import by_simplex, carried, over_jumps
from jaxq.tuning.printed import printable, without_traces
from jaxq.tuning.response_surface import ResponseSurface
from jaxq.tuning.result import Tuning, Verification, flat

METHODS = "auto", *UNBIASED, "finite-difference"
STEPS, RATE = 600, 0.1
DIGITS = 6
"""Significant digits of the best values."""
SHORT = 1e-4
"""Relative distance from a known optimum that is none."""
ROUNDS = 3
"""Of simplex and jumps, at most, at the end."""


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


class Found(NamedTuple):
    """Where a descent went; ``known``: the optimum that is known; ``run``: how it was simulated."""

    start: Step
    best: Step
    average: Step | None
    trace: tuple[Step, ...]
    flags: list[str]
    known: Optimum | None = None
    run: dict[str, Any] | None = None


@known_keywords(OPTIONS)
def tune(
    system: Model,
    parameters: str | Sequence[str] | None = None,
    *,
    start: Any = None,
    bounds: Any = None,
    objective: str | None = None,
    maximise: bool = False,
    steps: int | None = None,
    rate: float | None = None,
    method: str = "auto",
    verify: bool = True,
    meter: Watch = None,
    **options,
) -> Tuning:
    """Tune fields of a system by gradient, and check the gain by simulating start and best on common random numbers.

    Of a fluid objective the descent is deterministic: the random words of the check are the first that are drawn. Where the
    metric has jumps the objective is smoothed less and less, and the last steps are by the metric itself: over its known
    jumps, then by a simplex. The best values are rounded to the 6 digits that are printed; their objective and the check are
    of these.

    Args:
        system: the system; its other fields are kept.
        parameters: the fields to tune, or single numbers of them, ``routing[0]`` or ``network.arrival_rates[1]``, as
            `jaxq.gradient` takes them (default: the fields that the objective depends on).
        start: where to start, values by parameter or, for one, the value (default: the system's own).
        bounds: (low, high) by parameter or, for one, the pair, within what the field allows (default: all that; a number
            inside of a compound field that is positive stays so).
        objective: one of ``system.objectives()`` (default: the first), or ``simulated:METRIC``: the simulated mean of any
            metric of any system, by its simulated derivatives (`jaxq.tuning.simulated`).
        maximise: whether a simulated objective is made large; the others know.
        steps: gradient steps (default: 600, of a simulated objective 120).
        rate: length of the first steps, in the unconstrained coordinates of `jaxq.tuning.parametrise` (default: 0.1, of a
            simulated objective 0.15).
        method: how a simulated objective is differentiated: ``coupling``, ``pathwise``, ``finite-difference`` or ``auto``,
            as `jaxq.gradient`.
        verify: whether to simulate start and best.
        meter, options: of the simulation, as `simulate`; with ``control`` a simulated objective and its derivatives are
            regressed too; ``precision`` is wanted of the objective's metric alone
            (default: 0.01 if nothing else ends the run), as other metrics may vanish at the optimum.

    Returns:
        A `Tuning`. Flags mark a descent that did not come to rest, and all that a run can be flagged with.

    Raises:
        ValueError: a parameter, the start, the objective or an option is not allowed.

    Example:
        >>> jaxq.tune(jaxq.TokenPool(servers=10, arrival_rate=0.8), "phi", start=0.3).best.values
    """
    asked = {"bounds": bounds, "objective": objective, "maximise": maximise, "steps": steps, "rate": rate}
    asked |= {"method": method, "verify": verify}
    return solve(prepare(system, parameters, start=start, **asked, **options), meter)


def prepare(
    system: Model,
    parameters=None,
    *,
    start=None,
    bounds=None,
    objective=None,
    maximise=False,
    steps=None,
    rate=None,
    method="auto",
    verify=True,
    **options,
) -> Problem:
    """Check everything that can be wrong with the input of `tune`; nothing is simulated. Raises ValueError."""
    name, chosen = choose_objective(system, objective, maximise)
    one_of("method", method, METHODS)
    if method != "auto" and chosen.function is not None:
        raise FieldError("method", method, f"is for {simulated.PREFIX}METRIC; a formula is differentiated exactly")
    default = (STEPS, RATE) if chosen.function is not None else (simulated.STEPS, simulated.RATE)
    steps, rate = (usual if given is None else given for given, usual in zip((steps, rate), default, strict=True))
    names = (
        [parameters] if isinstance(parameters, str) else list(chosen.parameters if parameters is None else parameters)
    )
    for parameter in names:
        _check_parameter(system, parameter, name, chosen)
    if not names or len(set(names)) < len(names):
        rule = f"must be one or more fields, each once; {title(system)} has {', '.join(_tunable(system))}"
        raise FieldError("parameter", ", ".join(names) if names else ..., rule)
    check_apart(system, names)
    integer("steps", steps)
    positive("rate", rate)
    given, within = _by_name("start", names, start), _by_name("bounds", names, bounds)
    declared = {n: rule_of(system, n, within.get(n)) for n in names}
    fields = {n: chosen.unset.get(n) if value_of(system, n) is None else value_of(system, n) for n in names}
    values = {n: _start_value(n, declared[n], given.get(n, fields[n]), n in chosen.shares) for n in names}
    first = placed(system, values)
    if chosen.hard is not None or chosen.optimum is not None:
        chosen = choose_objective(first, name)[1]
    run, surface = _options(chosen.metric, options), None
    if chosen.function is not None:
        with jax.enable_x64(True):
            there = float(chosen.function(as_fields(system, values)))
        if not math.isfinite(there):
            raise FieldError("start", shown(values), f"the objective {name} is {there} there")
    if chosen.function is None or (verify and chosen.metric is not None):
        first.stationarity().check()
        check_model(first, run)
        check_replicas(run)
    if chosen.function is None:
        coordinates = Coordinates(declared, values, chosen.shares)
        replicas = run.replicas or default_replicas(choose_devices(run.devices))
        surface = ResponseSurface(first, coordinates, str(chosen.metric), replicas, method, run.control)
    verify = verify and chosen.metric is not None
    return Problem(first, name, chosen, values, declared, int(steps), float(rate), run, verify, surface)


def solve(problem: Problem, meter: Watch = None) -> Tuning:
    """Descend, then simulate."""
    objective, meter = problem.objective, as_meter(meter)
    found = _of_formula(problem) if problem.surface is None else _of_simulation(problem, problem.surface, meter)
    flags, tuned = list(found.flags), placed(problem.system, found.best.values)
    verification = None
    if problem.verify and objective.metric is not None and Flag.UNFINISHED not in flags:
        verification = _verify(problem, tuned, objective.metric, problem.options, meter)
        flags += [*verification.start.flags, *verification.best.flags]
        if verification.sure and (verification.gain.mean or 0.0) < 0:
            flags.append(Flag.WORSE_IN_SIMULATION)
    return Tuning(
        title(problem.system),
        {name: value for name, value in describe(problem.system).items() if name not in problem.start},
        problem.name,
        found.start,
        found.best,
        found.average,
        found.trace,
        verification,
        tuple(dict.fromkeys(flags)),
        tuned,
        objective.doc,
        found.known,
        found.run,
        _bounds(problem, found.best.values),
    )


def _bounds(problem: Problem, values: dict[str, Any]) -> dict[str, float]:
    """The numbers that are at a bound, with it."""
    found = {}
    for name, value in values.items():
        if name not in problem.objective.shares:
            found |= flat({name: at_bounds(problem.rules[name], problem.start[name], value)})
    return {name: bound for name, bound in found.items() if not math.isnan(bound)}


def _of_simulation(problem: Problem, surface: ResponseSurface, meter: Meter) -> Found:
    """The descent on simulated derivatives."""
    maximise = problem.objective.maximise
    walk = simulated.descend(surface, problem.steps, problem.rate, problem.options, DIGITS, maximise, meter)
    return Found(walk.start, walk.best, None, walk.trace, list(walk.flags), run=walk.run)


def _of_formula(problem: Problem) -> Found:
    """The descent on a formula, polished and rounded."""
    objective = problem.objective
    coordinates = Coordinates(problem.rules, problem.start, objective.shares)
    sign = -1.0 if objective.maximise else 1.0

    def function(values, *temperature):
        assert objective.function is not None
        return sign * objective.function(as_fields(problem.system, values), *temperature)

    def shown_as(step: Step) -> Step:
        # the start as it was given, not after there and back
        values = problem.start if step.step == 0 else step.values
        return dataclasses.replace(step, values=values, objective=sign * step.objective)

    with jax.enable_x64(True):
        found = descend(
            function,
            coordinates.decode,
            coordinates.start,
            problem.steps,
            problem.rate,
            objective.temperatures,
            coordinates.held,
        )
        best, flags = _end(problem, shown_as(found.best), coordinates), list(found.flags)
        first = shown_as(found.start)
        if objective.hard is not None:
            first = dataclasses.replace(first, objective=objective.hard(first.values))
            # the last steps have come to rest
            flags = [flag for flag in flags if flag != Flag.NOT_CONVERGED]
    known = None if objective.optimum is None else objective.optimum()
    if known is not None and -sign * (known.objective - best.objective) > SHORT * abs(known.objective):
        flags.append(Flag.SHORT_OF_KNOWN)
    average = None if found.average is None else shown_as(found.average)
    return Found(first, best, average, tuple(map(shown_as, found.trace)), flags, known)


def _end(problem: Problem, best: Step, coordinates: Coordinates) -> Step:
    """The best step polished, where the objective has a true metric, and as it is printed."""
    objective, shares = problem.objective, coordinates.sums
    sign = 1.0 if objective.maximise else -1.0
    evaluate: Any = objective.function if objective.hard is None else objective.hard

    def value(fields: dict[str, Any]) -> float:
        try:
            placed(problem.system, fields)
            return sign * float(evaluate(as_fields(problem.system, fields)))
        except ValueError:
            return -math.inf

    if objective.hard is None:
        fields, worth = printable(value, best.values, DIGITS, shares, moved=False)
        if not math.isfinite(worth):
            return best
        fields, worth = without_traces(value, fields, worth, shares)
        return dataclasses.replace(best, values=fields, objective=sign * worth)
    jumps = objective.jumps or (lambda fields: {})
    fields, worth = over_jumps(value, best.values, jumps, shares)
    for _ in range(ROUNDS):
        here = fields

        def along(z: np.ndarray, here: dict[str, Any] = here) -> dict[str, Any]:
            return carried(coordinates.fields(z), here, jumps)

        at = by_simplex(lambda z, along=along: value(along(z)), coordinates.vector(here))[0]
        fields, after = over_jumps(value, along(at), jumps, shares)
        if after <= worth + SHORT * abs(worth):
            break
        worth = after
    fields, worth = printable(value, fields, DIGITS, shares, margin=not objective.exact)
    return dataclasses.replace(best, values=fields, objective=sign * worth)


def choose_objective(system: Model, name: str | None, maximise: bool = False) -> tuple[str, Objective]:
    """The objective of a name, or the default. Raises ValueError."""
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
    name = next(iter(known)) if name is None else name
    return name, known[name]


def _check_parameter(system: Model, parameter: str, name: str, objective: Objective) -> None:
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
    tunable, rule = _tunable(system), rules(type(system)).get(parameter)
    if rule is None:
        raise FieldError("parameter", parameter, f"{title(system)} has no such field; it has {', '.join(tunable)}")
    if rule.untuned:
        raise FieldError("parameter", parameter, rule.untuned)
    if parameter not in tunable:
        raise FieldError(
            "parameter", parameter, f"must be a field of real numbers; {title(system)} has {', '.join(tunable)}"
        )
    if objective.parameters and parameter not in objective.parameters:
        raise FieldError("parameter", parameter, f"the objective {name} depends on {', '.join(objective.parameters)}")


def _tunable(system: Model) -> list[str]:
    return [name for name, rule in rules(type(system)).items() if rule.tunable]


def _by_name(what: str, names: list[str], given: Any) -> dict[str, Any]:
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


def _start_value(name: str, rule: Rule, value: Any, share: bool) -> Any:
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


def _options(metric: str | None, given: dict[str, Any]) -> Options:
    """Options whose precision is that of one metric, as the others may vanish at the optimum."""
    options = Options(**given)
    if metric is None or not options.wants_precision:
        return options
    asked = given.get("precision")
    if asked is None and options.metric:
        return options
    target = metric if asked is None else f"{metric}:{asked!r}"
    return dataclasses.replace(options, precision=None, metric=(target, *options.metric))


def _verify(problem: Problem, tuned: Model, metric: str, options: Options, meter: Watch) -> Verification:
    """Simulate both on the same words."""
    results = compare([problem.system, tuned], meter=meter, **options.to_dict())
    sign = 1.0 if problem.objective.maximise else -1.0
    gain = Metric(None, None, options.level)
    for row in results.differences:
        if row["metric"] == metric and row["mean"] is not None:
            gain = Metric(sign * row["mean"], row["half_width"], options.level)
    return Verification(metric, gain, results[0], results[1])


def check_replicas(options: Options) -> None:
    """ValueError if replicas are too few to be paired."""
    if options.replicas is not None and options.replicas < output_analysis.FEW:
        raise FieldError("replicas", options.replicas, f"a paired comparison needs at least {output_analysis.FEW}")
