"""Checks of host arguments; each returns the value in its plain Python type or raises ValueError."""

import math
from numbers import Integral


def _rejected(field: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{field} = {value!r} is not allowed: it must be {allowed}")


def number(field: str, value: float, allowed: str, *, above: float = -math.inf, below: float = math.inf) -> float:
    """Return `value` as a float if `above < value < below`.

    Args:
        field: name of the argument, for the message.
        value: the number to check.
        allowed: what the argument may be, in words, for the message.
        above, below: open bounds; infinities also exclude the infinite values, NaN is always rejected.

    Raises:
        ValueError: `value` is no number or lies outside the bounds.
    """
    try:
        checked = float(value)
    except (TypeError, ValueError):
        raise _rejected(field, value, allowed) from None
    if not above < checked < below:
        raise _rejected(field, value, allowed)
    return checked


def positive(field: str, value: float) -> float:
    """Return `value` as a float if it is positive and finite.

    Raises:
        ValueError: it is not.
    """
    return number(field, value, "a positive finite number", above=0.0)


def non_negative(field: str, value: float) -> float:
    """Return `value` as a float if it is zero or positive, and finite.

    Raises:
        ValueError: it is not.
    """
    return number(field, value, "zero or a positive finite number", above=-math.ulp(0.0))


def fraction(field: str, value: float) -> float:
    """Return `value` as a float if it lies strictly between 0 and 1.

    Raises:
        ValueError: it does not.
    """
    return number(field, value, "strictly between 0 and 1", above=0.0, below=1.0)


def count(field: str, value: int, least: int) -> int:
    """Return `value` as an int if it is an integer of at least `least`; 3.0 and True are not integers here.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise _rejected(field, value, f"an integer of at least {least}")
    return int(value)


def stable_load(load: float, servers: int) -> None:
    """Check that a queue without abandonment or capacity has a stationary regime.

    Raises:
        ValueError: load >= servers.
    """
    if load >= servers:
        raise ValueError(
            f"no stationary regime: load (arrival rate / service rate) = {load!r} must be below servers = {servers}"
        )
