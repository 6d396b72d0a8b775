"""What a field may hold, as the image of R^n, so that a descent needs no constraints."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError
from jaxq.engine.fields import Rule

_FAR = 30.0
"""Coordinates beyond it are taken for it: a scaled sigmoid would round to its bound, which may not be allowed."""
_NEAR = 1e-3
"""Share of the way between two bounds, or from the start to the only one, that is left of it at a bound."""
_LARGEST = 700.0
"""exp of more overflows float64."""


class Bijection(NamedTuple):
    """``value(z)`` maps R^n onto the inside of what a field may hold; ``coordinates`` is its inverse, on the host."""

    value: Callable[[Any], Any]
    coordinates: Callable[[Any], np.ndarray]


def bijection(rule: Rule, start=None, share: bool = False) -> Bijection:
    """The bijection of a rule; arrays elementwise, of any shape.

    Formula: a list on the simplex: softmax(z), whose inverse has mean 0; a matrix of such rows: softmax by row over the
    entries that are positive in ``start``, the others stay 0 and have coordinate 0; two bounds:
    low + (high - low) / (1 + exp(-z)); one: low + exp(z) or high - exp(z), so that steps are relative; none: z. A list of
    shares of the sum s of ``start``: s softmax(z).

    Args:
        rule: of the field.
        start: of a matrix, the value that tells which entries stay 0 (default: none does); of shares, one with their sum.
        share: whether the entries keep their sum.
    """
    low, high = rule.low, rule.high
    if share:
        total = float(np.asarray(start, np.float64).sum())
        return Bijection(lambda z: total * jax.nn.softmax(z), _log_shares)
    if rule.rows:
        moves = None if start is None else np.asarray(start) > 0
        return Bijection(lambda z: jax.nn.softmax(z, axis=-1, where=moves), _log_rows)
    if rule.simplex:
        return Bijection(jax.nn.softmax, _log_shares)
    if math.isfinite(low) and math.isfinite(high):
        return Bijection(
            lambda z: low + (high - low) * jax.nn.sigmoid(jnp.clip(z, -_FAR, _FAR)),
            lambda x: np.log(np.subtract(x, low)) - np.log(np.subtract(high, x)),
        )
    if math.isfinite(low):
        return Bijection(lambda z: low + _exp(z), lambda x: np.log(np.subtract(x, low)))
    if math.isfinite(high):
        return Bijection(lambda z: high - _exp(z), lambda x: np.log(np.subtract(high, x)))
    return Bijection(jnp.asarray, lambda x: np.asarray(x, np.float64))


def at_bounds(rule: Rule, start, value) -> np.ndarray:
    """The bound that each number of a value has come to from its start, nan where it is inside, float64, of its shape; nan
    for what has a fixed sum."""
    first, last = np.asarray(start, np.float64), np.asarray(value, np.float64)
    found = np.full(last.shape, np.nan)
    if rule.simplex:
        return found
    both = math.isfinite(rule.low) and math.isfinite(rule.high)
    for bound in filter(math.isfinite, (rule.low, rule.high)):
        way = rule.high - rule.low if both else np.abs(first - bound)
        found = np.where(np.abs(last - bound) <= _NEAR * way, bound, found)
    return found


class Coordinates:
    """Values of some fields as one vector of coordinates.

    ``rules``, ``values``: by field; ``shares``: fields whose entries keep their sum. ``start``: coordinates by field.
    ``sums``: the fields whose entries (of a matrix, its rows) have a fixed sum. ``names``: of the entries of the vector,
    ``field`` or ``field[i]``; ``free``: which of them move anything.
    """

    def __init__(self, rules: Mapping[str, Rule], values: Mapping[str, Any], shares: Collection[str] = ()):
        self._rules, self._shares, self._values = {name: rules[name] for name in values}, shares, dict(values)
        self.sums = [name for name in values if name in shares or rules[name].simplex]
        self._bijections = {name: bijection(rules[name], x, name in shares) for name, x in values.items()}
        self.start = {name: start_coordinates(name, rules[name], x, name in shares) for name, x in values.items()}
        self.names, free = [], []
        for name, z in self.start.items():
            at = [f"{name}[{','.join(map(str, place))}]" if place else name for place in np.ndindex(np.shape(z))]
            self.names += at
            positive = np.asarray(values[name]) > 0
            moves = (
                positive & (positive.sum(axis=-1, keepdims=True) > 1) if rules[name].rows else np.full(len(at), True)
            )
            free += list(np.ravel(moves))
        self.free = np.array(free)

    def decode(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """Values by field of coordinates by field; differentiable."""
        return {name: self._bijections[name].value(z) for name, z in at.items()}

    def held(self, fields: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """By field, which numbers have come to a bound."""
        return {
            name: ~np.isnan(at_bounds(self._rules[name], self._values[name], x)) & (name not in self._shares)
            for name, x in fields.items()
        }

    def fields(self, vector: Float[np.ndarray, " values"]) -> dict[str, Any]:
        """Values by field, float64."""
        ends = np.cumsum([np.size(z) for z in self.start.values()])
        parts = zip(self.start.items(), np.split(vector, ends[:-1]), strict=True)
        with jax.enable_x64(True):
            found = self.decode({name: part.reshape(np.shape(z)) for (name, z), part in parts})
        return {name: np.asarray(x, np.float64)[()] for name, x in found.items()}

    def vector(self, fields: Mapping[str, Any]) -> Float[np.ndarray, " values"]:
        """The inverse of `fields`. ValueError where a value is on a bound."""
        found = [start_coordinates(n, self._rules[n], fields[n], n in self._shares) for n in self.start]
        return np.concatenate([np.ravel(z) for z in found])


def start_coordinates(name: str, rule: Rule, value, share: bool = False) -> np.ndarray:
    """The coordinates of a value. ValueError, naming the field, where it is on a bound and has none."""
    with np.errstate(divide="ignore"):
        found = bijection(rule, value, share).coordinates(np.asarray(value, np.float64))
    if not np.all(np.isfinite(found)):
        shown = np.asarray(value).tolist()
        raise FieldError(name, shown, f"a start must be inside its bounds, not on one ({rule.doc})")
    return found


def _exp(z):
    return jnp.exp(jnp.minimum(z, _LARGEST))


def _log_rows(x) -> np.ndarray:
    logs = np.log(x, out=np.zeros_like(x), where=x > 0)
    moves = x > 0
    return np.where(moves, logs - logs.sum(axis=-1, keepdims=True) / moves.sum(axis=-1, keepdims=True), 0.0)


def _log_shares(x) -> np.ndarray:
    logs = np.log(x)
    return logs - logs.mean()
