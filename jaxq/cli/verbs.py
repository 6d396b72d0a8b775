"""The verbs that take a system: what they say, the options they share, and what they do."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verb:
    """``options`` and ``execute`` are places, ``module:name``, so that help can be given before anything is imported.

    ``options``: the names of the options. ``execute``: a function of verb, system class, what was given and the experiment
    file, that returns the exit code.
    """

    short: str
    help: str
    example: str
    options: str
    execute: str


VERBS = {
    "run": Verb(
        "Simulate one system.",
        "Simulate one system: estimates with intervals, next to its oracle.",
        "jaxq run mmc --arrival-rate 120 --servers 100 --abandonment-rate 0.5",
        "jaxq.cli.options:SIMULATION",
        "jaxq.cli.run:execute",
    ),
    "sweep": Verb(
        "Simulate along one or more fields.",
        "Simulate along fields given as start:stop:count (ends included) or a,b,c, on common random numbers.",
        "jaxq sweep mmc --arrival-rate 95 --servers 97:107:11 --plot staffing.png",
        "jaxq.cli.options:SIMULATION",
        "jaxq.cli.run:execute",
    ),
    "compare": Verb(
        "Simulate several systems, paired.",
        "Simulate the systems of fields given as a,b,c on the same random numbers; paired differences.",
        "jaxq compare mmc --arrival-rate 0.9 --servers 1,2",
        "jaxq.cli.options:SIMULATION",
        "jaxq.cli.run:execute",
    ),
    "tune": Verb(
        "Tune fields by gradient, checked by simulation.",
        "Move fields along the gradient of an objective, from --start; then simulate start and best, paired.",
        "jaxq tune token-pool --parameter phi --start 0.3",
        "jaxq.cli.options:TUNE",
        "jaxq.cli.tune:execute",
    ),
    "gradient": Verb(
        "Derivatives of the means by fields.",
        "Means and their derivatives by each --parameter, with intervals: coupled and unbiased, or paired differences.",
        "jaxq gradient mmc --arrival-rate 0.8 --parameter arrival_rate",
        "jaxq.cli.options:GRADIENT",
        "jaxq.cli.gradient:execute",
    ),
    "paths": Verb(
        "Transient means from the initial state.",
        "Means over replicas at given times, from the initial state, with pointwise intervals.",
        "jaxq paths mmc --arrival-rate 8 --servers 10 --times 0:20:41",
        "jaxq.cli.options:PATHS",
        "jaxq.cli.paths:execute",
    ),
    "customers": Verb(
        "Records of customers: an event log.",
        "Who came when, waited how long and left when, of systems that are stepped by customer.",
        "jaxq customers gg1 --arrival-rate 0.8 --customers 1000 --out log.csv",
        "jaxq.cli.options:CUSTOMERS",
        "jaxq.cli.customers:execute",
    ),
    "exact": Verb(
        "The stationary law of a small chain.",
        "The stationary metrics of a jump process, by enumerating its states; nothing is simulated.",
        "jaxq exact mmc --arrival-rate 8 --servers 10 --capacity 20",
        "jaxq.cli.options:EXACT",
        "jaxq.cli.exact:execute",
    ),
    "theory": Verb(
        "What is known without simulating.",
        "Thresholds, equilibria, conditions and oracles of a system, each with its source; nothing is simulated.",
        "jaxq theory mmc --arrival-rate 95 --servers 100",
        "jaxq.cli.options:THEORY",
        "jaxq.cli.theory:execute",
    ),
}
