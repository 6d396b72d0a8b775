"""Numbers that are whole multiples of one: times that were read off a clock, a constant."""

import numpy as np

MOST = 2**18
"""Multiples at most. More are as good as a density, and float32 holds the sum of 64 of the largest exactly."""
QUICK = 1000
"""Values that tell mostly that there is no such number."""
EXACT = 1e-6
"""Share of a value by which it may be off."""


def common(a: float, b: float, least: float) -> float:
    """The largest number of which two are whole multiples, by Euclid's algorithm; what is under ``least`` is rounding."""
    while b > least:
        a, b = b, abs(a - b * round(a / b))
    return a


def tick(values) -> float | None:
    """The largest number of which all values, >= 0 and not all 0, are whole multiples up to `MOST`, or None."""
    numbers, found = np.asarray(values, np.float64), 0.0
    largest = float(numbers.max())
    least = largest / MOST
    for part in (numbers[:QUICK], numbers):
        for x in np.unique(part)[::-1].tolist():
            found = common(x, found, least / 2) if x > 0 else found
            if found < least:
                return None
    multiples = np.round(numbers / found)
    found = float(numbers.sum() / multiples.sum())
    return found if np.all(np.abs(numbers - found * multiples) <= EXACT * numbers) else None
