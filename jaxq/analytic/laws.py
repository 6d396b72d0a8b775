"""Positive laws of mean 1, each named by (name, parameter).

    name               parameter                  scv
    "exponential"      None                       1
    "deterministic"    None                       0
    "erlang"           k, integer shape >= 1      1/k
    "hyperexponential" scv > 1                    parameter; two phases with balanced means, p1/r1 = p2/r2 = 1/2
    "lognormal"        scv > 0                    parameter

scv is the squared coefficient of variation, variance / mean^2. A law of rate r is X / r with X one of these.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxq.analytic.arguments import count, non_negative, number, positive

Law = tuple[str, float | None]

NAMES = ("exponential", "deterministic", "erlang", "hyperexponential", "lognormal")


def _parameter(name: str, parameter: Any) -> Any:
    """The parameter, checked: a number, None for the laws that take none."""
    if name not in NAMES:
        raise ValueError(f"law name = {name!r} is not allowed: it must be one of {', '.join(NAMES)}")
    if name == "erlang":
        return count("erlang parameter (shape)", parameter, 1)
    if name == "hyperexponential":
        return number("hyperexponential parameter (scv)", parameter, "a finite number above 1", above=1.0)
    if name == "lognormal":
        return positive("lognormal parameter (scv)", parameter)
    if parameter is not None:
        raise ValueError(f"{name} parameter = {parameter!r} is not allowed: it must be None")
    return None


def _balanced_phases(scv: float) -> tuple[float, float]:
    """Probabilities (p1, p2) of the two phases; their rates are 2 p1 and 2 p2."""
    first = (1 + math.sqrt((scv - 1) / (scv + 1))) / 2
    return first, 1 / (2 * (scv + 1) * first)


def scv(name: str, parameter: float | None) -> float:
    """Squared coefficient of variation of a law.

    Formula: E[X^2] - 1, the mean being 1.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        Variance / mean^2, no unit.

    Raises:
        ValueError: the name is unknown or the parameter is not one of that law.

    Source: Whitt (1982), Operations Research 30(1), 125-147, for the balanced hyperexponential.
    """
    checked = _parameter(name, parameter)
    if name == "exponential":
        return 1.0
    if name == "deterministic":
        return 0.0
    return 1 / checked if name == "erlang" else checked


def moment(name: str, parameter: float | None, order: int) -> float:
    """Moment of order 1, 2 or 3 of a law.

    Formula: E[X^n]: exponential n!; deterministic 1; erlang prod_{i<n} (1 + i/k); lognormal (1 + scv)^(n(n-1)/2);
    hyperexponential n! (p1 r1^-n + p2 r2^-n).

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.
        order: n, 1 to 3.

    Returns:
        E[X^n], no unit.

    Raises:
        ValueError: as `scv`, or order is none of 1, 2, 3.

    Source: Whitt (1982), Operations Research 30(1), 125-147, for the balanced hyperexponential.
    """
    checked = _parameter(name, parameter)
    if isinstance(order, bool) or order not in (1, 2, 3):
        raise ValueError(f"order = {order!r} is not allowed: it must be 1, 2 or 3")
    if name == "exponential":
        return float(math.factorial(order))
    if name == "deterministic":
        return 1.0
    if name == "erlang":
        return math.prod(1 + i / checked for i in range(order))
    if name == "lognormal":
        return (1 + checked) ** (order * (order - 1) // 2)
    return math.factorial(order) * sum(p * (2 * p) ** -order for p in _balanced_phases(checked))


def laplace(name: str, parameter: float | None) -> Callable[[float], float]:
    """Laplace transform of a law.

    Formula: s -> E exp(-s X): exponential 1/(1+s); deterministic e^-s; erlang (1 + s/k)^-k; hyperexponential
    p1 r1/(r1+s) + p2 r2/(r2+s); lognormal by the trapezoid rule over the normal variable.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        The transform, a function of s >= 0 (no unit); it raises ValueError for other s.

    Raises:
        ValueError: as `scv`.

    Source: Trefethen and Weideman (2014), SIAM Review 56(3), for the trapezoid rule's exponential convergence.
    """
    transform, _ = _transforms(name, _parameter(name, parameter))
    return lambda s: transform(non_negative("s", s))


def laplace_complement(name: str, parameter: float | None) -> Callable[[float], float]:
    """Complement of the Laplace transform of a law, with all its digits for small s.

    Formula: s -> E[1 - exp(-s X)].

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        The complement, a function of s >= 0 (no unit); it raises ValueError for other s.

    Raises:
        ValueError: as `scv`.

    Source: as `laplace`.
    """
    _, complement = _transforms(name, _parameter(name, parameter))
    return lambda s: complement(non_negative("s", s))


def _transforms(name: str, parameter: Any) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Functions of s: E exp(-s X) and 1 minus it."""
    if name == "exponential":
        return lambda s: 1 / (1 + s), lambda s: s / (1 + s)
    if name == "hyperexponential":
        phases = _balanced_phases(parameter)
        return (
            lambda s: sum(p * 2 * p / (2 * p + s) for p in phases),
            lambda s: sum(p * s / (2 * p + s) for p in phases),
        )
    if name == "deterministic":
        return lambda s: math.exp(-s), lambda s: -math.expm1(-s)
    if name == "erlang":
        return (
            lambda s: math.exp(-parameter * math.log1p(s / parameter)),
            lambda s: -math.expm1(-parameter * math.log1p(s / parameter)),
        )

    # Beyond 12 the normal density is below 1e-31; the step of 1/100 is small against
    # the strip of decay, pi / (2 deviation), for every deviation a float scv can give (below 27).
    deviation = math.sqrt(math.log1p(parameter))
    normal = np.linspace(-12.0, 12.0, 2401)
    weights = np.exp(-(normal**2) / 2)
    weights /= weights.sum()
    values = np.exp(deviation * normal - deviation**2 / 2)
    return lambda s: float(weights @ np.exp(-s * values)), lambda s: float(-weights @ np.expm1(-s * values))
