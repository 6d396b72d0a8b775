"""The end of a climb without gradients: on a metric with jumps and flat steps, where they say nothing."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

_WIDTHS = 0.3, 0.05
"""Of the simplices, one after the other, in coordinates."""
_EVALUATIONS = 75
"""Of each, per coordinate, at most."""
_FINE = 1e-5
"""Relative change of the metric that ends a simplex."""
_ROUNDS = 5
"""Over all entries that may jump."""


def by_simplex(
    value: Callable[[np.ndarray], float], start: Float[np.ndarray, " values"]
) -> tuple[Float[np.ndarray, " values"], float]:
    """Where Nelder and Mead's simplex leads, a wide and then a narrow one, and ``value`` there, to be large.

    Source: Nelder and Mead (1965), The Computer Journal 7(4), 308-313.
    """
    from scipy.optimize import minimize

    at, best = start, value(start)
    for width in _WIDTHS:
        simplex = at + np.vstack((np.zeros(at.size), width * np.eye(at.size)))
        found: Any = minimize(
            lambda z: -value(z),
            at,
            method="Nelder-Mead",
            options={
                "initial_simplex": simplex,
                "maxfev": _EVALUATIONS * at.size,
                "xatol": _FINE,
                "fatol": _FINE * max(abs(best), _FINE),
            },
        )
        if -found.fun > best:
            at, best = found.x, -float(found.fun)
    return at, best


Jumps = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Fields by name -> by field, values at which a metric may jump, shape (entries, K)."""


def over_jumps(
    value: Callable[[dict[str, Any]], float], fields: dict[str, Any], jumps: Jumps, shares: Collection[str] = ()
) -> tuple[dict[str, Any], float]:
    """The best of the points at which one entry after the other is at a jump, until no entry gains.

    Args:
        value: fields by name -> what is to be large.
        fields: where to start; an entry stays where no jump is better.
        jumps: see `Jumps`.
        shares: fields whose entries keep their sum: the others change in proportion.
    """
    at, best = fields, value(fields)
    for _ in range(_ROUNDS):
        before = best
        for name, tried in jumps(at).items():
            for i, row in enumerate(np.atleast_2d(tried)):
                for x in np.unique(row):
                    flat = np.array(at[name], np.float64).reshape(-1)
                    if name in shares:
                        flat *= (flat.sum() - x) / (flat.sum() - flat[i])
                    flat[i] = x
                    there = {**at, name: flat.reshape(np.shape(at[name]))[()]}
                    found = value(there)
                    if found > best:
                        at, best = there, found
        if best == before:
            break
    return at, best


def carried(fields: dict[str, Any], start: dict[str, Any], jumps: Jumps) -> dict[str, Any]:
    """``fields`` with each entry moved as far as the jump that is next to it in ``start``: on its edge it stays on it, while
    other fields move that edge."""
    before, after = jumps(start), jumps(fields)
    found = dict(fields)
    for name, old in before.items():
        nearest = np.argmin(np.abs(old - np.reshape(start[name], (-1, 1))), axis=1)[:, None]
        moved = np.take_along_axis(after[name] - old, nearest, axis=1)
        found[name] = fields[name] + moved.reshape(np.shape(fields[name]))[()]
    return found
