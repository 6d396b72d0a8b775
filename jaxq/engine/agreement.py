"""Whether results agree with their oracles, all of them judged together."""

from collections.abc import Iterable

from jaxq.engine.result import Result
from jaxq.stats.intervals import family_bound

FAMILY_LEVEL = 0.95
LEAST_SAMPLES = 30
"""With fewer replicas the engine cuts them into batches, at least this many in all."""


def bound_of(results: Iterable[Result]) -> tuple[int, float]:
    """(comparisons, bound on max |z|) over the exact and identity metrics of some results."""
    results = list(results)
    count = sum(m.z is not None for r in results for m in r.metrics.values())
    degrees = [
        r.run["control"]["freedom"] if "control" in r.run else max(r.run["replicas"], LEAST_SAMPLES) - 1
        for r in results
    ]
    return count, family_bound(count, FAMILY_LEVEL, min(degrees, default=LEAST_SAMPLES - 1))
