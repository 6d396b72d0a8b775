"""The state at time 0, where it is asked for: numbers by name, from which the state of a system that ships follows, or the
state itself of a system of a user's own.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError, integer, nonnegative
from jaxq.engine.carry import typed
from jaxq.engine.fingerprint import of_jaxq
from jaxq.engine.plain import plain, whole_text
from jaxq.engine.process import Process, State
from jaxq.engine.unknown import suggestion

NAME = "initial"
MOST = 2**31 - 1


class Number(NamedTuple):
    """What may be given by a name.

    Attributes:
        most: of a whole number from 0 on; None: any.
        size: how many numbers there are, where one may stand for all; None: one.
        real: whether it is a real number >= 0 instead.
        otherwise: what it is where it is not given.
    """

    most: int | None = None
    size: int | None = None
    real: bool = False
    otherwise: float = 0

    def read(self, name: str, value: Any) -> Any:
        """The number, or a list of ``size``. FieldError where it is none that is allowed."""
        one = self._real if self.real else self._whole
        if self.size is None or np.ndim(value) == 0:
            found = one(name, value)
            return found if self.size is None else [found] * self.size
        if len(value) != self.size:
            raise FieldError(_of(name), list(value), f"must be {self.size} numbers, or one for all")
        return [one(f"{name}[{i}]", x) for i, x in enumerate(value)]

    def _whole(self, name: str, value: Any) -> int:
        return integer(_of(name), value, 0, MOST if self.most is None else int(self.most))

    def _real(self, name: str, value: Any) -> float:
        return nonnegative(_of(name), value)


class Beginning(NamedTuple):
    """How the state of a process follows from numbers by name.

    Attributes:
        numbers: what may be given.
        state: (state of `Process.init`, numbers by name, all there) -> the state at time 0; components that it leaves as
            they are the same objects. Raises FieldError where the numbers do not go together.
    """

    numbers: Mapping[str, Number]
    state: Callable[[State, dict[str, Any]], State]


class Initial(NamedTuple):
    """A state at time 0.

    Attributes:
        leaves: its components in the order of JAX; None where each replica has that of `Process.init`.
        given: what was asked for, as JSON values.
    """

    leaves: list
    given: Any


def read_initial(name: str, process: Process, given: Any) -> Initial:
    """The state at time 0 of a process of the system called ``name``.

    Args:
        name: for sentences.
        process: one that keeps the contract.
        given: numbers by name where the process has a `Process._beginning`; of a process of a user's own the state itself,
            of the structure of `Process.init`, or some of its components by name.

    Raises:
        FieldError: it is no such thing.
    """
    words = tuple(jax.ShapeDtypeStruct((), np.uint32) for _ in range(process.scan.init_words))
    state, beginning = jax.eval_shape(lambda *words: typed(process.init(words)), *words), process._beginning()
    if beginning is not None and (isinstance(given, Mapping) or of_jaxq(process)):
        begun = beginning.state(state, _read(name, beginning.numbers, given))
    elif of_jaxq(process):
        raise FieldError(NAME, ..., f"{name} always begins in the same way, as its state follows from no numbers")
    else:
        begun = _filled(state, given, "")
    pairs = zip(jax.tree.leaves(state), jax.tree.leaves(begun), strict=True)
    return Initial([None if new is old else np.asarray(new, old.dtype) for old, new in pairs], _plain(given))


def initial_text(given: Any) -> str:
    """`Initial.given` as the command line takes it: ``queue=3,busy=2``."""
    if isinstance(given, Mapping):
        return ",".join(f"{name}={whole_text(value)}" for name, value in given.items())
    return whole_text(given)


def nested(given: Any) -> bool:
    """Whether what was given has lists or tables in lists, which the command line does not know."""
    values = given.values() if isinstance(given, Mapping) else [given]
    inside = (x for value in values for x in (value if isinstance(value, list) else [value]))
    return any(isinstance(x, (list, Mapping)) for x in inside)


def _read(name: str, numbers: Mapping[str, Number], given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise FieldError(NAME, given, f"must give numbers by name, such as {{'{next(iter(numbers))}': 3}}")
    for key in given:
        if key not in numbers:
            raise FieldError(NAME, key, f"{name} has no such number{suggestion(str(key), numbers)}")
    return {key: rule.read(key, given.get(key, rule.otherwise)) for key, rule in numbers.items()}


def _filled(state: Any, given: Any, place: str) -> Any:
    """A state with what is given in place of its shapes."""
    if isinstance(given, Mapping):
        named = state._asdict() if hasattr(state, "_asdict") else state
        if not isinstance(named, dict):
            raise FieldError(NAME, given, f"must be as the state of init, which is {_form(state)}", place)
        for key in given:
            if key not in named:
                raise FieldError(NAME, key, f"the state has no such component{suggestion(str(key), named)}", place)
        found = {key: _filled(x, given[key], f"{place}.{key}") if key in given else x for key, x in named.items()}
        return found if isinstance(state, dict) else type(state)(**found)
    if isinstance(state, jax.ShapeDtypeStruct):
        return _component(state, given, place)
    if isinstance(state, (tuple, list)) and isinstance(given, (tuple, list)) and len(state) == len(given):
        parts = [_filled(x, y, f"{place}[{i}]") for i, (x, y) in enumerate(zip(state, given, strict=True))]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if jax.tree.structure(state) != jax.tree.structure(given):
        raise FieldError(NAME, given, f"must be as the state of init, which is {_form(state)}", place)
    return jax.tree.map(lambda x, y: _component(x, y, place), state, given)


def _component(shape: jax.ShapeDtypeStruct, given: Any, place: str) -> np.ndarray:
    try:
        found = np.asarray(given)
    except ValueError:
        found = np.array(None)
    good = found.dtype.kind in "biuf" and found.shape in ((), shape.shape) and bool(np.isfinite(found).all())
    if good and shape.dtype == bool:
        good = bool(np.isin(found, [0, 1]).all())
    if good and jnp.issubdtype(shape.dtype, jnp.integer):
        ends = np.iinfo(shape.dtype)
        good = bool(((found == np.floor(found)) & (found >= ends.min) & (found <= ends.max)).all())
    if not good:
        raise FieldError(NAME, given, f"must be as the state of init, which is {_form(shape)} here", place)
    return np.broadcast_to(found, shape.shape).astype(shape.dtype)


def _form(state: Any) -> str:
    """A state in words: names, or how many components; a component by its kind and shape."""
    if isinstance(state, jax.ShapeDtypeStruct):
        kind = np.dtype(state.dtype).kind
        what = {"b": "true or false", "i": "a whole number", "u": "a whole number"}.get(kind, "a real number")
        return f"{what}" if not state.shape else f"an array of shape {state.shape}, each {what}"
    if isinstance(state, dict) or hasattr(state, "_fields"):
        return ", ".join(map(str, getattr(state, "_fields", state)))
    return f"{len(state)} components" if isinstance(state, (tuple, list)) else str(jax.tree.structure(state))


def _plain(given: Any) -> Any:
    if hasattr(given, "_asdict"):
        given = given._asdict()
    if isinstance(given, Mapping):
        return {str(key): _plain(x) for key, x in given.items()}
    return [_plain(x) for x in given] if isinstance(given, (tuple, list)) else plain(given)


def _of(name: str) -> str:
    return f"{NAME}: {name}"
