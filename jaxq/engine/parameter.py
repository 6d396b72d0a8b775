"""A parameter of a system: one number among its fields, as a direction in systems.

``phi``, ``routing[0]``, ``network.arrival_rates[1]``, ``service_rates[0,1]``: a field, what is inside it, a place in a list
or a matrix, counted from 0. Where the list is on the simplex the others give way in proportion, p + h e_j over 1 + h.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.fields import Rule, rules
from jaxq.engine.model import Model
from jaxq.engine.outline import at_halves
from jaxq.engine.record import title

PATH = re.compile(r"(\w+)((?:\.\w+)*)(?:\[([\d\s,]+)\])?")
SIDES = "left", "right"
STEP = 2.0**-17
"""Relative step of the differences of a prepared process, in float64: their error is about 1e-10."""
KINK, JUMP = 1e-3, 1e-5
"""Relative difference of the quotients on the two sides, and of those at a step and at half of it, that has another cause
than curvature."""
ROUNDING = 1e-8
"""A derivative under this share of its leaf is rounding."""


class Parameter(NamedTuple):
    """A number of a system.

    ``path``: its name. ``value``: what it is. ``at(offset)``: the system in which it is ``value + offset``; ValueError where
    there is none. ``unit``: what steps are relative to, |value|, or 1 where it is 0.
    """

    path: str
    value: float
    at: Callable[[float], Model]
    unit: float


class Location(NamedTuple):
    """Where a number of a system stands: at ``place`` of the ``array`` that ``field`` holds, or something in it that has
    names (``inner``). ``rule``: of the field. ``held(array)``: the system with another array."""

    field: str
    inner: tuple[str, ...]
    array: np.ndarray
    place: tuple[int, ...]
    rule: Rule | None
    held: Callable[[np.ndarray], Model]

    @property
    def value(self) -> float:
        """The number."""
        return float(self.array[self.place])

    @property
    def simplex(self) -> bool:
        """Whether the others of its row give way to it in proportion."""
        return self.rule is not None and self.rule.simplex and not self.inner

    def filled(self, value: Any, array: Any) -> Any:
        """An array like that of the field in which the number is ``value``; differentiable."""
        if self.simplex:
            row = array[self.place[:-1]]
            array = array.at[self.place[:-1]].set(row * (1 - value) / (1 - row[self.place[-1]]))
        return array.at[self.place].set(value)


def location(system: Model, path: str) -> Location:
    """Where the number of that path stands.

    Raises:
        FieldError: there is none; it is none, a whole number or fixed in the program; a place in a list is missing or wrong.
    """
    found = PATH.fullmatch(path) if isinstance(path, str) else None
    if found is None:
        raise FieldError("parameter", path, "must be a field, such as phi, routing[0] or network.arrival_rates[1]")
    field, inner, places = found[1], [*filter(None, found[2].split("."))], found[3]
    if field not in system.parameters():
        raise FieldError(
            "parameter", path, f"{title(system)} has no such field; it has {', '.join(real_fields(system))}"
        )
    rule = rules(type(system)).get(field)
    if rule is not None and rule.untuned:
        raise FieldError("parameter", path, rule.untuned)
    value: Any = getattr(system, field)
    holders: list[Any] = [system]
    for name in inner:
        known = [f.name for f in dataclasses.fields(value) if f.init] if dataclasses.is_dataclass(value) else []
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it holds nothing that has a name"
            raise FieldError("parameter", path, f"no {name} in {field}; {has}")
        holders.append(value)
        value = getattr(value, name)
    array = _numbers(path, value, fixed=rule is not None and rule.static and not inner)

    def held(array: np.ndarray) -> Model:
        new: Any = array if array.ndim else float(array)
        for holder, name in zip(reversed(holders), reversed([field, *inner]), strict=True):
            new = (
                holder.replace(**{name: new})
                if isinstance(holder, Model)
                else dataclasses.replace(holder, **{name: new})
            )
        return new

    return Location(field, tuple(inner), array, _place(path, array, places), rule, held)


def parameter(system: Model, path: str) -> Parameter:
    """The parameter of that path. FieldError as `location`."""
    found = location(system, path)

    def at(offset: float) -> Model:
        moved = found.array.copy()
        moved[found.place] += offset
        if found.simplex:
            moved[found.place[:-1]] /= 1 + offset
        return found.held(moved)

    return Parameter(path, found.value, at, abs(found.value) or 1.0)


def real_fields(system: Model) -> list[str]:
    """The fields that hold real numbers, or something that may."""
    declared = rules(type(system))
    return [
        name
        for name in system.parameters()
        if name not in declared or not (declared[name].whole or declared[name].choices or declared[name].static)
    ]


def _numbers(path: str, value: Any, fixed: bool) -> np.ndarray:
    """A field's numbers in float64; FieldError where they are none, or have no derivative."""
    if value is None:
        raise FieldError("parameter", path, "is none here, so it has no derivative; give it a value")
    kind = np.asarray(value).dtype.kind
    if kind in "iub" or fixed:
        raise FieldError("parameter", path, "is a whole number or fixes the program; compare its values instead")
    if kind != "f":
        raise FieldError("parameter", path, f"is a {type(value).__name__}, which is no real number")
    return np.array(value, np.float64)


def _place(path: str, array: np.ndarray, places: str | None) -> tuple[int, ...]:
    try:
        place = tuple(map(int, places.split(","))) if places else ()
    except ValueError:
        place = None
    if place is None or len(place) != array.ndim or any(i >= n for i, n in zip(place, array.shape, strict=False)):
        name = path.partition("[")[0]
        last = ",".join(str(n - 1) for n in array.shape)
        rule = f"from {name}[{','.join('0' * array.ndim)}] to {name}[{last}]" if array.ndim else f"{name}, one number"
        raise FieldError("parameter", path, f"must be {rule}")
    return place


def difference(side: str | None, step: float) -> list[tuple[float, float]]:
    """(offset, weight) of a difference quotient, all offsets other than 0: central, or of second order on one side."""
    if side is None:
        return [(step, 0.5 / step), (-step, -0.5 / step)]
    h = step if side == "right" else -step
    return [(h, -2.5 / h), (2 * h, 4.0 / h), (3 * h, -1.5 / h)]


def tangents(of: Parameter, side: str | None = None) -> list[np.ndarray | None]:
    """d leaf / d parameter of the prepared process, one a leaf, None of whole numbers.

    Formula: (leaf(theta + e) - leaf(theta - e)) / 2 e in float64; of second order on one side of theta, without theta.

    Raises:
        FieldError: theta is at the end of what is allowed; the program or a whole number of it changes there; a leaf jumps
            there (a whole number in disguise) or, without ``side``, has a kink; nothing depends on theta.
    """
    step = 2.0 ** np.round(np.log2(STEP * of.unit))
    nodes, halves = difference(side, step), difference(side, step / 2)
    advice = "give side=left or side=right" if side is None else "take a value beside it"
    coarse, fine = ([_prepared(of, offset, side) for offset, _ in pairs] for pairs in (nodes, halves))
    everywhere = [*coarse, *fine] + ([_prepared(of, 0.0, side)] if side is None else [])
    if not all(alike(everywhere[0], other) for other in everywhere):
        raise FieldError(
            "parameter", of.path, f"the program, or a whole number of it, changes at {of.value:g}; {advice}"
        )
    found: list[np.ndarray | None] = []
    columns = (zip(*map(jax.tree.leaves, part), strict=True) for part in (coarse, fine))
    here = jax.tree.leaves(everywhere[-1])
    for column, finer, middle in zip(*columns, here, strict=True):
        if np.asarray(column[0]).dtype.kind != "f":
            found.append(None)
            continue
        slope, half = _quotient(column, nodes), _quotient(finer, halves)
        least = ROUNDING * (1 + _largest(column[0]) / of.unit)
        if not np.allclose(slope, half, rtol=JUMP, atol=least):
            raise FieldError(
                "parameter", of.path, f"{type(coarse[0]).__name__} jumps at {of.value:g} (a whole number in disguise)"
            )
        if side is None:
            right, left = (
                np.asarray(sign * (np.asarray(x) - middle) / step) for sign, x in zip((1, -1), column, strict=True)
            )
            if _largest(right - left) > KINK * max(_largest(right), _largest(left)) + least:
                raise FieldError("parameter", of.path, f"has a kink at {of.value:g}; {advice}")
        found.append(np.where(np.abs(slope) < least, 0.0, slope))
    if not any(slope is not None and np.any(slope) for slope in found) and not _told(of, nodes):
        raise FieldError(
            "parameter", of.path, f"{title(of.at(0.0))} does not depend on it here, or only through whole numbers"
        )
    return found


def smooth_between(of: Parameter, slopes: list[np.ndarray | None], processes: list, offsets: list[float]) -> bool:
    """Whether prepared processes at some offsets differ as the ``slopes`` at theta say, to a quarter: no leaf jumps or has a
    kink between them."""
    low, high = int(np.argmin(offsets)), int(np.argmax(offsets))
    ends = zip(jax.tree.leaves(processes[low]), jax.tree.leaves(processes[high]), slopes, strict=True)
    for first, last, slope in ends:
        if slope is not None:
            found = (np.asarray(last, np.float64) - first) / (offsets[high] - offsets[low])
            most = max(_largest(found), _largest(slope))
            if _largest(found - slope) > 0.25 * most + ROUNDING * (1 + _largest(first) / of.unit):
                return False
    return True


def moving_leaves(slopes: Sequence[list]) -> tuple[int, ...]:
    """The places of the leaves that any parameter moves, of the `tangents` of each."""
    return tuple(i for i, column in enumerate(zip(*slopes, strict=True)) if any(map(moves, column)))


def moves(slope: np.ndarray | None) -> bool:
    """Whether a leaf with this tangent moves."""
    return slope is not None and bool(np.any(slope))


def along_moving(slopes: Sequence[list], moving: tuple[int, ...], before: tuple | None = None) -> tuple:
    """By parameter the tangents of the ``moving`` leaves, float64. ValueError where they move what did not before."""
    found = tuple(tuple(np.asarray(slope[i], np.float64) for i in moving) for slope in slopes)
    for slope, mine, old in zip(slopes, found, before or found, strict=True):
        elsewhere = [x for i, x in enumerate(slope) if i not in moving]
        elsewhere += [x for x, was in zip(mine, old, strict=True) if not np.any(was)]
        if any(map(moves, elsewhere)):
            raise ValueError("the parameters move other numbers of the program than at the start")
    return found


def alike(process: Any, other: Any) -> bool:
    """Whether two prepared processes share a compiled program and their whole numbers; of words (uint32), which stand for
    probabilities, they need not."""
    return alike_shapes(process, other) and all(
        np.asarray(x).dtype.kind in "fu" or np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(process), jax.tree.leaves(other), strict=True)
    )


def alike_shapes(process: Any, other: Any) -> bool:
    """Whether two prepared processes share a compiled program."""
    (leaves, structure), (others, another) = jax.tree.flatten(process), jax.tree.flatten(other)
    return structure == another and all(np.shape(x) == np.shape(y) for x, y in zip(leaves, others, strict=True))


def _prepared(of: Parameter, offset: float, side: str | None) -> Any:
    try:
        return of.at(offset).process()
    except ValueError as error:
        raise beside(of, offset, side, error) from None


def beside(of: Parameter, offset: float, side: str | None, error: ValueError) -> FieldError:
    """The sentence where there is no system at an offset."""
    other = "right" if offset < 0 else "left"
    advice = f"give side={other}, or a smaller step" if side is None else "give a smaller step"
    return FieldError("parameter", of.path, f"there is no system at {of.value + offset:g} ({error}); {advice}")


def _quotient(column, nodes: list[tuple[float, float]]) -> np.ndarray:
    return np.asarray(sum(np.asarray(x, np.float64) * weight for x, (_, weight) in zip(column, nodes, strict=True)))


def _largest(x: Any) -> float:
    return float(np.max(np.abs(x))) if np.size(x) else 0.0


def _told(of: Parameter, nodes: list[tuple[float, float]]) -> bool:
    """Whether the metrics of the same sums depend on a parameter."""
    found = [at_halves(system, system.process()) for system in (of.at(offset) for offset, _ in nodes)]
    return any(x != found[-1][name] for name, x in found[0].items())
