"""What a system's field may hold: one rule for Python, TOML and the command line.

A field is declared with `real`, `whole`, `choice` or `compound`. Its converter keeps numbers as host ``np.float64`` /
``np.int64`` (no float32 echo, no device started) and leaves JAX arrays and tracers alone; its rule is checked by
`System.__check_init__` on concrete values, so the error names the field, the value and what is allowed.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.core
import numpy as np

from jaxq.checks import MOST_WHOLE, FieldError, bounds, is_number, within
from jaxq.engine.host_numbers import host_numbers

RULE = "rule"
MOST_LISTED = 10**6
"""Numbers of a list that is written as value*count."""
SIMPLEX_SLACK = 1e-6
"""How far the sum of a list on the simplex may be from 1."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """What one field allows: bounds, whether whole, whether it may be a list or none; and how text becomes a value.

    ``simplex``: always a list, which must sum to 1 (shares, splitting probabilities). ``rows``: always a matrix, each row of
    which must sum to 1 (routing probabilities). ``table``: ``parse_compound`` takes the table of an experiment file too.
    ``momentary``: a schedule may change the field while the system runs, as no state depends on it; of a compound field, the
    names in it of which that is so. A system of a user's own may change in all fields that do not fix the program.
    ``observed``: a number that another field has if it comes from data, such as ``service_law.rate``; the text ``file``
    stands for it. ``usage``: how the text of a compound field is written. ``untuned``: why
    no gradient moves the field, and what to do instead: the sentence that `jaxq.tune` refuses it with.
    """

    doc: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    static: bool = False
    optional: bool = False
    listed: bool = False
    simplex: bool = False
    rows: bool = False
    choices: tuple[str, ...] = ()
    parse_compound: Callable[[Any], Any] | None = None
    table: bool = False
    momentary: bool | tuple[str, ...] = False
    kind: type = object
    observed: str = ""
    usage: str = ""
    meanings: tuple[tuple[str, str], ...] = ()
    untuned: str = ""

    def __post_init__(self):
        object.__setattr__(self, "simplex", self.simplex or self.rows)
        object.__setattr__(self, "listed", self.listed or self.simplex)

    @property
    def tunable(self) -> bool:
        """Whether the field holds real numbers that a gradient can move."""
        return self.scalar and not self.whole and not self.static

    @property
    def scalar(self) -> bool:
        """Whether the field holds a number that a sweep can run over."""
        return not self.choices and self.parse_compound is None

    def allowed(self) -> str:
        """The rule as the end of a sentence that starts with 'must be'."""
        if self.parse_compound is not None:
            return f"a {self.kind.__name__} or its text" + (", or none" if self.optional else "")
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = "a whole number" if self.whole else "a number"
        words += bounds(self.low, self.high, open_low=self.open_low, open_high=self.open_high)
        if self.simplex:
            kind = "rows, each a list of numbers" if self.rows else "a list of numbers"
            words = words.replace("a number", kind, 1) + " that sum to 1"
        else:
            words += ", or a list of them" if self.listed else ""
        return words + (", or none" if self.optional else "")

    def convert(self, value):
        """Host numbers become np.float64 / np.int64 (lists an array of them); anything else passes for `check`."""
        if value is None or isinstance(value, jax.Array) or not self.scalar:
            return value
        value = host_numbers(value)
        if self.static and isinstance(value, (list, tuple, np.ndarray, np.bool_)):
            if not np.ndim(value):
                return bool(value)  # refused by `check`
            # an array must not be static
            return tuple(
                int(x) if self.whole and is_number(x) and x % 1 == 0 else x for x in np.asarray(value).tolist()
            )
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            fits = np.all(value == np.floor(value)) and np.all(np.abs(value) < MOST_WHOLE)
            return value.astype(np.int64) if self.whole and fits else value
        if not is_number(value):
            return value
        if isinstance(value, int) and abs(value) >= MOST_WHOLE:
            try:
                value = float(value)
            except OverflowError:
                value = math.inf if value > 0 else -math.inf  # refused by `check`
        if self.whole and abs(value) < MOST_WHOLE and value == math.floor(value):
            return int(value) if self.static else np.int64(value)
        return float(value) if self.static else np.float64(value)

    def check(self, name: str, value) -> None:
        """Raise FieldError, naming field, value and rule, unless the concrete ``value`` is allowed."""
        if isinstance(value, jax.core.Tracer) or (value is None and self.optional):
            return
        if self.parse_compound is not None:
            good = isinstance(value, self.kind)
        elif self.choices:
            good = value in self.choices
        elif isinstance(value, (list, tuple)) or (isinstance(value, (np.ndarray, jax.Array)) and np.ndim(value) > 0):
            array = _array(value)
            good = self.listed and array.ndim == 1 + self.rows and array.size > 0 and array.dtype.kind in "if"
            good = good and all(self._good(x) for x in array.ravel().tolist())
            good = good and not (self.simplex and np.any(np.abs(array.sum(axis=-1) - 1) > SIMPLEX_SLACK))
        else:
            number = is_number(value) or isinstance(value, jax.Array)
            good = number and not self.simplex and self._good(np.asarray(value).item())
        if not good:
            too_large = self.whole and isinstance(value, float) and value >= MOST_WHOLE
            large = " and < 2**63" if too_large else ""
            raise FieldError(name, value, f"must be {self.allowed()}{large} ({self.doc})")

    def _good(self, x: float) -> bool:
        inside = within(x, self.low, self.high, open_low=self.open_low, open_high=self.open_high)
        return inside and (not self.whole or (abs(x) < MOST_WHOLE and x == math.floor(x)))

    def parse(self, name: str, text: Any):
        """The value that ``text`` stands for: ``none``, a number, a choice, ``a,b,c``, ``value*count`` in a list, rows
        ``a,b;c,d``, a table."""
        if self.optional and isinstance(text, str) and text.lower() == "none":
            return None
        if self.choices:
            return text
        if self.parse_compound is not None:
            return self.parse_compound(text)
        try:
            if self.rows:
                return [_listed(row) for row in text.split(";")]
            return _listed(text) if self.listed and ("," in text or "*" in text) else float(text)
        except TooLong as error:
            raise FieldError(name, text, f"{error} ({self.doc})") from None
        except ValueError:
            raise FieldError(name, text, f"must be {self.allowed()} ({self.doc})") from None


class TooLong(ValueError):
    """A list is written that nobody can mean."""


def _listed(text: str) -> list[float]:
    parts = [part.partition("*") for part in text.split(",")]
    counts = [int(count or 1) for _, _, count in parts]
    if sum(counts) > MOST_LISTED:
        raise TooLong(f"must be a list of at most {MOST_LISTED} numbers, not of {float(min(sum(counts), 10**300)):.4g}")
    return [float(v) for (v, _, _), count in zip(parts, counts, strict=True) for _ in range(count)]


def _array(value) -> np.ndarray:
    """Of text, which no rule allows, where nested lists make no array."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.array("uneven")


_MISSING: Any = dataclasses.MISSING


def _field(rule: Rule, default):
    return eqx.field(converter=rule.convert, static=rule.static, default=default, metadata={RULE: rule})


def real(doc: str, *, default=_MISSING, **rule) -> Any:
    """A float64 field; keywords are those of `Rule` (low, high, open_low, open_high, optional, listed, ...)."""
    return _field(Rule(doc, **rule), default)


def positive(doc: str, *, default=_MISSING, **rule) -> Any:
    """A float64 field that must be > 0, such as a rate."""
    return real(doc, default=default, low=0.0, open_low=True, **rule)


def nonnegative(doc: str, *, default=_MISSING, **rule) -> Any:
    """A float64 field that must be >= 0, such as a cost."""
    return real(doc, default=default, low=0.0, **rule)


def probability(doc: str, *, default=_MISSING, **rule) -> Any:
    """A float64 field in the open interval (0, 1)."""
    return real(doc, default=default, low=0.0, high=1.0, open_low=True, open_high=True, **rule)


def whole(doc: str, *, default=_MISSING, low=1, **rule) -> Any:
    """An int64 field, a leaf unless ``static`` (it then fixes a shape, and each value compiles a program)."""
    return _field(Rule(doc, low=low, whole=True, **rule), default)


def choice(doc: str, choices: tuple[str, ...] | Mapping[str, str], *, default=_MISSING) -> Any:
    """A static field that holds one of a few names, such as a policy; of a mapping, what each name means."""
    meanings = tuple(choices.items()) if isinstance(choices, Mapping) else ()
    return _field(Rule(doc, choices=tuple(choices), static=True, meanings=meanings), default)


def compound(
    doc: str,
    parse: Callable[[Any], Any],
    kind: type,
    *,
    default=_MISSING,
    optional: bool = False,
    static: bool = False,
    table: bool = False,
    usage: str = "",
    meanings: tuple[tuple[str, str], ...] = (),
    untuned: str = "",
    momentary: tuple[str, ...] = (),
) -> Any:
    """A field that holds a module of its own, such as a service law, of class ``kind``; ``parse`` turns text into one, and
    with ``table`` the table of an experiment file, a dict. ``static``: it is hashable and only read on the host, when a run
    is prepared. ``meanings``: names that may be given, and what they mean."""

    def convert(value):
        return parse(value) if isinstance(value, (str, dict) if table else str) else value

    rule = Rule(
        doc,
        parse_compound=parse,
        kind=kind,
        optional=optional,
        table=table,
        usage=usage,
        meanings=meanings,
        untuned=untuned,
        momentary=momentary,
    )
    return eqx.field(converter=convert, static=static, default=default, metadata={RULE: rule})


def rules(system_class) -> dict[str, Rule]:
    """The fields of a class declared with a rule, in order: name -> `Rule`."""
    return {f.name: f.metadata[RULE] for f in dataclasses.fields(system_class) if RULE in f.metadata}


def units(system_class) -> dict[str, str]:
    """The units of the fields whose doc says one: name -> ``1/time``."""
    return {name: "1/time" for name, rule in rules(system_class).items() if "1/time" in rule.doc}
