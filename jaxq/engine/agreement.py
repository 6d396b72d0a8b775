"""Whether results agree with their oracles, all of them judged together."""

from collections.abc import Iterable

from jaxq.engine.levels import LEAST_GROUPS
from jaxq.engine.result import Result
from jaxq.stats.intervals import family_bound

FAMILY_LEVEL = 0.95
LEAST_SAMPLES = 30
"""With fewer replicas the engine cuts them into batches, at least this many in all."""


def bound_of(results: Iterable[Result]) -> tuple[int, float]:
    """(comparisons, bound on max |z|) over what some results have a z of."""
    results = list(results)
    scores = [r.scores() for r in results]
    degrees = [
        r.run["control"]["freedom"] if "control" in r.run else max(r.run["replicas"], LEAST_SAMPLES) - 1
        for r in results
    ]
    degrees += [LEAST_GROUPS - 1] * any(s.keys() - r.metrics.keys() for s, r in zip(scores, results, strict=True))
    count = sum(map(len, scores))
    return count, family_bound(count, FAMILY_LEVEL, min(degrees, default=LEAST_SAMPLES - 1))
