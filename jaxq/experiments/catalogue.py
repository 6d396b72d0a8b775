"""Every figure and table that ``jaxq reproduce`` knows, by name."""

import difflib
from collections.abc import Iterable

from jaxq.experiments import load_balancing, parallel_servers, staffing, token_pool, tolled_queues
from jaxq.experiments.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        *token_pool.EXPERIMENTS,
        *load_balancing.EXPERIMENTS,
        *parallel_servers.EXPERIMENTS,
        *staffing.EXPERIMENTS,
        *tolled_queues.EXPERIMENTS,
    )
}


ALL = "all"


def select(names: Iterable[str]) -> list[Experiment]:
    """The experiments with some names; the first part of a name (``token-pool``) stands for all that begin with it, and
    ``all`` for every one. Raises ValueError, with the nearest name, for another."""
    chosen: dict[str, Experiment] = {}
    for name in names:
        found = {e.name: e for e in EXPERIMENTS.values() if name in (e.name, e.paper, ALL)}
        if not found:
            known = list(dict.fromkeys([*EXPERIMENTS, *(e.paper for e in EXPERIMENTS.values()), ALL]))
            close = difflib.get_close_matches(name, known, 1, 0.5)
            raise ValueError(
                f"unknown experiment {name}; "
                + (f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}")
            )
        chosen |= found
    return list(chosen.values())
