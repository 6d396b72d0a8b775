"""Stationary law of a finite Markov chain whose jumps are short in the order of its states."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import FieldError


def stationary(flows: Sequence[tuple[int, ArrayLike]]) -> Float[np.ndarray, " states"]:
    """Stationary probabilities of a continuous-time chain on 0, ..., n-1, each accurate to rounding.

    Formula: the highest state is censored out over and over, a_ij += a_im a_mj / sum_{j<m} a_mj; then p is built up
    from state 0. Nothing is subtracted, so slow and fast parts keep their digits. Cost n w^2 for jumps up to w states.

    Args:
        flows: pairs (step, rate), several may share a step: jumps i -> i + step, step a nonzero integer, at rate[i],
            shape (n,), 1/time, zero where the jump would leave the range.

    Returns:
        Probabilities, shape (n,).

    Raises:
        ValueError: a rate is negative, not finite or of another shape, a jump leads out of the range, or from some
            state no state below it can be reached (the chain is not irreducible).

    Source: Grassmann, Taksar and Heyman (1985), Operations Research 33(5), 1107-1116.
    """
    rates = [(step, np.asarray(rate, dtype=np.float64)) for step, rate in flows]
    states = rates[0][1].size
    width = max(abs(step) for step, _ in rates)
    # Rate i -> j lies at stride * i + j + width: the square of any `width` successive states is a plain view.
    stride = 2 * width
    band = np.zeros(states * (stride + 1) + stride)
    for step, rate in rates:
        if step == 0 or rate.shape != (states,) or not np.isfinite(rate).all() or (rate < 0).any():
            raise FieldError("flows", ..., f"step {step} needs a nonzero step and {states} finite rates of at least 0")
        origins = np.flatnonzero(rate)
        if ((origins + step < 0) | (origins + step >= states)).any():
            raise FieldError("flows", ..., f"a jump of step {step} leads out of the states 0 to {states - 1}")
        band[(stride + 1) * origins + step + width] += rate[origins]

    def window(state: int) -> tuple[int, slice]:
        first = max(state - width, 0)
        return first, slice(stride * first + state + width, stride * state + state + width, stride)

    for state in range(states - 1, 0, -1):
        first, into = window(state)
        below = state - first
        out = band[stride * state + first + width :][:below]
        total = out.sum()
        if total == 0:
            raise FieldError("flows", ..., f"from state {state} no state below it can be reached")
        band[into] /= total
        square = band[(stride + 1) * first + width :][: stride * below].reshape(below, stride)[:, :below]
        square += np.outer(band[into], out)

    probabilities = np.ones(states)
    for state in range(1, states):
        first, into = window(state)
        probabilities[state] = probabilities[first:state] @ band[into]
    return probabilities / probabilities.sum()
