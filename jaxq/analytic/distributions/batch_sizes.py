"""Laws of how many customers come together, each named by (name, parameter).

name          parameter                 probability of k = 1, 2, ...
"geometric"   m, mean >= 1              (1 - 1/m)^(k-1) / m
"fixed"       K, whole number >= 1      1 at K
"sizes"       p_1, p_2, ..., of sum 1   p_k
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError, integer, number, vector

BatchLaw = tuple[str, Any]

_LOG_TAIL = 58.0
_SLACK = 1e-6


def probabilities(name: str, parameter: Any) -> Float[np.ndarray, " levels"]:
    """Probabilities of 1, 2, 3, ... customers, up to where e^-58 of them are left out.

    Args:
        name: one of those in the module's table.
        parameter: the law's parameter, customers; probabilities of "sizes".

    Returns:
        Shape (levels,), no unit; they sum to 1.

    Raises:
        ValueError: the name is unknown or the parameter is not one of that law.

    Source: the definition of each law.
    """
    if name == "geometric":
        mean = number("geometric parameter (mean)", parameter, 1)
        log_more = math.log1p(-1 / mean) if mean > 1 else -math.inf
        k = np.arange(1 + math.ceil(-_LOG_TAIL / log_more))
        return np.exp(k * log_more) / mean if mean > 1 else np.ones(1)
    if name == "fixed":
        found = np.zeros(integer("fixed parameter (size)", parameter, 1))
        found[-1] = 1.0
        return found
    if name == "sizes":
        found = vector("sizes parameter", parameter, low=0.0)
        if abs(found.sum() - 1) > _SLACK:
            raise FieldError("sizes parameter", parameter, "must sum to 1")
        return found / found.sum()
    raise FieldError("batch law name", name, "must be one of geometric, fixed, sizes")


def excesses(name: str, parameter: Any) -> Float[np.ndarray, "3 levels"]:
    """What of a batch goes beyond each size: with X customers and m = 1, 2, 3, ...

    Formula: P(X >= m), E (X-m+1)^+ and E (X-m+1)^+ (X-m+2) / 2: each row is the sum of the one above from m on, and no
    digits are lost far out. At m = 1 the second is E X, the third E X (X+1) / 2.

    Args:
        name, parameter: as `probabilities`.

    Returns:
        Shape (3, levels), customers or pairs of them.

    Raises:
        ValueError: as `probabilities`.

    Source: summation by parts.
    """
    rows = [probabilities(name, parameter)]
    for _ in range(3):
        rows.append(np.cumsum(rows[-1][::-1])[::-1])
    return np.stack(rows[1:])
