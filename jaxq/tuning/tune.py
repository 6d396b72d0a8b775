"""`tune`: parameters of a system by gradient of one of its objectives, then checked through the simulation."""

import math
from collections.abc import Sequence
from typing import Any

import jax

from jaxq.checks import FieldError, integer, one_of, positive
from jaxq.engine.compiling import Compiled
from jaxq.engine.devices import choose_devices
from jaxq.engine.flags import Flag
from jaxq.engine.layout import default_replicas
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.options import OPTIONS, Options
from jaxq.engine.plain import describe
from jaxq.engine.plan import check_model
from jaxq.engine.planned import run_by
from jaxq.engine.progress import Watch, as_meter
from jaxq.engine.record import title
from jaxq.engine.score import LONGEST
from jaxq.engine.simulate import compare
from jaxq.engine.stepless import STEPLESS
from jaxq.engine.unknown import known_keywords
from jaxq.tuning import simulated
from jaxq.tuning.descent import shown
from jaxq.tuning.entries import as_fields, check_apart, placed, rule_of, value_of
from jaxq.tuning.formula import of_formula
from jaxq.tuning.parametrise import Coordinates, at_bounds
from jaxq.tuning.problem import (
    DIGITS,
    Problem,
    by_name,
    check_parameter,
    check_replicas,
    choose_objective,
    paired_options,
    start_value,
    tunable,
)
from jaxq.tuning.response_surface import ResponseSurface
from jaxq.tuning.result import Tuning, Verification, flat

METHODS = "auto", *STEPLESS, "finite-difference"
STEPS, RATE = 600, 0.1


def solve(problem: Problem, meter: Watch = None) -> Tuning:
    """Descend, then simulate."""
    objective, meter = problem.objective, as_meter(meter)
    if problem.surface is None:
        found = of_formula(problem)
    else:
        how = problem.steps, problem.rate, problem.options, DIGITS, objective.maximise
        found = simulated.descend(problem.surface, *how, meter)
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


def _verify(problem: Problem, tuned: Model, metric: str, options: Options, meter: Watch) -> Verification:
    """Simulate both on the same words."""
    results = compare([problem.system, tuned], meter=meter, **options.to_dict())
    sign = 1.0 if problem.objective.maximise else -1.0
    gain = Metric(None, None, options.level)
    for row in results.differences:
        if row["metric"] == metric and row["mean"] is not None:
            gain = Metric(sign * row["mean"], row["half_width"], options.level)
    return Verification(metric, gain, results[0], results[1])


@known_keywords(OPTIONS)
@run_by(solve)
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
    window: int | None = None,
    verify: bool = True,
    meter: Watch = None,
    **options,
) -> Problem:
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
        objective: one of ``system.objectives()`` (default: the first that depends on the parameters), or
            ``simulated:METRIC``: the simulated mean of any metric of any system, by its simulated derivatives
            (`jaxq.tuning.simulated`).
        maximise: whether a simulated objective is made large; the others know.
        steps: gradient steps (default: 600, of a simulated objective 120).
        rate: length of the first steps, in the unconstrained coordinates of `jaxq.tuning.parametrise` (default: 0.1, of a
            simulated objective 0.15).
        method: how a simulated objective is differentiated: ``coupling``, ``pathwise``, ``score``, ``finite-difference`` or
            ``auto``, as `jaxq.gradient`.
        window: events of a replica that a score goes back (default: 5 correlation times of the metric at the start or
            somewhat more). Where it is too short at the end, the result is flagged.
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
    asked = [parameters] if isinstance(parameters, str) else parameters
    name, chosen = choose_objective(system, objective, maximise, asked or ())
    one_of("method", method, METHODS)
    if method != "auto" and chosen.function is not None:
        raise FieldError("method", method, f"is for {simulated.PREFIX}METRIC; a formula is differentiated exactly")
    if window is not None:
        window = integer("window", window, 2, LONGEST)
        if method != "score":
            raise FieldError("window", window, f"method = {method} has no score; must not be given")
    usual_steps, usual_rate = (STEPS, RATE) if chosen.function is not None else (simulated.STEPS, simulated.RATE)
    steps = usual_steps if steps is None else steps
    rate = usual_rate if rate is None else rate
    names = list(chosen.parameters if asked is None else asked)
    for parameter in names:
        check_parameter(system, parameter, name, chosen)
    if not names or len(set(names)) < len(names):
        rule = f"must be one or more fields, each once; {title(system)} has {', '.join(tunable(system))}"
        raise FieldError("parameter", ", ".join(names) if names else ..., rule)
    check_apart(system, names)
    integer("steps", steps)
    positive("rate", rate)
    given, within = by_name("start", names, start), by_name("bounds", names, bounds)
    declared = {n: rule_of(system, n, within.get(n)) for n in names}
    fields = {n: chosen.unset.get(n) if value_of(system, n) is None else value_of(system, n) for n in names}
    values = {n: start_value(n, declared[n], given.get(n, fields[n]), n in chosen.shares) for n in names}
    first = placed(system, values)
    if chosen.hard is not None or chosen.optimum is not None:
        chosen = choose_objective(first, name)[1]
    run, surface = paired_options(chosen.metric, options), None
    if chosen.function is not None:
        function = Compiled(chosen.function)
        chosen = chosen._replace(function=function)
        with jax.enable_x64(True):
            there = float(function(as_fields(system, values)))
        if not math.isfinite(there):
            raise FieldError("start", shown(values), f"the objective {name} is {there} there")
    if chosen.function is None or (verify and chosen.metric is not None):
        first.stationarity().check()
        check_model(first, run)
        check_replicas(run)
    if chosen.function is None:
        coordinates = Coordinates(declared, values, chosen.shares)
        replicas = run.replicas or default_replicas(choose_devices(run.devices))
        surface = ResponseSurface(first, coordinates, str(chosen.metric), replicas, method, run.control, window)
    verify = verify and chosen.metric is not None
    return Problem(first, name, chosen, values, declared, int(steps), float(rate), run, verify, surface)
