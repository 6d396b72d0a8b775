"""What both layouts observe, under the names that the metrics have."""


def named_counts(busy, queues: dict, edges, classes, pools) -> dict:
    """What is observed: busy_<class>_<pool> and queue_<class>; ``busy``: by edge, ``queues``: by name."""
    return {
        **{f"busy_{classes[i]}_{pools[j]}": z for z, (i, j) in zip(busy, edges, strict=True)},
        **{f"queue_{name}": waiting for name, waiting in queues.items()},
    }
