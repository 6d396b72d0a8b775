"""The graph of a network: its classes, its pools, and the edges between a pool and the classes that it serves."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Num


class Graph(NamedTuple):
    """Hashable, so that it shapes a program. Numbers by edge stand in the order of ``edges``.

    Attributes:
        classes, pools: names.
        edges: the pairs (i, j) of a class and a pool that serves it, pool by pool.
    """

    classes: tuple[str, ...]
    pools: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def of_class(self, i: int) -> list[int]:
        """The edges of a class."""
        return [e for e, (k, _) in enumerate(self.edges) if k == i]

    def of_pool(self, j: int) -> list[int]:
        """The edges of a pool."""
        return [e for e, (_, q) in enumerate(self.edges) if q == j]

    def by_class(self, values: Sequence) -> list[Any]:
        """Sums over the edges of each class."""
        return [sum(values[e] for e in self.of_class(i)) for i in range(len(self.classes))]

    def by_pool(self, values: Sequence) -> list[Any]:
        """Sums over the edges of each pool."""
        return [sum(values[e] for e in self.of_pool(j)) for j in range(len(self.pools))]

    def by_edge(self, matrix: Num[np.ndarray, "classes pools"]) -> Num[np.ndarray, " edges"]:
        """The entries of an (I, J) matrix on the edges."""
        return np.array([matrix[i, j] for i, j in self.edges])

    def to_matrix(self, values: Sequence | np.ndarray) -> Float[np.ndarray, "classes pools"]:
        """Numbers by edge as an (I, J) matrix, infinite where there is no edge."""
        matrix = np.full((len(self.classes), len(self.pools)), np.inf)
        for edge, value in zip(self.edges, values, strict=True):
            matrix[edge] = value
        return matrix

    def names(self) -> list[str]:
        """<class>_<pool> of each edge."""
        return [f"{self.classes[i]}_{self.pools[j]}" for i, j in self.edges]
