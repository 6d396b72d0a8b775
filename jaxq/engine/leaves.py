"""Processes of one structure, and their numbers side by side."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np


def compute_leaf(leaf):
    """A host number as the compiled loop sees it: float32, int32, or unsigned and boolean as they are."""
    array = np.asarray(leaf)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind == "i":
        return array.astype(np.int32)
    return array


def stacked_leaves(systems: Sequence[Any], apart: bool = False):
    """(structure, leaves, own): leaves equal in all systems once, unless they are kept ``apart``, the others stacked along a
    first axis."""
    flat = [jax.tree.flatten(system) for system in systems]
    structure = flat[0][1]
    for system, (_, other) in zip(systems, flat, strict=True):
        if other != structure:
            raise ValueError(f"{type(system).__name__}: points of one batch must share their static fields")
    leaves, own = [], []
    for column in zip(*[leaves for leaves, _ in flat], strict=True):
        column = [compute_leaf(leaf) for leaf in column]
        shared = not apart and all(np.array_equal(column[0], leaf) for leaf in column[1:])
        own.append(not shared)
        leaves.append(column[0] if shared else np.stack(column))
    return structure, leaves, tuple(own)


def alike(systems: Sequence[Any]) -> list[list[int]]:
    """The places of those that have one structure, and numbers of one shape."""
    groups: dict[Any, list[int]] = {}
    for i, system in enumerate(systems):
        leaves, structure = jax.tree.flatten(system)
        groups.setdefault((structure, tuple(map(np.shape, leaves))), []).append(i)
    return list(groups.values())
