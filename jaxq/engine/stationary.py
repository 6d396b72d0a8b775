"""The stationary law of a sparse chain."""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

DENSE = 512
"""Closed classes up to this size are solved by the Grassmann-Taksar-Heyman elimination (dense, no subtraction)."""
RESIDUAL = 1e-11
"""Largest probability flow left unbalanced, as a share of the total flow."""


def stationary_law(rates: sparse.csr_array, show: Callable[[int], str] = str) -> np.ndarray:
    """The stationary law of a chain with these transition rates (no diagonal), zero on transient states.

    Raises:
        ValueError: several closed classes, or a residual above 1e-11 of the total flow.
    """
    classes, label = csgraph.connected_components(rates, directed=True, connection="strong")
    entries = rates.tocoo()
    is_open = np.zeros(classes, bool)
    is_open[label[entries.row[label[entries.row] != label[entries.col]]]] = True
    closed = np.flatnonzero(~is_open)
    if len(closed) > 1:
        first = np.sort([np.argmax(label == c) for c in closed])
        examples = " and ".join(show(int(i)) for i in first[:2])
        raise ValueError(f"{len(closed)} closed classes, such as those of the states {examples}: no unique law")
    members = np.flatnonzero(label == closed[0])
    inner = rates[members][:, members]
    law = _eliminate(inner.toarray()) if len(members) <= DENSE else _factorise(inner)
    flow = law * inner.sum(axis=1)
    unbalanced = np.abs(inner.T @ law - flow).sum()
    if not unbalanced <= RESIDUAL * max(flow.sum(), np.finfo(float).tiny):
        raise ValueError(f"the stationary equations could not be solved: residual {unbalanced:g} of {flow.sum():g}")
    probabilities = np.zeros(len(label))
    probabilities[members] = law
    return probabilities


def _eliminate(rates: np.ndarray) -> np.ndarray:
    """Grassmann-Taksar-Heyman: states are censored one by one, with sums of positive numbers only."""
    n = len(rates)
    np.fill_diagonal(rates, 0.0)
    for k in range(n - 1, 0, -1):
        rates[:k, k] /= rates[k, :k].sum()
        rates[:k, :k] += np.outer(rates[:k, k], rates[k, :k])
    law = np.zeros(n)
    law[0] = 1.0
    for k in range(1, n):
        law[k] = law[:k] @ rates[:k, k]
        if law[k] > 1e100:  # before it can overflow
            law[: k + 1] /= law[k]
    return law / law.sum()


def _factorise(rates: sparse.csr_array) -> np.ndarray:
    """Inverse iteration from a sparse LU of the transposed generator, shifted just enough to be invertible."""
    out = np.asarray(rates.sum(axis=1))
    balance = sparse.csc_array(sparse.diags_array(out) - rates.T)
    shift = 1e-12 * out.max()
    # column diagonally dominant: stable without pivoting, so the ordering may follow the sparsity alone
    factors = splu(
        sparse.csc_matrix(balance + shift * sparse.eye_array(len(out), format="csc")),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    law = factors.solve(np.full(len(out), 1.0 / len(out)))
    law /= law.sum()
    for _ in range(8):
        better = law - factors.solve(balance @ law)
        better /= better.sum()
        change, law = np.abs(better - law).sum(), better
        if change < 1e-15:
            break
    law = np.maximum(law, 0.0)
    return law / law.sum()
