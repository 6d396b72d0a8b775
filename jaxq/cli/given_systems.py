"""What the command line and an experiment file give, and the systems that it stands for."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxq.cli.errors import BadInput
from jaxq.cli.experiment_file import Experiment
from jaxq.cli.field_values import allowed, compared, number_of_points, observed, one, swept
from jaxq.cli.given_options import number
from jaxq.engine.fields import rules
from jaxq.engine.memory import check_points
from jaxq.engine.model import Model
from jaxq.engine.record import title


def merge(verb: str, given: Mapping[str, Any], experiment: Experiment | None) -> tuple[dict[str, Any], dict[str, str]]:
    """What the command line gives, over what the file does; and which of it is the file's, for error messages."""
    typed = {name: value for name, value in given.items() if value not in (None, False, [])}
    if experiment is None:
        return typed, {}
    fields = experiment.fields(verb)
    own = getattr(experiment, verb) if verb in ("tune", "gradient") else {}
    sources = {name: f"{experiment.path}: [run]" for name in experiment.run} | dict.fromkeys(fields, experiment.path)
    sources |= {name: f"{experiment.path}: [{verb}]" for name in own}
    merged = {**experiment.run, **fields, **own, **typed}
    return merged, {n: source for n, source in sources.items() if n not in typed}


def build_systems(verb: str, system: type[Model], chosen: Mapping[str, Any]) -> tuple[list[Model], dict[str, list]]:
    """(systems, grid) that the given fields stand for: one system, or the product of those that vary; of a sweep, the first
    point whose fields go together."""
    read = {"sweep": swept, "compare": compared}.get(verb, lambda *_: None)
    fixed, grid = {}, {}
    replicas = chosen.get("replicas")
    least = number(replicas) if replicas else None
    if verb == "sweep":  # before long ranges are written out
        given = {name: chosen[name] for name, rule in rules(system).items() if rule.scalar and name in chosen}
        counts = {name: number_of_points(text) for name, text in given.items()}
        check_points(", ".join(name for name, count in counts.items() if count > 1), math.prod(counts.values()), least)
    for field in (f for f in dataclasses.fields(system) if f.init):
        name, rule = field.name, rules(system).get(field.name)
        if rule is None:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise BadInput(
                    f"{name}: {title(system)} must declare it with jaxq.positive, jaxq.real ... or a default"
                )
            continue
        if name not in chosen:
            if field.default is dataclasses.MISSING:
                words = "; ".join(filter(None, (rule.doc, allowed(rule))))
                raise BadInput(f"{name}: {title(system)} needs --{name.replace('_', '-')} ({words})")
            continue
        several = read(name, rule, chosen[name])
        if several is None:
            fixed[name] = one(name, rule, chosen[name])
        else:
            grid[name] = several
    check_varies(verb, system, grid)
    check_points(", ".join(grid) or "points", math.prod(map(len, grid.values())), least)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if verb == "sweep":
        return [first_allowed(lambda point: system(**observed(system, {**fixed, **point})), points)], grid
    return [system(**observed(system, {**fixed, **point})) for point in points], grid


def first_allowed(build: Callable[[dict], Model], points: Sequence[dict]) -> Model:
    """The system of the first point at which there is one; where there is none, ValueError with the reason of the first."""
    reason = None
    for point in points:
        try:
            return build(point)
        except ValueError as error:
            reason = reason or error
    assert reason is not None  # a grid has points
    raise reason


def check_varies(verb: str, system: type[Model], grid: Mapping[str, list]) -> None:
    """BadInput unless a sweep has a swept field, and a comparison two systems."""
    if verb == "sweep" and not grid:
        scalars = ", ".join(name for name, rule in rules(system).items() if rule.scalar)
        raise BadInput(f"no field is swept: give start:stop:count or a,b,c to one of {scalars}")
    if verb == "compare" and not any(len(values) > 1 for values in grid.values()):
        raise BadInput(f"nothing to compare: give a,b to one of {', '.join(rules(system))}")
