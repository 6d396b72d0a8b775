"""Safety staffing of a tree as linear equations. The oracles have it in other ways, and share nothing with this.

Hmedi, Arapostathis and Pang, arXiv 2009.01942: theta is the largest number for which sum_j mu_ij kappa_ij >= a_i + p_i theta
and sum_i kappa_ij <= nh_j; on a tree all of them are tight, I + J equations for as many unknowns.
"""

import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError
from jaxq.systems.parallel_servers.network.graph import Graph

Pairs = Float[np.ndarray, "classes pools"]
Classes = Float[np.ndarray, " classes"]


def incidence(graph: Graph, rates: Float[np.ndarray, " edges"] | None = None) -> Float[np.ndarray, "nodes edges"]:
    """Row sums, weighted by ``rates`` (default 1) by edge, then column sums of an edge flow; shape (I + J, E)."""
    classes = len(graph.classes)
    found = np.zeros((classes + len(graph.pools), len(graph.edges)))
    for e, (i, j) in enumerate(graph.edges):
        found[i, e], found[classes + j, e] = 1.0 if rates is None else rates[e], 1.0
    return found


def is_tree(graph: Graph) -> bool:
    """Whether the edges connect all classes and pools without a cycle."""
    nodes = len(graph.classes) + len(graph.pools)
    return len(graph.edges) == nodes - 1 == np.linalg.matrix_rank(incidence(graph))


def program(graph: Graph, rates: Pairs, weights: Classes) -> Float[np.ndarray, "nodes nodes"]:
    """The matrix of the equations in (kappa by edge, theta), shape (I + J, I + J).

    Args:
        graph: a tree.
        rates: mu_ij, shape (I, J).
        weights: p, shape (I,).

    Raises:
        ValueError: the edges are no tree.
    """
    classes, pools, edges = map(len, graph)
    if not is_tree(graph):
        raise FieldError(
            "network", ..., f"must be a tree to be staffed: {classes} classes and {pools} pools, {edges} edges"
        )
    last = np.concatenate((-np.asarray(weights), np.zeros(pools)))
    return np.column_stack((incidence(graph, graph.by_edge(rates)), last))


def prices(graph: Graph, rates: Pairs, weights: Classes) -> tuple[Classes, Float[np.ndarray, " pools"]]:
    """(v, w), shapes (I,) and (J,), with theta = w.nh - v.a; the gradient of theta in the staffing is w.

    Formula: the last row of the inverse of `program`: w_j = mu_ij v_i on every edge, v.p = 1.
    """
    matrix = program(graph, rates, weights)
    row = np.linalg.solve(matrix.T, np.eye(len(matrix))[-1])
    return -row[: len(weights)], row[len(weights) :]
