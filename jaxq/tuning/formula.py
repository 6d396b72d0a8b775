"""The descent of `tune` on a formula, polished over its jumps and rounded."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from jaxq.engine.flags import Flag
from jaxq.tuning.descent import Descent, Step, descend
from jaxq.tuning.entries import as_fields, placed
from jaxq.tuning.parametrise import Coordinates
from jaxq.tuning.polish import by_simplex, carried, over_jumps
from jaxq.tuning.printed import printable, without_traces
from jaxq.tuning.problem import DIGITS, Problem

SHORT = 1e-4
"""Relative distance from a known optimum that is none."""
ROUNDS = 3
"""Of simplex and jumps, at most, at the end."""


def of_formula(problem: Problem) -> Descent:
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
    return Descent(first, best, average, tuple(map(shown_as, found.trace)), tuple(flags), known)


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
