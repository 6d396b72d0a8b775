"""The verbs that take a system: what they say, the options they share, and what they do."""

import dataclasses
from collections.abc import Callable

from jaxq.cli import exact, gradient, options, paths, run, theory, tune


@dataclasses.dataclass(frozen=True)
class Verb:
    """``execute(verb, system class, given, experiment)`` returns the exit code."""

    short: str
    help: str
    example: str
    options: tuple[str, ...]
    execute: Callable[..., int]


VERBS = {
    "run": Verb(
        "Simulate one system.",
        "Simulate one system: estimates with intervals, next to its oracle.",
        "jaxq run mmc --arrival-rate 120 --servers 100 --abandonment-rate 0.5",
        options.SIMULATION,
        run.execute,
    ),
    "sweep": Verb(
        "Simulate along one or more fields.",
        "Simulate along fields given as start:stop:count (ends included) or a,b,c, on common random numbers.",
        "jaxq sweep mmc --arrival-rate 95 --servers 97:107:11 --plot staffing.png",
        options.SIMULATION,
        run.execute,
    ),
    "compare": Verb(
        "Simulate several systems, paired.",
        "Simulate the systems of fields given as a,b,c on the same random numbers; paired differences.",
        "jaxq compare mmc --arrival-rate 0.9 --servers 1,2",
        options.SIMULATION,
        run.execute,
    ),
    "tune": Verb(
        "Tune fields by gradient, checked by simulation.",
        "Move fields along the gradient of an objective, from --start; then simulate start and best, paired.",
        "jaxq tune token-pool --parameter phi --start 0.3",
        options.TUNE,
        tune.execute,
    ),
    "gradient": Verb(
        "Derivatives of the means by fields.",
        "Means and their derivatives by each --parameter, with intervals: coupled and unbiased, or paired differences.",
        "jaxq gradient mmc --arrival-rate 0.8 --parameter arrival_rate",
        options.GRADIENT,
        gradient.execute,
    ),
    "paths": Verb(
        "Transient means from the initial state.",
        "Means over replicas at given times, from the initial state, with pointwise intervals.",
        "jaxq paths mmc --arrival-rate 8 --servers 10 --times 0:20:41",
        options.PATHS,
        paths.execute,
    ),
    "exact": Verb(
        "The stationary law of a small chain.",
        "The stationary metrics of a jump process, by enumerating its states; nothing is simulated.",
        "jaxq exact mmc --arrival-rate 8 --servers 10 --capacity 20",
        options.EXACT,
        exact.execute,
    ),
    "theory": Verb(
        "What is known without simulating.",
        "Thresholds, equilibria, conditions and oracles of a system, each with its source; nothing is simulated.",
        "jaxq theory mmc --arrival-rate 95 --servers 100",
        options.THEORY,
        theory.execute,
    ),
}
