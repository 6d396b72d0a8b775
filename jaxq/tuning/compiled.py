"""A function of parameters, compiled where that is possible."""

from collections.abc import Callable
from typing import Any

import jax


def compiled(function: Callable) -> Callable:
    """``function``, compiled if it can be traced, and as it is if it needs to know its arguments."""
    chosen: Callable | None = None

    def call(*args: Any) -> Any:
        nonlocal chosen
        if chosen is None:
            program = jax.jit(function)
            try:
                found = program(*args)
            except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
                chosen = function
            else:
                chosen = program
                return found
        return chosen(*args)

    return call
