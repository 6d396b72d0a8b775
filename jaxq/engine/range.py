"""The numbers that the 32 bits of the compiled loop can hold."""

import jax
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.model import Model
from jaxq.engine.process import Process

SMALLEST, LARGEST = 1e-28, 1e37
"""Least and largest absolute value of a number in the compiled loop, 0 apart: float32 with room for sums and products."""


def check_range(system: Model, process: Process) -> None:
    """ValueError that names the field unless the numbers of a system, and of its process, fit the compiled loop.

    That is 0, infinity, or from 1e-28 to 1e37 in absolute value for a float; under 2**31 for an integer.
    """
    for part in (system, process):
        for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0]:
            array = np.ravel(np.asarray(leaf))
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            if array.dtype.kind == "f":
                size = np.abs(array)
                wrong = array[(size > 0) & (size < SMALLEST) | np.isfinite(array) & (size > LARGEST)]
                rule = f"0, or from {SMALLEST:g} to {LARGEST:g} in absolute value, in 32 bits (change the unit)"
            else:
                wrong = array[(array >= 2**31) | (array < -(2**31))] if array.dtype.kind == "i" else array[:0]
                rule = "under 2**31, in 32 bits"
            if wrong.size:
                raise FieldError(name, wrong[0], f"must be {rule}", short=True)
    step_time = process.step_time()
    if step_time is not None and 0 < step_time < 1 / LARGEST:
        rule = f"must be at most {LARGEST:g}, in 32 bits (change the unit)"
        raise FieldError("total rate", 1 / step_time, rule, short=True)
