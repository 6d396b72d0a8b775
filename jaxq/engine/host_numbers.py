"""Numbers in the forms that Python has for them, as plain floats, whole numbers and float64 arrays on the host."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from jaxq.checks import FieldError, is_number


def host_numbers(value: Any) -> Any:
    """``value`` as a number or a float64 array, where it is numbers; anything else as it is, for a rule to refuse.

    Decimals and fractions become floats; lists, tuples, arrays and what has ``to_numpy`` or ``__array__`` (a pandas
    Series, a tensor) arrays; a table of one column is that column; an array without axes is its number. Text, truth
    values, dates and durations are no numbers, alone or in an array. JAX arrays stay.
    """
    if isinstance(value, (Decimal, Fraction)):
        return _float(value)
    if value is None or isinstance(value, (str, bytes, bool, int, float, np.generic, jax.Array, type)):
        return value
    try:
        array = _array(value)
    except Exception:  # uneven lists, and whatever another library's conversion raises
        return value
    if array is None:
        return value
    if array.ndim == 0:
        return host_numbers(array[()])
    if array.ndim == 2 and array.shape[1] == 1 and hasattr(value, "columns"):
        array = array[:, 0]
    if array.dtype.kind == "O" and all(is_number(x) or isinstance(x, (Decimal, Fraction)) for x in array.flat):
        array = np.array([_float(x) for x in array.flat], np.float64).reshape(array.shape)
    return array.astype(np.float64) if array.dtype.kind in "iuf" else value


def off_device(value: Any) -> Any:
    """A JAX array as one of NumPy; what is traced, or a key of random numbers, as it is."""
    traced = isinstance(value, Tracer)
    if not isinstance(value, jax.Array) or traced or jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return value
    return np.asarray(value)


def host_column(name: str, value: Any, rule: str, place: str = "") -> Float[np.ndarray, " values"]:
    """The numbers of a list, an array of one axis or a table of one column, JAX arrays included; float64.

    Raises:
        FieldError: ``name = value: must be rule``, for anything else; ``place`` comes after the name.
    """
    array = host_numbers(np.asarray(value) if isinstance(value, jax.Array) else value)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise FieldError(name, value, f"must be {rule}", place)
    if array.ndim > 1:
        raise FieldError(name, f"numbers of shape {array.shape}", f"must be {rule}, in one column", place)
    return array


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, (Sequence, np.ndarray)):
        return np.asarray(value)
    convert = getattr(value, "to_numpy", None) or getattr(value, "__array__", None)
    return None if convert is None else np.asarray(convert())


def _float(x: Any) -> float:
    try:
        return float(x)
    except OverflowError:
        return np.inf if x > 0 else -np.inf  # no rule allows it
