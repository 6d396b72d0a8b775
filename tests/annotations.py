"""Types and shapes that annotations promise, checked at the first calls of a test: a check takes .2 ms."""

import functools
import itertools
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
