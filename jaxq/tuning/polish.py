"""The end of a climb without gradients: on a metric with jumps and flat steps, where they say nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_WIDTHS = 0.3, 0.05
"""Of the simplices, one after the other, in coordinates."""
_EVALUATIONS = 75
"""Of each, per coordinate, at most."""
_FINE = 1e-5
"""Relative change of the metric that ends a simplex."""
_ROUNDS = 5
"""Over all entries that may jump."""


def by_simplex(value: Callable[[np.ndarray], float], start: np.ndarray) -> tuple[np.ndarray, float]:
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


def over_jumps(
    value: Callable[[dict[str, Any]], float], fields: dict[str, Any], jumps: Mapping[str, Any]
) -> tuple[dict[str, Any], float]:
    """The best of the points at which one entry after the other is at a jump, until no entry gains.

    Args:
        value: fields by name -> what is to be large.
        fields: where to start; an entry stays where no jump is better.
        jumps: by field, values at which ``value`` may jump, shape (entries, K).
    """
    at, best = fields, value(fields)
    for _ in range(_ROUNDS):
        before = best
        for name, tried in jumps.items():
            for i, row in enumerate(np.atleast_2d(tried)):
                for x in row:
                    flat = np.array(at[name], np.float64).reshape(-1)
                    flat[i] = x
                    there = {**at, name: flat.reshape(np.shape(at[name]))[()]}
                    found = value(there)
                    if found > best:
                        at, best = there, found
        if best == before:
            break
    return at, best
