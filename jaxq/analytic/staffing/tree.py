"""Whether classes and pools are a tree, and the arrays that go with one."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import FieldError, matrix


def node(k: int, classes: int) -> str:
    """A node in words, counted from 1: classes come before pools."""
    return f"class {k + 1}" if k < classes else f"pool {k - classes + 1}"


def tree(service_rates: ArrayLike) -> Float[np.ndarray, "classes pools"]:
    """The service rates if the graph of classes and pools with mu_ij > 0 is a tree.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.

    Returns:
        mu, float64, shape (I, J).

    Raises:
        ValueError: the shape is wrong, a rate is negative or not finite, an edge closes a cycle (which is spelt out), or
            a class or pool is not connected to class 1.

    Source: a graph is a tree if it is connected and has no cycle.
    """
    mu = matrix("service_rates", service_rates, "(classes, pools)")
    classes = mu.shape[0]
    near: dict[int, list[int]] = {k: [] for k in range(sum(mu.shape))}
    for i, j in np.argwhere(mu > 0).tolist():
        path = _path(near, i, classes + j)
        if path:
            way = " - ".join(node(k, classes) for k in path)
            raise FieldError(
                "service_rates", ..., f"class {i + 1} - pool {j + 1} closes a cycle with {way}; must be a tree"
            )
        near[i].append(classes + j)
        near[classes + j].append(i)
    for k in range(1, sum(mu.shape)):
        if not _path(near, 0, k):
            raise FieldError("service_rates", ..., f"{node(k, classes)} is not connected to class 1; must be a tree")
    return mu


def _path(near: dict[int, list[int]], start: int, end: int) -> list[int]:
    """The nodes from start to end in a forest; empty if there is no way."""
    before, todo = {start: start}, [start]
    while todo:
        k = todo.pop()
        for other in near[k]:
            if other not in before:
                before[other] = k
                todo.append(other)
    if end not in before:
        return []
    path = [end]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]
