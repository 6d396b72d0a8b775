"""The verbs that take a system: what they say, the options they share, and what they do."""

import dataclasses
from collections.abc import Callable

from jaxq.cli import exact, gradient, options, paths, run, theory, tune


@dataclasses.dataclass(frozen=True)
class Verb:
    """``execute(verb, system class, given, experiment)`` returns the exit code."""

    short: str
    help: str
    options: tuple[str, ...]
    execute: Callable[..., int]


VERBS = {
    "run": Verb(
        "Simulate one system.",
        "Simulate one system: estimates with intervals, next to its oracle.",
        options.SIMULATION,
        run.execute,
    ),
    "sweep": Verb(
        "Simulate along one or more fields.",
        "Simulate along fields given as start:stop:count (ends included) or a,b,c, on common random numbers.",
        options.SIMULATION,
        run.execute,
    ),
    "compare": Verb(
        "Simulate several systems, paired.",
        "Simulate the systems of fields given as a,b,c on the same random numbers; paired differences.",
        options.SIMULATION,
        run.execute,
    ),
    "tune": Verb(
        "Tune fields by gradient, checked by simulation.",
        "Move fields along the gradient of an objective, from --start; then simulate start and best, paired.",
        options.TUNE,
        tune.execute,
    ),
    "gradient": Verb(
        "Derivatives of the means by fields.",
        "Means and their derivatives by each --parameter, with intervals: coupled and unbiased, or paired differences.",
        options.GRADIENT,
        gradient.execute,
    ),
    "paths": Verb(
        "Transient means from the initial state.",
        "Means over replicas at given times, from the initial state, with pointwise intervals.",
        options.PATHS,
        paths.execute,
    ),
    "exact": Verb(
        "The stationary law of a small chain.",
        "The stationary metrics of a jump process, by enumerating its states; nothing is simulated.",
        options.EXACT,
        exact.execute,
    ),
    "theory": Verb(
        "What is known without simulating.",
        "Thresholds, equilibria, conditions and oracles of a system, each with its source; nothing is simulated.",
        options.THEORY,
        theory.execute,
    ),
}
