"""Stationary law of a finite birth-death chain."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.checks import FieldError


def stationary(birth: ArrayLike, death: ArrayLike) -> Float[np.ndarray, " states"]:
    """Stationary probabilities of a birth-death chain on the states 0, ..., n.

    Formula: p_i proportional to prod_{j<i} birth[j] / death[j], taken in logarithms.

    Args:
        birth: shape (n,), 1/time, birth[i] the rate i -> i+1; zero cuts the states above off.
        death: shape (n,), 1/time, death[i] the rate i+1 -> i.

    Returns:
        Probabilities, shape (n+1,).

    Raises:
        ValueError: the shapes are not (n,) and (n,), a birth rate is negative or a death rate is not positive, or
            one is not finite.

    Source: Kleinrock (1975), Queueing Systems I, Eqs. 3.11-3.12.
    """
    births = np.asarray(birth, dtype=np.float64)
    deaths = np.asarray(death, dtype=np.float64)
    if births.ndim != 1 or births.shape != deaths.shape:
        raise ValueError(
            f"birth and death have shapes {births.shape} and {deaths.shape}: both must be (n,) with the same n"
        )
    for field, rates, bad, allowed in (
        ("birth", births, ~((births >= 0) & np.isfinite(births)), "zero or positive, and finite"),
        ("death", deaths, ~((deaths > 0) & np.isfinite(deaths)), "positive and finite"),
    ):
        if bad.any():
            index = int(np.argmax(bad))
            raise FieldError(field, rates[index], f"must be {allowed}", f"[{index}]")
    with np.errstate(divide="ignore"):
        steps = np.log(births) - np.log(deaths)
    log_weights = np.concatenate(([0.0], np.cumsum(steps)))
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()
