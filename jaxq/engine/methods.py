"""The methods of a process, traced for the shapes and types of what they return, without a number."""

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from jaxq.engine.carry import typed
from jaxq.engine.fingerprint import of_jaxq
from jaxq.engine.indices import changes_in_place
from jaxq.engine.walk import component

ARGUMENTS = {
    "init": "words",
    "next_event": "state, words",
    "update": "state, event",
    "jump": "state, k",
    "transition": "state, k",
    "drift": "state, elapsed",
    "tally": "state, event",
}
"""Arguments of the methods that take more than the state."""
LIBRARIES = tuple(str(Path(str(module.__file__)).parent) for module in (jax, np, eqx))
INSTEAD = "use x.at[i].set(value) or x.at[i].add(value)"
TWICE = 500
"""A method of a user's own of at most so many operations is traced twice, to find what is drawn while it is traced."""


class Methods:
    """The methods of one system, traced: each call gives what the method returned, and its shapes and types."""

    def __init__(self, structure, leaves: list):
        self._structure, self._leaves = structure, leaves
        self.system: Any = jax.tree.unflatten(structure, leaves)
        self.name = type(self.system).__name__
        self._ours = of_jaxq(self.system)
        self.traced: dict[str, Callable] = {}
        """By method what it was traced as: a function of the leaves and of its arguments."""

    def defines(self, method: str, base: type) -> bool:
        """Whether the class has a method of its own."""
        return getattr(type(self.system), method) is not getattr(base, method)

    def __call__(self, method: str, *args, fixed: tuple = (), said: str | None = None) -> tuple[Any, Any]:
        """(what ``method(*args, *fixed)`` returns, its shapes); ``said`` is the call in a sentence."""
        where, returned = f"{self.name}.{said or method}", []
        self._check_arguments(method, where, len(args) + len(fixed))

        def call(leaves, *args):
            found = getattr(jax.tree.unflatten(self._structure, leaves), method)(*args, *fixed)
            returned.append(found)
            for path, leaf in jax.tree.leaves_with_path(found):
                if not isinstance(leaf, (bool, int, float, complex, np.generic, np.ndarray, jax.Array)):
                    name = jax.tree_util.keystr(path, simple=True, separator=".")
                    raise TypeError(f"{where} returns {leaf!r}{f' as {name}' if path else ''}: must be numbers")
            return jax.tree.map(jnp.asarray, found)

        traced, shape = _traced(where, call, self._leaves, *args)
        if changes_in_place(traced):
            raise TypeError(f"{where} changes an array of jax.new_ref, whose indices are not watched: {INSTEAD}")
        twice = not self._ours and len(traced.jaxpr.eqns) <= TWICE
        if twice and not _alike(traced, _traced(where, call, self._leaves, *args)[0]):
            raise TypeError(
                f"{where} gives something else each time it is traced, such as a random number of NumPy or Python: it "
                "would be drawn once, when the loop is compiled; take randomness from words, or split it into transitions"
            )
        if returned[0] is None and method != "next_switch":
            raise TypeError(f"{where} returns None: is a return missing?")

        def again(*args):
            return jax.tree.unflatten(jax.tree.structure(shape), jaxpr_as_fun(traced)(*jax.tree.leaves(args)))

        self.traced[method] = again
        return returned[0], shape

    def _check_arguments(self, method: str, where: str, count: int) -> None:
        wanted = ARGUMENTS.get(method, "state")
        try:
            inspect.signature(getattr(self.system, method)).bind(*range(count))
        except TypeError:
            raise TypeError(f"{where}: must be defined as {method}(self, {wanted})") from None

    def state(self) -> Any:
        """Shapes of the state, as the compiled loop carries it."""
        words = tuple(jax.ShapeDtypeStruct((), np.uint32) for _ in range(self.system.scan.init_words))
        found, shape = self("init", words)
        for path, leaf in jax.tree.leaves_with_path(shape):
            if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
                raise TypeError(f"{self.name}.init returns {component(path)} as a complex number: must be real")
        self._initial = found
        return jax.eval_shape(lambda: typed(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shape)))

    def refuse_narrow(self, state) -> None:
        """TypeError where a whole number of the state has fewer than 32 bits: it would wrap, and nothing would tell."""
        for path, leaf in jax.tree.leaves_with_path(state):
            if jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.dtype.itemsize < 4:
                most = jnp.iinfo(leaf.dtype).max
                raise TypeError(
                    f"{self.name}.init: {component(path)} is {leaf.dtype}, which wraps beyond {most}: must be int32, "
                    "or the class must define overflow(state), true where that is near"
                )

    def chosen(self, state) -> tuple[Any, Any]:
        """Shapes of what next_event gives: the event and its weight."""
        words = tuple(jax.ShapeDtypeStruct((), np.uint32) for _ in range(self.system.words))
        found, shape = self("next_event", state, words)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(
                f"{self.name}.next_event must return two things, the event and its weight (the time it takes)"
            )
        return shape

    def next_state(self, method: str, state, *args, fixed: tuple = (), rates: int = 0) -> None:
        """TypeError unless the method returns a state like that of init."""
        said = f"jump(state, {fixed[0]})" if fixed else method
        where = f"{self.name}.{said}"
        try:
            found, shape = self(method, state, *args, fixed=fixed, said=said)
        except LookupError as error:
            if not fixed:
                raise
            raise TypeError(
                f"{where} raises {type(error).__name__} ({error}): rates(state) gives {rates} rates, so that jump must know "
                f"the transitions 0 to {rates - 1}"
            ) from error
        if jax.tree.structure(_tupled(found)) != jax.tree.structure(_tupled(self._initial)):
            raise TypeError(
                f"{where} returns {_structure(found)}, init returns {_structure(self._initial)}: the state must keep its "
                "structure"
            )
        if method != "jump" and jax.tree.structure(found) != jax.tree.structure(state):
            raise TypeError(
                f"{where} returns a list where init returns a tuple, or the other way round: must be the same"
            )
        initial = jax.tree.leaves(self._initial)
        leaves = zip(jax.tree.leaves_with_path(state), jax.tree.leaves(shape), initial, strict=True)
        for (path, old), new, first in leaves:
            if new.shape != old.shape:
                raise TypeError(
                    f"{where} gives {component(path)} the shape {new.shape}: must be {old.shape}, as in init"
                )
            if _rank(new.dtype) > _rank(old.dtype):
                start = f" {first}" if isinstance(first, (bool, int)) else ""
                repair = f": start it as {float(first)}" if isinstance(first, int) and _rank(new.dtype) == 2 else ""
                raise TypeError(
                    f"{where} makes {component(path)} {_kind(new.dtype)}, but init returns{start} ({_kind(old.dtype)})"
                    f"{repair or ': must be the same'}"
                )

    def rates(self, state) -> int:
        """How many rates there are; TypeError unless they are real scalars."""
        found, shape = self("rates", state)
        array = isinstance(found, (np.ndarray, jax.Array))
        if not (isinstance(found, (tuple, list)) or (array and found.ndim == 1)) or len(found) == 0:
            given = (
                "an empty one" if isinstance(found, (tuple, list)) else "one number" if not np.ndim(found) else found
            )
            raise TypeError(f"{self.name}.rates must return a tuple of rates, one a transition, not {given}")
        if not array:
            for k, rate in enumerate(shape):
                self.check_scalar("rates", f"the rate of transition {k}", rate)
        return len(found)

    def scalars(self, method: str, *args, whole: bool = False) -> set[str]:
        """The names of what observe, tally or counters gives; TypeError unless it is a dict of real (whole) scalars."""
        found, shape = self(method, *args)
        if not isinstance(found, dict):
            raise TypeError(
                f'{self.name}.{method} must return a dict of names and numbers, such as {{"queue": state}}, not a '
                f"{type(found).__name__}"
            )
        for name in found:
            if not isinstance(name, str):
                raise TypeError(f"{self.name}.{method}: the name {name!r} must be a text")
            self.check_scalar(method, name, shape[name], whole)
        return set(found)

    def scalar(self, method: str, *args, optional: bool = False) -> None:
        """TypeError unless the method returns one real number."""
        found, shape = self(method, *args)
        if not (optional and found is None):
            self.check_scalar(method, "the value", shape)

    def check_scalar(self, method: str, name: str, shape, whole: bool = False) -> None:
        """TypeError unless a value has the shape and type of one real (whole) number."""
        where = f"{self.name}.{method}: {name}"
        if not isinstance(shape, jax.ShapeDtypeStruct):
            raise TypeError(f"{where} is {_structure(shape)}: must be one number")
        if shape.shape != ():
            raise TypeError(
                f"{where} has the shape {shape.shape}: must be one number; give each entry a name of its own, or their sum"
            )
        if _rank(shape.dtype) > (1 if whole else 2):
            raise TypeError(f"{where} is {_kind(shape.dtype)}: must be {'a whole' if whole else 'a real'} number")


def _traced(where: str, call: Callable, *args) -> tuple[Any, Any]:
    """(jaxpr, shapes) of a call, with the errors of tracing in a sentence each."""
    try:
        # a function of its own, as JAX keeps what it has traced
        return jax.make_jaxpr(lambda *args: call(*args), return_shape=True)(*args)
    except jax.errors.TracerArrayConversionError as error:
        words = "calls a function of NumPy on a value that is known at run time only: use that of jax.numpy"
        raise TypeError(f"{where}{_line(error)}: {words}, such as jnp.minimum for np.minimum") from error
    except jax.errors.TracerBoolConversionError as error:
        words = (
            "decides in Python (if, while, and, or, not, min, max) on a value that is known at run time only: use "
            "jnp.where(condition, a, b), jnp.minimum, jnp.maximum, & and |, or multiply by a condition, rate * (n > 0)"
        )
        raise TypeError(f"{where}{_line(error)}: {words}; a field may decide if it is static (jaxq.choice)") from error
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerIntegerConversionError) as error:
        words = (
            "makes a Python number (float, int, range, math, an index) of a value that is known at run time only: leave it "
            "as it is, use jnp, or make the field static"
        )
        raise TypeError(f"{where}{_line(error)}: {words}") from error
    except TypeError as error:
        if "item assignment" not in str(error):
            raise
        raise TypeError(f"{where}{_line(error)}: changes an array in place: {INSTEAD}") from error


def _line(error: BaseException) -> str:
    """The line of the user's code that an error comes from."""
    own = (*LIBRARIES, str(Path(__file__).parent))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f" ({frames[-1].line})" if frames and frames[-1].line else ""


def _alike(one, other) -> bool:
    """Whether two traces of a function have the same constants."""

    def constants(traced):
        literals = [x.val for equation in traced.jaxpr.eqns for x in equation.invars if hasattr(x, "val")]
        return [*traced.consts, *literals, *(x.val for x in traced.jaxpr.outvars if hasattr(x, "val"))]

    ours, theirs = constants(one), constants(other)
    return len(ours) == len(theirs) and all(
        np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in zip(ours, theirs, strict=True)
    )


def _tupled(tree):
    """A tree whose lists are tuples."""
    if type(tree) in (list, tuple):
        return tuple(_tupled(x) for x in tree)
    return {name: _tupled(x) for name, x in tree.items()} if isinstance(tree, dict) else tree


def _structure(tree) -> str:
    return str(jax.tree.structure(tree)).removeprefix("PyTreeDef(").removesuffix(")")


def _rank(dtype) -> int:
    """0 for true or false, 1 for whole numbers, 2 for real ones, 3 for anything else."""
    kinds = (jnp.bool_, jnp.integer, jnp.floating)
    return next((i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind)), 3)


def _kind(dtype) -> str:
    return ("true or false", "a whole number", "a real number", f"of type {dtype}")[_rank(dtype)]
