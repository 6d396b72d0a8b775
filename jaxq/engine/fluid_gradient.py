"""Derivatives of fluid objectives, which are exact for the formula and not for what is simulated."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.compiling import Compiled
from jaxq.engine.derivatives import Gradients
from jaxq.engine.differences import named
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.objective import Objective, of_kind
from jaxq.engine.options import Options
from jaxq.engine.parameter import Parameter, real_fields
from jaxq.engine.plain import describe, finite
from jaxq.engine.record import title
from jaxq.engine.reference import Reference
from jaxq.engine.result import Result
from jaxq.engine.stencil import ORACLE_STEP, exact_derivatives, exact_values


def objectives_by(system: Model, parameters: Sequence[Parameter], asked: Sequence[str]) -> dict[str, Objective]:
    """The objectives that are asked for, by their names or those of the metrics that they stand for, or all that depend on
    the parameters."""
    known = of_kind(Objective, system.objectives())
    if not known:
        raise FieldError("method", "fluid", f"{title(system)} has no objective for this configuration; simulate it")
    for name in asked:
        if name not in known and name not in [objective.metric for objective in known.values()]:
            stand_for = dict.fromkeys(x.metric for x in known.values() if x.metric)
            rule = f"{title(system)} has the objectives {', '.join(known)}"
            raise FieldError("metric", name, rule + f", which stand for {', '.join(stand_for)}" * bool(stand_for))
    chosen = {name: x for name, x in known.items() if not asked or name in asked or x.metric in asked}
    fields, all_fields = [of.path.partition("[")[0] for of in parameters], real_fields(system)
    fits = {name: x for name, x in chosen.items() if set(fields) <= set(x.parameters or all_fields)}
    if not fits:
        on = dict.fromkeys(field for x in chosen.values() for field in (x.parameters or all_fields))
        raise FieldError("parameter", ", ".join(of.path for of in parameters), f"objectives depend on {', '.join(on)}")
    return fits


def fluid_gradient(system: Model, parameters: Sequence[Parameter], objectives: Mapping[str, Objective]) -> Gradients:
    """Values and derivatives of the objectives, in float64, by their names; beside the exact ones of their metrics."""
    level = Options().level
    metrics: dict[str, Metric] = {}
    oracle = {name: Reference(x) for name, x in exact_values(system).items()}
    oracle |= exact_derivatives(system, parameters, None)

    def put(name: str, value: Any, reference: Reference | None) -> None:
        told = (None, None) if reference is None else (finite(reference.value), reference.kind)
        metrics[name] = Metric(finite(float(value)), None, level, None, *told)

    with jax.enable_x64(True):
        for name, objective in objectives.items():
            for of in parameters:
                field, h = of.path.partition("[")[0], ORACLE_STEP * of.unit
                ends = [np.asarray(getattr(of.at(offset), field)) for offset in (h, -h)]
                last = () if objective.temperatures is None else (objective.temperatures[1],)

                def function(x, field=field, last=last, of_values: Any = objective.function):
                    return of_values({field: x}, *last)

                here = np.asarray(getattr(system, field), np.float64)
                value, slopes = Compiled(jax.value_and_grad(function))(here)
                slope = float(np.sum(np.asarray(slopes) * (ends[0] - ends[1])) / (2 * h))
                put(name, value, oracle.get(objective.metric or ""))
                put(named(name, of.path), slope, oracle.get(named(objective.metric or "", of.path)))
    meaning = {
        name: objective.doc + (f" (stands for {objective.metric})" if objective.metric else "")
        for name, objective in objectives.items()
    }
    run = {"level": level, "gradient": {"method": "fluid", "meaning": meaning}}
    result = Result(title(system), describe(system), {}, metrics, run)
    return Gradients(result, {of.path: of.value for of in parameters}, {})
