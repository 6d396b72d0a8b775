"""The flags of a result: what went wrong, or what its numbers are not."""

import enum
from collections.abc import Iterable


class Flag(enum.StrEnum):
    """A flag: its name, as results and files have it, its ``meaning`` in a sentence, and whether it ``withholds`` means."""

    meaning: str
    withholds: bool

    def __new__(cls, name: str, meaning: str, withholds: bool = False):
        flag = str.__new__(cls, name)
        flag._value_, flag.meaning, flag.withholds = name, meaning, withholds
        return flag

    __repr__ = str.__repr__

    TRUNCATED = "truncated", "stopped by --max-events or --time-limit before what was asked for"
    OVERFLOW = (
        "overflow",
        "a state, or a whole number observed or counted, left its representation or fell below 0; means are withheld",
        True,
    )
    INVALID_RATES = (
        "invalid_rates",
        "a rate was negative or not finite, or the total rate above its bound; means are withheld",
        True,
    )
    UNFINISHED = "unfinished", "interrupted; the estimates are of the part that ran"
    UNSTABLE = "unstable", "the system grows (or falls) without end; means are withheld, the rates are reported", True
    WARMUP_UNDETERMINED = (
        "warmup_undetermined",
        "the run is too short against its transient or its correlation; means are withheld",
        True,
    )
    PRECISION_NOT_REACHED = "precision_not_reached", "the intervals are wider than asked for"
    NAN = "nan", "a metric is not a number; it has no mean"
    NOT_SEEN = (
        "not_seen",
        "what a metric counts never happened in this run: a mean of 0 may be small, a ratio to it has none; so has a "
        "quantile beyond what was seen",
    )
    RARE_TRANSITION = (
        "rare_transition",
        "a transition that can happen was due fewer than 10 times in the whole run, or never",
    )
    INFEASIBLE = (
        "infeasible",
        "this point of a sweep has no stationary regime, or fields that do not go together; it was not run",
    )
    HEAVY_TAIL = (
        "heavy_tail",
        "an average over time has no finite variance here: its interval is only a scale, far too narrow",
    )
    INFINITE_MEAN = (
        "infinite_mean",
        "a stationary mean is infinite here (heavy tail of a law); means are withheld",
        True,
    )
    NO_INTERVAL = (
        "no_interval",
        "too short, for one replica, against its own correlation: give more events or more replicas",
    )
    GRADIENT_SHORT = (
        "gradient_short",
        "the run is short against the time that an alternative lasts, or its warm-up against the window of a score, so a "
        "derivative may be wrong: give more events",
    )
    STEP_TOO_LONG = (
        "step_too_long",
        "the step of a difference moves a derivative by more than a twentieth, so what is left may be wrong: give a smaller "
        "step",
    )
    WINDOW_TOO_SHORT = (
        "window_too_short",
        "half the window of a score moves a derivative for sure, so what the whole one leaves out may matter: give a longer "
        "window",
    )
    DISAGREES = "disagrees", "a mean is further from its exact value than chance allows (one correct run in 10,000)"
    OBJECTIVE_NOT_FINITE = (
        "objective_not_finite",
        "the objective or its gradient was not finite; the best values before are given",
    )
    OBJECTIVE_UNDEFINED = (
        "objective_undefined",
        "a step left the region where the objective can be evaluated; the best values before are given",
    )
    NOT_CONVERGED = (
        "not_converged",
        "the parameters were still moving one way at the end; give more steps or a larger rate",
    )
    WORSE_IN_SIMULATION = (
        "worse_in_simulation",
        "the simulation says that the best parameters are worse than the start: the objective misleads here",
    )
    SHORT_OF_KNOWN = "short_of_known", "the best parameters are worse than the known optimum; try other starts"


def withheld(flags: Iterable[str]) -> bool:
    """Whether a result with these flags has no stationary means."""
    return any(Flag(flag).withholds for flag in flags)


def flag_lines(flags: Iterable[str]) -> list[str]:
    """A line for each flag, each once: ``FLAG nan: a metric is not a number; it has no mean``."""
    return [f"FLAG {flag}: {Flag(flag).meaning}" for flag in dict.fromkeys(flags)]
