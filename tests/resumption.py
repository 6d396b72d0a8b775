"""A derivative simulated in one go, and from a checkpoint of its first half on."""

from pathlib import Path

import jaxq

SAME = {"replicas": 64, "warmup": 512, "seed": 7}


def straight_and_resumed(system, parameter: str, events: int, folder: Path) -> tuple:
    """(the derivatives of a run of so many events, those of the same in two halves)."""
    whole = jaxq.gradient(system, None, parameter, events=events, **SAME)
    path = str(folder / "c.npz")
    jaxq.gradient(system, None, parameter, events=events // 2, checkpoint=path, **SAME)
    return whole, jaxq.gradient(system, None, parameter, events=events, checkpoint=path, **SAME)
