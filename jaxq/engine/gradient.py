"""`gradient`: derivatives of stationary means by parameters: simulated, without bias or by paired differences, or taken of
a fluid objective.

Coupled, a process is stepped beside alternatives to itself (`jaxq.engine.coupled`). Pathwise, it is stepped beside the
derivative of its path (`jaxq.engine.pathwise`); by score, beside that of the likelihood of its last events
(`jaxq.engine.score`). By differences, the system is run beside others in which a parameter is a step, or two, more or less:
points side by side as in a sweep, on the same random words. All are judged as one point (`jaxq.engine.differences`), so
that warm-up, precision and intervals are those of the derivatives.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from jaxq.checks import FieldError, integer, number, one_of
from jaxq.engine.alternatives import Alternatives
from jaxq.engine.check import check_kind, check_process
from jaxq.engine.conclusion import conclude_point
from jaxq.engine.derivatives import Gradients
from jaxq.engine.differences import Differences, Moved, Node, Quotients, moved_nodes, named
from jaxq.engine.differentiated import Differentiated
from jaxq.engine.flags import Flag
from jaxq.engine.fluid_gradient import fluid_gradient, objectives_by
from jaxq.engine.layout import FEW
from jaxq.engine.loop import Loop
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective
from jaxq.engine.options import COUNTED, OPTIONS, Options, Target
from jaxq.engine.outline import at_halves
from jaxq.engine.parameter import (
    SIDES,
    Parameter,
    alike,
    beside,
    parameter,
    real_fields,
    smooth_between,
    tangents,
)
from jaxq.engine.pathwise import Pathwise
from jaxq.engine.plain import finite
from jaxq.engine.plan import Plan, plan
from jaxq.engine.planned import run_by
from jaxq.engine.progress import Watch
from jaxq.engine.quantity import primary
from jaxq.engine.range import check_range
from jaxq.engine.record import title
from jaxq.engine.score import LONGEST, Scored, found_window, less_controls, too_short, with_window
from jaxq.engine.simulate import launched, run_info
from jaxq.engine.stencil import STENCILS, exact_derivatives
from jaxq.engine.stepless import STEPLESS, stepless
from jaxq.engine.unknown import known_keywords
from jaxq.stats.estimate import Estimate

METHODS = "auto", *STEPLESS, "finite-difference", "fluid"
STEP = 0.01
LEAST_STEP, LONGEST_STEP = 1e-4, 0.25
"""Under the first the float32 parameters of the compiled loop differ by rounding."""
LIFETIMES, ALL_LIFETIMES = 20, 1000
"""Lifetimes of an alternative that a replica must run, and all replicas together."""
CHANGED = 0.05
"""Share of a derivative that its step may have added before it is called too long."""


class Question(NamedTuple):
    """What `gradient` is asked, checked. ``planned``: None where nothing is simulated."""

    system: Model
    parameters: list[Parameter]
    method: str
    side: str | None
    step: float
    window: int | None = None
    planned: Plan | None = None
    model: Differences | None = None
    nodes: Sequence[Node] = ()
    reason: str = ""
    objectives: Mapping[str, Objective] = {}


def solve(question: Question, meter: Watch = None) -> Gradients:
    """Differentiate or simulate, and conclude."""
    if question.planned is None or question.model is None:
        return fluid_gradient(question.system, question.parameters, question.objectives)
    began = perf_counter()
    if isinstance(question.planned.points[0].stepped, Scored):
        question = _windowed(question, question.planned, question.model)
    planned, model = question.planned, question.model
    assert planned is not None and model is not None
    return launched(
        planned,
        meter,
        lambda loop: _concluded(loop, question, planned, model),
        lambda runs: [(Moved(runs[0], model, question.nodes) if question.nodes else Quotients(runs[0], model), 0)],
        began,
    )


def _windowed(question: Question, planned: Plan, model: Differences) -> Question:
    """The question with the window of its score, which a short run finds where it is not given."""
    point = planned.points[0]
    half: Any = point.stepped
    window = question.window or found_window(planned, question.system, half.process)
    model = dataclasses.replace(model, window=window)
    point = point._replace(model=model, stepped=with_window(half, window))
    return question._replace(planned=planned._replace(points=[point]), model=model)


def _concluded(loop: Loop, question: Question, planned: Plan, model: Differences) -> Gradients:
    """The result of a run that has ended."""
    base, analysis = planned.points[0]._replace(model=question.system), loop.analyses[0]
    together, _ = loop.points[0]
    oracle = base.oracle | exact_derivatives(base.model, question.parameters, question.side)
    result = conclude_point(
        together, 0, base._replace(oracle=oracle), loop.options, analysis, loop.flags(0), run_info(loop, planned), ()
    )
    biases = {}
    if analysis.cut is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            biases = model.biases(together.sums(0, analysis.cut))
            if question.method == "score":
                biases = less_controls(biases, analysis.metrics, together, analysis.cut)
    level = loop.options.level
    biases = {name: x for name, x in biases.items() if isinstance(x, Estimate) and name in result.estimates}
    flags = list(result.flags)
    run = {**result.run, "points": len(planned.points)}
    run["gradient"] = {"method": question.method, "side": question.side}
    if question.method == "pathwise":
        run["gradient"] |= {"without": list(model.without)}
    elif question.method == "coupling":
        lifetime, time = together.lifetime(analysis.cut or 0)
        run["gradient"] |= {"lifetime": finite(lifetime)}
        if time < LIFETIMES * lifetime or time * together.replicas < ALL_LIFETIMES * lifetime:
            flags.append(Flag.GRADIENT_SHORT)
    elif question.method == "score":
        run["gradient"] |= {"window": model.window}
        if run["warmup_method"] == "given" and run["warmup"] < (model.window or 0):
            flags.append(Flag.GRADIENT_SHORT)
        if too_short(biases):
            flags.append(Flag.WINDOW_TOO_SHORT)
    else:
        run["gradient"] |= {"step": question.step, "not unbiased": question.reason}
        if any(too_long(bias, model.relative_to(name, result.estimates), level) for name, bias in biases.items()):
            flags.append(Flag.STEP_TOO_LONG)
    return Gradients(
        dataclasses.replace(result, run=run, flags=tuple(flags)),
        {of.path: of.value for of in question.parameters},
        {name: (finite(x.value), finite(x.half_width(level))) for name, x in biases.items()},
    )


def too_long(bias: Estimate, size: float, level: float) -> bool:
    """Whether a step has added more than a twentieth of the size of a derivative, for sure."""
    return abs(bias.value) - 2 * bias.half_width(level) > CHANGED * size


@known_keywords(OPTIONS)
@run_by(solve)
def gradient(
    system: Model,
    metrics: str | Sequence[str] | None = None,
    with_respect_to: str | Sequence[str] = (),
    *,
    method: str = "auto",
    side: str | None = None,
    step: float = STEP,
    window: int | None = None,
    meter: Watch = None,
    **options,
) -> Question:
    """Stationary means and their derivatives by parameters of the system, each with its interval and, where there is an
    oracle, the exact derivative and z.

    Formula (finite-difference): (4 D(h) - D(2 h)) / 3 with D(h) = (f(theta + h) - f(theta - h)) / 2 h, the difference
    quotient of the same replica's estimates on the same random words; on one side 2 D(h) - D(2 h) with
    D(h) = (f(theta + h) - f(theta)) / h. Its error is of order h^4, or h^2; what h alone would have added is its ``bias``.

    Args:
        system: the system.
        metrics: those whose derivatives the precision is of, ``name``, ``name:0.01`` or ``name:0.001abs``, or of one
            derivative, ``name/parameter:0.01`` (default: the primary metrics); all are computed.
        with_respect_to: one or more parameters: fields of real numbers, and numbers in them, such as ``phi``,
            ``routing[0]``, ``network.arrival_rates[1]`` (places count from 0; on the simplex the others give way in
            proportion).
        method: ``coupling``, unbiased, of a jump process that is stepped by its rates, or one that brings
            alternatives of its own (token pools, one tolled queue); ``pathwise``, unbiased, of a process
            whose steps move continuously with the parameters, such as waits customer by customer: of the metrics that do;
            ``score``, the likelihood ratio of the last events of a jump process, which ``auto`` never takes;
            ``finite-difference``, for every system; ``fluid``, automatic differentiation of the objectives that the
            system has, as `jaxq.tune` does: no simulation and no interval; ``auto``: coupling where the process has it, is
            narrow by it and does not take long to compile, else pathwise where the metrics that are asked for have it, else
            finite-difference. ``run["gradient"]`` says which, and why not an unbiased one.
        side: ``left`` or ``right``, the derivative on that side, where the parameter is at a bound or at a kink.
        step: h, of finite differences, as a share of the parameter, from 0.0001 to 0.25; of 1 where that is 0.
        window: events of a replica that a score goes back, null events included; at most half as many more. The ``bias`` is
            what half of it alone would have added, taken off; where chance does not explain it, the result is flagged.
            Default: 5 correlation times of the slowest metric or somewhat more, which a short run finds. A ``warmup`` that
            is given must be as long.
        meter, options: as `jaxq.simulate`, without ``metric``, ``quantiles`` and ``service_level``; ``control`` is for jump
            processes, by coupling, score or differences: the derivatives are regressed on controls and on their derivatives;
            ``precision`` is that of the derivatives, as a share of the derivative or of mean / parameter, whichever is more.

    Returns:
        `Gradients`.

    Raises:
        ValueError: a parameter has no derivative here, and why; a metric, an option or the step is not allowed; all that
            `jaxq.simulate` refuses.

    Source: Gong and Ho (1987), IEEE Transactions on Automatic Control 32(10), 858-866 (coupling); Glasserman (1991),
        Gradient Estimation via Perturbation Analysis (pathwise); Glynn (1990), Communications of the ACM 33(10), 75-84
        (score); Glasserman (2004), Monte Carlo Methods in Financial Engineering, Section 7.1 (common random numbers);
        Richardson (1911).

    Example:
        >>> jaxq.gradient(jaxq.MMc(arrival_rate=0.5), with_respect_to="arrival_rate", precision=0.01)
    """
    check_kind(system)
    one_of("method", method, METHODS)
    if side is not None:
        one_of("side", side, SIDES)
    step = number("step", step, LEAST_STEP, LONGEST_STEP)
    if window is not None:
        window = integer("window", window, 2, LONGEST)
        if method != "score":
            raise FieldError("window", window, f"method = {method} has no score; must not be given")
    paths = _listed("parameter", with_respect_to)
    if not paths or len(set(paths)) < len(paths):
        rule = f"must be one or more, each once; {title(system)} has {', '.join(real_fields(system))}"
        raise FieldError("parameter", ", ".join(map(str, paths)) if paths else ..., rule)
    parameters = [parameter(system, path) for path in paths]
    asked: Sequence[str] = _listed("metric", metrics)
    if method == "fluid":
        given = {"side": side, **options}
        for name, value in given.items():
            if value is not None:
                raise FieldError(name, value, "method = fluid differentiates a formula; must not be given")
        return Question(system, parameters, method, None, step, objectives=objectives_by(system, parameters, asked))
    for name in ("metric", *COUNTED):
        if options.get(name) not in (None, "none", (), []):
            raise FieldError(name, options[name], "is no option of a gradient" + "; give metrics" * (name == "metric"))
    chosen = Options(**options)
    if chosen.replicas is not None and chosen.replicas < FEW:
        raise FieldError("replicas", chosen.replicas, f"paired differences need at least {FEW}")
    system.stationarity().check()
    check_range(system, system.process())
    slopes = [tangents(p, side) for p in parameters]
    question = Question(system, parameters, "finite-difference", side, step, window)
    if method != "finite-difference":
        check_process(system.process())
    wanted = _targets(system, list(at_halves(system, system.process())), paths, asked)
    if method != "finite-difference":
        try:
            half = stepless(system, parameters, slopes, method, side, _metrics(wanted))
        except FieldError as error:
            if method != "auto" or error.field != "method":
                raise
            question = question._replace(reason=error.rule)
        else:
            return _beside_itself(system, half, wanted, chosen, question)
    return _planned(system, parameters, slopes, wanted, chosen, question)


def _listed(name: str, given: Any) -> list:
    """One text or several as a list; none is an empty one. FieldError for what is neither."""
    if isinstance(given, str) or given is None:
        return [] if given is None else [given]
    if not isinstance(given, Iterable):
        raise FieldError(name, given, "must be a text or a list of texts")
    return list(given)


def _beside_itself(
    system: Model, half: Alternatives | Pathwise | Scored, wanted: Sequence[str], options: Options, question: Question
) -> Question:
    """The question with one point, stepped beside its alternatives, its derivative or its score."""
    if not isinstance(half, Differentiated) and options.control != "none":
        rule = f"must be none for method = {half.kind} of {title(system)}, which has no controls of its derivatives"
        raise FieldError("control", options.control, rule)
    planned = plan([system], options, stationary=True)
    if isinstance(half, Differentiated):
        half = half.with_controls(options.control, planned.replicas, title(system))
    names = [target.partition(":")[0] for target in wanted]
    model, nodes = moved_nodes(
        system, question.parameters, question.side, names, half.without, left_out=isinstance(half, Scored)
    )
    if any(":" in target for target in wanted):
        options = dataclasses.replace(options, metric=tuple(wanted))
    point = planned.points[0]._replace(model=model, stepped=half)
    planned = planned._replace(points=[point], options=options)
    return question._replace(method=half.kind, planned=planned, model=model, nodes=nodes)


def _planned(
    system: Model,
    parameters: list[Parameter],
    slopes: list,
    wanted: Sequence[str],
    options: Options,
    question: Question,
) -> Question:
    """The question with its points."""
    stencil, side = STENCILS[question.side], question.side
    systems, nodes, scales = [system], {}, {}
    for of in parameters:
        h = question.step * of.unit
        places = []
        for offset in stencil.offsets:
            places.append(len(systems) if offset else 0)
            if offset:
                systems.append(_moved(of, offset * h, side))
        pair = [
            [(place, weight / h) for place, weight in zip(places, weights, strict=True)]
            for weights in (stencil.slope, stencil.bias)
        ]
        nodes[of.path], scales[of.path] = pair, of.unit
    model = Differences(tuple(systems), nodes, scales, tuple(target.partition(":")[0] for target in wanted))
    planned = plan(systems, options, stationary=True, parameters=len(parameters))
    for of, slope in zip(parameters, slopes, strict=True):
        offsets = [offset * question.step * of.unit for offset in stencil.offsets]
        places = [place for place, _ in nodes[of.path][0]]
        moved = [(o, planned.points[place].process) for o, place in zip(offsets, places, strict=True) if o]
        ends = [of.value + o for o, _ in moved]
        where = f"between {of.path} = {min(ends):g} and {max(ends):g}"
        if not all(alike(moved[0][1], process) for _, process in moved):
            rule = f"{where} the program, or a whole number of it, changes; must be smaller, or fix what changes"
            raise FieldError("step", question.step, rule)
        if not smooth_between(of, slope, [p for _, p in moved], [o for o, _ in moved]):
            raise FieldError("step", question.step, f"{where} the system jumps or has a kink; must be smaller")
    if len(planned.groups) > 1:
        raise FieldError("step", question.step, "the program changes within it; must be smaller, or fix what changes")
    if any(":" in target for target in wanted):
        options = dataclasses.replace(options, metric=tuple(wanted))
    return question._replace(planned=planned._replace(options=options), model=model)


def _moved(of: Parameter, offset: float, side: str | None) -> Model:
    try:
        system = of.at(offset)
        system.stationarity().check()
    except ValueError as error:
        raise beside(of, offset, side, error) from None
    return system


def _metrics(wanted: Sequence[str]) -> set[str]:
    """The metrics of the derivatives that are wanted."""
    return {target.partition(":")[0].partition("/")[0] for target in wanted}


def _targets(system: Model, known: list[str], paths: list[str], asked: Sequence[str]) -> list[str]:
    """The derivatives that the precision is of, with their sizes where these are given. ValueError for a metric or a
    parameter that there is not."""
    wrong = next((name for name in known if "/" in name or ":" in name), None)
    if wrong is not None:
        rule = "must have no / and no :, which stand between a metric, a parameter and a size; name it otherwise"
        raise FieldError("metric", wrong, rule)
    found: dict[str, str] = {}
    for text in asked or primary(system.metric_table, known) or known:
        if not isinstance(text, str):
            raise FieldError("metric", text, "must be a text or a list of texts")
        target, size = Target.parse(text).metric, text.partition(":")[2]
        metric, slash, path = target.partition("/")
        if metric not in known:
            raise FieldError("metric", target, f"{title(system)} has {', '.join(known)}")
        if slash and path not in paths:
            raise FieldError("metric", target, f"must be by a parameter, {', '.join(paths)}")
        for by in [path] if slash else paths:
            found[named(metric, by)] = named(metric, by) + (f":{size}" if size else "")
    return list(found.values())
