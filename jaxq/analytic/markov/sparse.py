"""Stationary law of a finite Markov chain with few jumps out of each state."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from jaxq.checks import FieldError


def stationary(
    states: int, origins: ArrayLike, targets: ArrayLike, rates: ArrayLike, reference: int = 0
) -> Float[np.ndarray, " states"]:
    """Stationary probabilities of a continuous-time chain on 0, ..., n-1.

    Formula: global balance in all states but one, whose weight is set to 1; sparse LU; then normalised.

    Args:
        states: n.
        origins: state a jump starts from, shape (k,); several jumps may share both ends.
        targets: state it leads to, shape (k,).
        rates: its rate, shape (k,), 1/time, 0 or more.
        reference: state that can be reached from every other, and that is not too rare.

    Returns:
        Probabilities, shape (n,), accurate to rounding relative to the largest.

    Raises:
        ValueError: the shapes differ, a state lies outside 0, ..., n-1, a rate is negative or not finite, or the
            equations have no finite solution (the reference is not reached or rarer than 1e-300).

    Source: global balance.
    """
    tails, heads = np.asarray(origins, dtype=np.int64), np.asarray(targets, dtype=np.int64)
    flows = np.asarray(rates, dtype=np.float64)
    if flows.ndim != 1 or tails.shape != flows.shape or heads.shape != flows.shape:
        raise ValueError(f"origins, targets and rates have shapes {tails.shape}, {heads.shape} and {flows.shape}")
    for field, ends in (("origins", tails), ("targets", heads), ("reference", np.array([reference]))):
        if ((ends < 0) | (ends >= states)).any():
            raise FieldError(field, ..., f"a state lies outside 0 to {states - 1}")
    if not (np.isfinite(flows).all() and (flows >= 0).all()):
        raise FieldError("rates", ..., "each must be zero or positive, and finite")
    out = np.bincount(tails, weights=flows, minlength=states)
    diagonal = np.arange(states)
    balance: Any = coo_matrix(
        (np.concatenate((flows, -out)), (np.concatenate((heads, diagonal)), np.concatenate((tails, diagonal)))),
        shape=(states, states),
    ).tocsc()
    rest = np.delete(diagonal, reference)
    law = np.ones(states)
    try:
        factors: Any = splu(balance[rest][:, rest].tocsc())
        law[rest] = factors.solve(-balance[rest][:, [reference]].toarray().ravel())
    except RuntimeError:
        law[:] = np.nan
    if not np.isfinite(law).all():
        raise FieldError("reference", reference, "must be reached from every state and not rare")
    return law / law.sum()
