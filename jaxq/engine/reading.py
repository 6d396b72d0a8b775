"""Sums over a stretch of a run, read as estimates."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxq.engine.sums import Sums
from jaxq.engine.totals import Quantity
from jaxq.stats.estimate import Estimate, grain

ROUNDING = 2.0**-23
"""What a sum in float32 may be off by, as a share of it (measured: 2e-8, always in the same direction)."""
OF_EQUALS = 2.0**-19
"""The same of a sum of equal values, each rounded alike: 64 of them and then 16 such sums make 40 halves of a last place at
most (measured: 1e-6)."""


def estimated(
    data: Float[np.ndarray, "*batch columns groups"],
    quantities: Sequence[Quantity],
    step_time: float | None,
    stride: int,
    events: int,
    episode: float,
    group: int = 1,
) -> Sums:
    """`Sums` of estimates.

    Args:
        data: shape (..., quantities, replicas or groups of them), float64; leading axes: windows, all at once.
        quantities: what is added up, time before what it is needed for.
        step_time: model time of an event, where it is the same for all; else None.
        stride: events from one observation to the next.
        events: of a replica.
        episode: events that an occurrence of what is rare may last, for what was hardly seen; 0: nothing is said of that.
        group: replicas of a group.
    """
    scale = {
        "time": stride,
        "observed": stride * (1.0 if step_time is None else step_time),
        "tallied": stride,
        "counted": 1,
    }
    entries: dict[str, dict[str, Estimate]] = {kind: {} for kind in scale}
    constant = np.zeros(data.shape[-1])
    for column, (kind, name, exact) in enumerate(quantities):
        values, once = data[..., column, :] * (scale[kind] / group), scale[kind] / group
        if episode and kind == "observed" and step_time is None:  # the mean weight of an observation
            once *= entries["time"][""].value / max(events, 1)
        one = grain(values, once) if episode else 0.0
        long = max(one, once * episode / stride / len(values)) if one else 0.0
        entries[kind][name] = Estimate.of(values, 0.0 if exact else _rounding(values), one, long)
    time = Estimate(events * step_time, constant) if step_time is not None else entries["time"][""]
    return Sums(time, Estimate(float(events), constant), *[entries[k] for k in ("observed", "tallied", "counted")])


def _rounding(values: Float[np.ndarray, "*batch groups"]) -> float:
    """What float32 sums may be off by, as a share of them."""
    return OF_EQUALS if np.ptp(values) <= OF_EQUALS * np.max(np.abs(values), initial=0.0) else ROUNDING


def grouped(data: Float[np.ndarray, "*batch replicas"], groups: int | None) -> Float[np.ndarray, "*batch groups"]:
    """Means over that many groups of neighbouring replicas, the last axis; as it is without, or where there are no more."""
    if groups is None or groups >= data.shape[-1]:
        return data
    edges = np.linspace(0, data.shape[-1], groups + 1).astype(int)
    return np.add.reduceat(data, edges[:-1], axis=-1) / np.diff(edges)
