"""What the flags of a result mean."""

WITHHELD = ("unstable", "warmup_undetermined", "overflow", "invalid_rates", "infinite_mean")
"""Flags under which no stationary mean is given."""

MEANING = {
    "truncated": "stopped by --max-events or --time-limit before what was asked for",
    "overflow": "a state, or a whole number observed or counted, left its representation; means are withheld",
    "invalid_rates": "a rate was negative or not finite, or the total rate above its bound; means are withheld",
    "unfinished": "interrupted; the estimates are of the part that ran",
    "unstable": "the system grows (or falls) without end; means are withheld, the rates are reported",
    "warmup_undetermined": "the run is too short against its transient or its correlation; means are withheld",
    "precision_not_reached": "the intervals are wider than asked for",
    "nan": "a metric is not a number; it has no mean",
    "not_seen": "what a metric counts never happened in this run: a mean of 0 may be small, a ratio to it has none",
    "rare_transition": "a transition that can happen was due fewer than 10 times in the whole run, or never",
    "infeasible": "this point of a sweep has no stationary regime, or fields that do not go together; it was not run",
    "heavy_tail": "an average over time has no finite variance here: its interval is only a scale, far too narrow",
    "infinite_mean": "a stationary mean is infinite here (heavy tail of a law); means are withheld",
    "no_interval": "too short, for one replica, against its own correlation: give more events or more replicas",
    "disagrees": "a mean is further from its exact value than chance allows (one correct run in 10,000)",
}
