"""Safety staffing of a tree as linear equations. The oracles have it in other ways, and share nothing with this.

Hmedi, Arapostathis and Pang, arXiv 2009.01942: theta is the largest number for which sum_j mu_ij kappa_ij >= a_i + p_i theta
and sum_i kappa_ij <= nh_j; on a tree all of them are tight, I + J equations for as many unknowns.
"""

from collections.abc import Sequence

import numpy as np

from jaxq.checks import FieldError

Edges = Sequence[tuple[int, int]]


def incidence(edges: Edges, classes: int, pools: int, rates=None) -> np.ndarray:
    """Row sums, weighted by ``rates`` (default 1) by edge, then column sums of an edge flow; shape (I + J, E)."""
    found = np.zeros((classes + pools, len(edges)))
    for e, (i, j) in enumerate(edges):
        found[i, e], found[classes + j, e] = 1.0 if rates is None else rates[e], 1.0
    return found


def is_tree(edges: Edges, classes: int, pools: int) -> bool:
    """Whether the edges connect all classes and pools without a cycle."""
    return len(edges) == classes + pools - 1 == np.linalg.matrix_rank(incidence(edges, classes, pools))


def program(edges: Edges, rates: np.ndarray, pools: int, weights: np.ndarray) -> np.ndarray:
    """The matrix of the equations in (kappa by edge, theta), shape (I + J, I + J).

    Args:
        edges: pairs (i, j) of a tree.
        rates: mu_ij by edge.
        pools: J.
        weights: p, shape (I,).

    Raises:
        ValueError: the edges are no tree.
    """
    classes = len(weights)
    if not is_tree(edges, classes, pools):
        raise FieldError(
            "network", ..., f"must be a tree to be staffed: {classes} classes and {pools} pools, {len(edges)} edges"
        )
    last = np.concatenate((-np.asarray(weights), np.zeros(pools)))
    return np.column_stack((incidence(edges, classes, pools, rates), last))


def prices(edges: Edges, rates: np.ndarray, pools: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(v, w), shapes (I,) and (J,), with theta = w.nh - v.a; the gradient of theta in the staffing is w.

    Formula: the last row of the inverse of `program`: w_j = mu_ij v_i on every edge, v.p = 1.
    """
    matrix = program(edges, rates, pools, weights)
    row = np.linalg.solve(matrix.T, np.eye(len(matrix))[-1])
    return -row[: len(weights)], row[len(weights) :]
