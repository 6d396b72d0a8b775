"""What both layouts observe, under the names that the metrics have."""

from collections.abc import Mapping
from typing import Any


def named_counts(busy, queues: Mapping[str, Any], idle, edges, classes, pools) -> dict[str, Any]:
    """busy_<class>_<pool>, idle_<pool> and queue_<class>; ``busy``: by edge, ``queues``: by name, ``idle``: by pool."""
    return {
        **{f"busy_{classes[i]}_{pools[j]}": z for z, (i, j) in zip(busy, edges, strict=True)},
        **{f"queue_{name}": waiting for name, waiting in queues.items()},
        **by_pool({"idle": tuple(idle)}, pools),
    }


def by_pool(values: Mapping[str, tuple], pools) -> dict[str, Any]:
    """<name>_<pool>; ``values``: by name, a number a pool."""
    return {f"{name}_{pool}": x for name, row in values.items() for pool, x in zip(pools, row, strict=True)}
