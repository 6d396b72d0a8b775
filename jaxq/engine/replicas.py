"""Arrays with an axis that runs over points and, faster, over replicas: put together from shares, and cut into them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxq.stats.histogram import Histogram

HISTOGRAM = "histogram/"
"""What the names of the arrays of a histogram begin with in `Ensemble.saved`; its name follows, and theirs in it."""


def side_by_side(shares: Sequence[np.ndarray], points: int, axis: int) -> np.ndarray:
    """The array of all replicas, from those of consecutive shares of them."""
    if len(shares) == 1:
        return shares[0]
    axis = axis % shares[0].ndim
    return _together(np.concatenate([_apart(share, points, axis) for share in shares], axis + 1), axis)


def cut(whole: np.ndarray, points: int, axis: int, share: slice) -> np.ndarray:
    """The part of an array that is of a share of the replicas of each point."""
    axis = axis % whole.ndim
    return _together(_apart(whole, points, axis)[(slice(None),) * (axis + 1) + (share,)], axis)


def _apart(x: np.ndarray, points: int, axis: int) -> np.ndarray:
    return x.reshape(*x.shape[:axis], points, x.shape[axis] // points, *x.shape[axis + 1 :])


def _together(x: np.ndarray, axis: int) -> np.ndarray:
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


def axis_of(name: str) -> int | None:
    """The axis over replicas of an array of `Ensemble.saved`, by its name; None: it is the same for all."""
    return -1 if name == "windows" else 0 if name.startswith("carry/") else None


def histograms(arrays: Mapping[str, Any]) -> dict[str, Histogram]:
    """The histograms among the arrays of `Ensemble.saved`, by name."""
    found: dict[str, dict[str, Any]] = {}
    for name, x in arrays.items():
        if name.startswith(HISTOGRAM):
            quantity, _, part = name.removeprefix(HISTOGRAM).rpartition("/")
            found.setdefault(quantity, {})[part] = x
    return {quantity: Histogram.restored(parts) for quantity, parts in found.items()}


def as_arrays(counted: Mapping[str, Histogram]) -> dict[str, np.ndarray]:
    """The inverse of `histograms`."""
    return {f"{HISTOGRAM}{name}/{part}": x for name, each in counted.items() for part, x in each.saved().items()}


def saved_together(
    shares: Sequence[Mapping[str, Any]], points: int, places: Sequence[np.ndarray] | None = None
) -> dict[str, Any]:
    """What `Ensemble.saved` gives of all replicas, from that of consecutive shares of them. ``places``: by share, which
    group of all each of its groups of a histogram is in (default: the same)."""
    if len(shares) == 1:
        return dict(shares[0])
    found = {
        name: x if (axis := axis_of(name)) is None else side_by_side([share[name] for share in shares], points, axis)
        for name, x in shares[0].items()
        if not name.startswith(HISTOGRAM)
    }
    counted = [histograms(share) for share in shares]
    groups = None if places is None else 1 + max(int(place.max()) for place in places)
    return found | as_arrays(
        {name: Histogram.together([each[name] for each in counted], places, groups) for name in counted[0]}
    )
