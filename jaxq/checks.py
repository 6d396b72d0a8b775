"""Arguments, fields and options, checked: one sentence that names the field, the value and what is allowed."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_WHOLE = 2**63
"""Whole numbers are under this in absolute value."""
_SHOWN = 200
"""Characters of a value that a sentence quotes."""


class FieldError(ValueError):
    """A field, an argument or an option has a value that is not allowed.

    Attributes:
        field: its name.
        value: what it was given; ``...`` where the value is not what is wrong.
        rule: what is allowed, from ``must be`` on.
        place: where in the field, such as ``[3]``, after its name.
        short: the value is a number to be read with six digits.

    ``str()`` is ``field = value: must be ...``.
    """

    def __init__(self, field: str, value: Any, rule: str, place: str = "", *, short: bool = False):
        super().__init__(field, value, rule, place)
        self.field, self.value, self.rule, self.place, self.short = field, value, rule, place, short

    def __str__(self) -> str:
        given = "" if self.value is ... else f" = {self.value:g}" if self.short else f" = {shown(self.value)}"
        return f"{self.field}{self.place}{given}: {self.rule}"


def shown(value: Any) -> str:
    """A value for a sentence that refuses it: text that looks like a number in quotes, a table by its shape."""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return _short(value)
        return repr(str(value))
    if hasattr(value, "columns") and hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind not in "mM":
        value = value.tolist()
    return _short(str(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def is_number(x: Any) -> bool:
    """Whether ``x`` is a number on the host: no truth value, no duration."""
    return isinstance(x, (int, float, np.number)) and not isinstance(x, (bool, np.timedelta64))


def within(
    x: float, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False, open_high: bool = False
) -> bool:
    """Whether ``x`` is finite and inside the bounds."""
    if not isinstance(x, int) and not math.isfinite(x):
        return False
    return (x > low if open_low else x >= low) and (x < high if open_high else x <= high)


def bounds(low: float = -math.inf, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> str:
    """Bounds in words, with a blank in front: `` >= 0 and < 1``; empty if there is none."""
    words = [f"{'>' if open_low else '>='} {low:g}"] if low > -math.inf else []
    words += [f"{'<' if open_high else '<='} {high:g}"] if high < math.inf else []
    return " " + " and ".join(words) if words else ""


def number(field: str, value: Any, low: float = -math.inf, high: float = math.inf, **opened: bool) -> float:
    """``value`` as a float, if it is a finite number between the bounds; ``opened``: ``open_low``, ``open_high``.

    Raises:
        FieldError: it is not.
    """
    found = _float(value)
    if not within(found, low, high, **opened):
        raise FieldError(field, value, f"must be a number{bounds(low, high, **opened) or ' that is finite'}")
    return found


def positive(field: str, value: Any, high: float = math.inf) -> float:
    """``value`` as a float, if it is a finite number > 0. FieldError if not; only what is too large reads of ``high``."""
    found = _float(value)
    if not within(found, 0.0, high, open_low=True):
        too_large = high < found < math.inf
        raise FieldError(field, value, "must be a number > 0" + f" and <= {high:g}" * too_large)
    return found


def nonnegative(field: str, value: Any) -> float:
    """``value`` as a float, if it is a finite number >= 0. FieldError if not."""
    return number(field, value, 0.0)


def probability(field: str, value: Any) -> float:
    """``value`` as a float, if it is strictly between 0 and 1. FieldError if not."""
    return number(field, value, 0.0, 1.0, open_low=True, open_high=True)


def integer(field: str, value: Any, low: int = 1, high: int = MOST_WHOLE - 1) -> int:
    """``value`` as an int, if it is a whole number between the bounds, 3.0 included. FieldError if not."""
    found = value if isinstance(value, int) and not isinstance(value, bool) else _float(value)
    if not (within(found, low, high) and found == math.floor(found)):
        ends = "" if high == MOST_WHOLE - 1 and not found >= MOST_WHOLE else " and < 2**63"
        ends = f" and <= {high}" if high < MOST_WHOLE - 1 else ends
        raise FieldError(field, value, f"must be a whole number >= {low}{ends}")
    return int(found)


def one_of(field: str, value: Any, choices: Iterable[Any]) -> Any:
    """``value``, if it is one of the choices. FieldError if not."""
    choices = list(choices)
    if value not in choices:
        raise FieldError(field, value, f"must be one of {', '.join(map(str, choices))}")
    return value


def vector(
    field: str,
    values: ArrayLike,
    size: int | None = None,
    low: float = -math.inf,
    *,
    open_low: bool = False,
    meaning: str = "",
) -> NDArray[np.float64]:
    """``values`` as float64 of shape (size,), each finite and not under ``low``; ``size`` None: any from 1.

    ``meaning``: what each is, such as ``one a class``, for the sentence.

    Raises:
        FieldError: there are too few or too many, or one is not allowed: its place is told, counted from 1.
    """
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or found.size == 0 or size not in (None, found.size):
        how_many = "a list of numbers" if size is None else f"{size} number{'s' * (size != 1)}"
        raise FieldError(field, found, f"must be {how_many}" + f", {meaning}" * bool(meaning))
    for k, x in enumerate(found.tolist()):
        if not within(x, low, open_low=open_low):
            words = bounds(low, open_low=open_low)[1:] or "a number"
            raise FieldError(field, x, f"must be {words}", f"[{k + 1}]", short=True)
    return found


def matrix(field: str, values: ArrayLike, meaning: str) -> NDArray[np.float64]:
    """``values`` as float64 with two axes, each finite and >= 0.

    ``meaning``: what the axes are, such as ``(classes, pools)``, for the sentence.

    Raises:
        FieldError: they are not.
    """
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or found.size == 0:
        raise FieldError(field, f"an array of shape {found.shape}", f"must be of shape {meaning}")
    for place, x in np.ndenumerate(found):
        if not within(float(x), 0.0):
            raise FieldError(field, x, "must be >= 0", f"[{place[0] + 1}, {place[1] + 1}]", short=True)
    return found


def stable_load(load: float, servers: int) -> None:
    """That a queue without abandonment or capacity has a stationary regime. ValueError if load >= servers."""
    if load >= servers:
        raise ValueError(
            f"no stationary regime: load (arrival rate / service rate) = {load!r} must be below servers = {servers}"
        )


def _float(value: Any) -> float:
    if isinstance(value, (str, bytes, bool, np.bool_, np.timedelta64)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan
