"""The stationary law of a sparse chain."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

DENSE = 512
"""Closed classes up to this size are solved by the Grassmann-Taksar-Heyman elimination (dense, no subtraction)."""
RESIDUAL = 1e-11
"""Largest probability flow left unbalanced, as a share of the total flow."""
AGREE = 1e-9
"""Largest distance of the laws that the iteration reaches from two starts."""
WEAK = 1e-6
"""Rates below this share of the largest one couple the blocks of a nearly decomposable chain."""


def stationary_law(rates: sparse.csr_array, show: Callable[[int], str] = str) -> Float[np.ndarray, " states"]:
    """The stationary law of a chain with these transition rates (no diagonal), zero on transient states.

    Raises:
        ValueError: several closed classes; a residual above 1e-11 of the total flow; more than 512 states whose parts meet
            too seldom for the precision of float64.
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
    """Inverse iteration; where it depends on its start, because parts of the chain hardly meet, by aggregation instead."""
    n = len(rates.indptr) - 1
    balance, factors = _balance(rates, np.asarray(rates.sum(axis=1)))
    laws = [_iterate(balance, factors, start) for start in (np.full(n, 1.0 / n), np.eye(1, n)[0])]
    return laws[0] if np.abs(laws[0] - laws[1]).sum() < AGREE else _aggregate(rates)


def _balance(rates: sparse.csr_array, out: np.ndarray):
    """(transposed generator with ``out`` on the diagonal, negated; its sparse LU, shifted just enough to be invertible)."""
    balance = sparse.csc_array(sparse.diags_array(out) - rates.T)
    # column diagonally dominant: stable without pivoting, so the ordering may follow the sparsity alone
    return balance, splu(
        sparse.csc_matrix(balance + 1e-12 * out.max() * sparse.eye_array(len(out), format="csc")),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def _iterate(balance, factors, start: np.ndarray) -> np.ndarray:
    law = factors.solve(start)
    law /= law.sum()
    for _ in range(8):
        better = law - factors.solve(balance @ law)
        better /= better.sum()
        change, law = np.abs(better - law).sum(), better
        if change < 1e-15:
            break
    law = np.maximum(law, 0.0)
    return law / law.sum()


def _aggregate(rates: sparse.csr_array) -> np.ndarray:
    """Aggregation and disaggregation (Koury, McAllister and Stewart 1984) over the blocks that are left without weak rates:
    the law between blocks by elimination, then the law inside each from what flows in."""
    strong = rates.multiply(rates >= WEAK * rates.max())
    count, label = csgraph.connected_components(strong, directed=True, connection="strong")
    law, out = np.full(len(label), 1.0 / len(label)), np.asarray(rates.sum(axis=1))
    if 1 < count <= DENSE:
        members = [np.flatnonzero(label == block) for block in range(count)]
        inner = [_balance(sparse.csr_array(rates[mine][:, mine]), out[mine])[1] for mine in members]
        into = [
            sparse.csr_array(rates.multiply((label != block)[:, None]))[:, mine].T for block, mine in enumerate(members)
        ]
        indicator = sparse.csr_array((np.ones(len(label)), (np.arange(len(label)), label)))
        for _ in range(50):
            shares = law / np.bincount(label, law)[label]
            between = (indicator.T @ sparse.diags_array(shares) @ rates @ indicator).toarray()
            better = shares * _eliminate(between)[label]
            for block, mine in enumerate(members):
                found = np.maximum(inner[block].solve(into[block] @ better), 0.0)
                better[mine] = found / found.sum() * better[mine].sum()
            change, law = np.abs(better - law).sum(), better
            if change < 1e-13:
                return law
    low, high = rates.data.min(), rates.data.max()
    raise ValueError(
        f"{len(label)} states: parts of this chain meet too seldom (rates from {low:g} to {high:g}) for float64 beyond "
        f"{DENSE} states"
    )
