"""Types and shapes that annotations promise, checked at the first calls of a test: a check takes .2 ms."""

import functools
import itertools
import types
from collections.abc import Sequence

import jaxtyping
import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype
from numpy.typing import ArrayLike

# What is converted and checked by `jaxq.checks` may be of any kind: an array for a sequence, NumPy's numbers.
ALIKE = {
    ArrayLike: object,
    ArrayLike | None: object,
    Sequence[float]: object,
    Sequence[int]: object,
    int: int | np.integer,
    float: float | int | np.number,
}
checked = beartype(conf=BeartypeConf(hint_overrides=FrozenDict(ALIKE)))
MOST = 200
"""Calls of a test that are checked; the others would only take time."""
calls = itertools.count()


def once(jaxtyped):
    """`jaxtyping.jaxtyped` for what has annotations, once: a function inside a function is defined anew at each call, and
    would be decorated anew, for milliseconds."""

    @functools.wraps(jaxtyped)
    def decorator(*given, **options):
        decorate = jaxtyped(*given, **options)

        def decorated(what):
            if isinstance(what, type):
                return decorate(what)
            if not what.__annotations__:
                return what
            return _inner(what, decorate) if "<locals>" in what.__qualname__ else decorate(what)

        return decorated

    return decorator


shells: dict[types.CodeType, tuple] = {}
"""By code of an inner function: what checks its calls, and which of its definitions is called."""


def _inner(function, decorate):
    if jaxtyping.config.jaxtyping_disable:
        return function
    if function.__code__ not in shells:
        called = [function]

        @functools.wraps(function)
        def shell(*args, **given):
            return called[0](*args, **given)

        shells[function.__code__] = decorate(shell), called
    checks, called = shells[function.__code__]

    @functools.wraps(function)
    def checked(*args, **given):
        called[0] = function
        return checks(*args, **given)

    return checked


def begin(wanted: bool) -> None:
    """Check the calls that follow, if that is wanted."""
    global calls
    calls = itertools.count()
    jaxtyping.config.update("jaxtyping_disable", not wanted)


def check(function):
    """The function, its arguments and results checked as long as there are few calls."""
    inner = checked(function)
    if isinstance(function, type):
        return inner

    @functools.wraps(function)
    def counted(*args, **given):
        if next(calls) == MOST:
            jaxtyping.config.update("jaxtyping_disable", True)
        return inner(*args, **given)

    return counted
