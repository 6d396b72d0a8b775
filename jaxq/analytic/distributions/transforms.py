"""Laws of mean 1 on [0, inf), each named by (name, parameter).

    name               parameter                  scv
    "exponential"      None                       1
    "deterministic"    None                       0
    "erlang"           k, integer shape >= 1      1/k
    "hyperexponential" scv > 1                    parameter; two phases with balanced means, p1/r1 = p2/r2 = 1/2
    "lognormal"        scv > 0                    parameter
    "gamma"            scv > 0                    parameter
    "weibull"          k, shape > 0               Gamma(1 + 2/k) / Gamma(1 + 1/k)^2 - 1
    "pareto"           a, index > 1               1 / (a (a-2)), infinite for a <= 2; P(X > x) = ((a-1) / (a x))^a
    "phase-type"       (b, T)                     initial vector b, sub-generator T, taken over the mean -b T^-1 1
    "empirical"        values >= 0, not all 0     that of the values, each as likely, taken over their mean

scv is the squared coefficient of variation, variance / mean^2. A law of rate r is X / r with X one of these.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jaxq.analytic.distributions.forms as forms
from jaxq.checks import FieldError, nonnegative

Law = tuple[str, Any]

_FORMS: dict[str, Callable[[Any], forms.Form]] = {
    "exponential": forms.exponential,
    "deterministic": forms.deterministic,
    "erlang": forms.erlang,
    "hyperexponential": forms.hyperexponential,
    "lognormal": forms.lognormal,
    "gamma": forms.gamma,
    "weibull": forms.weibull,
    "pareto": forms.pareto,
    "phase-type": forms.phase_type,
    "empirical": forms.empirical,
}
NAMES = tuple(_FORMS)


def _form(name: str, parameter: Any) -> forms.Form:
    """The law of a name, its parameter checked."""
    if name not in _FORMS:
        raise FieldError("law name", name, f"must be one of {', '.join(NAMES)}")
    return _FORMS[name](parameter)


def scv(name: str, parameter: Any) -> float:
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
    return _form(name, parameter).scv


def moment(name: str, parameter: Any, order: int) -> float:
    """Moment of order 1, 2 or 3 of a law.

    Formula: E[X^n]: exponential n!; deterministic 1; erlang and gamma prod_{i<n} (1 + i/k); lognormal
    (1 + scv)^(n(n-1)/2); hyperexponential n! (p1 r1^-n + p2 r2^-n); weibull Gamma(1 + n/k) / Gamma(1 + 1/k)^n; pareto
    a ((a-1)/a)^n / (a-n); phase-type n! b (-T)^-n 1 and empirical the mean power, over the n-th power of the mean.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.
        order: n, 1 to 3.

    Returns:
        E[X^n], no unit; infinite for a pareto law of index <= n.

    Raises:
        ValueError: as `scv`, or order is none of 1, 2, 3.

    Source: Whitt (1982), Operations Research 30(1), 125-147, for the balanced hyperexponential.
    """
    form = _form(name, parameter)
    if isinstance(order, bool) or order not in (1, 2, 3):
        raise FieldError("order", order, "must be 1, 2 or 3")
    return (1.0, *form.moments)[order - 1]


def laplace(name: str, parameter: Any) -> Callable[[float], float]:
    """Laplace transform of a law.

    Formula: s -> E exp(-s X): exponential 1/(1+s); deterministic e^-s; erlang and gamma (1 + s/k)^-k; hyperexponential
    p1 r1/(r1+s) + p2 r2/(r2+s); phase-type b (sI - T)^-1 (-T) 1; empirical the mean exponential; lognormal, weibull
    and pareto by the trapezoid rule over a variable in which the integrand decays and is analytic.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        The transform, a function of s >= 0 (no unit); it raises ValueError for other s.

    Raises:
        ValueError: as `scv`.

    Source: Trefethen and Weideman (2014), SIAM Review 56(3), for the trapezoid rule's exponential convergence.
    """
    transform, _ = _form(name, parameter).transforms()
    return lambda s: transform(nonnegative("s", s))


def laplace_complement(name: str, parameter: Any) -> Callable[[float], float]:
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
    _, complement = _form(name, parameter).transforms()
    return lambda s: complement(nonnegative("s", s))


def stopped_mean(name: str, parameter: Any) -> tuple[forms.Curve, tuple[float, ...]]:
    """The mean of a law that is cut off, as a function of where.

    Formula: x -> E min(X, x) = int_0^x P(X > u) du.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        The function, of float64 arrays of x >= 0 with one axis (no unit), and the x > 0 at which its slope jumps.

    Raises:
        ValueError: as `scv`.

    Source: Klugman, Panjer and Willmot (2012), Loss Models, Section 3.1 and Appendix A (limited expected values).
    """
    form = _form(name, parameter)
    return form.stopped, tuple(x for x in form.kinks if x > 0)


def tail(name: str, parameter: Any) -> forms.Curve:
    """The tail of a law.

    Formula: x -> P(X > x), continuous from the right.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        The function, of float64 arrays of x >= 0 with one axis (no unit).

    Raises:
        ValueError: as `scv`.

    Source: Klugman, Panjer and Willmot (2012), Loss Models, Appendix A.
    """
    return _form(name, parameter).tail


def phases(name: str, parameter: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """A law as the absorption time of a Markov chain.

    Formula: P(X > x) = b exp(T x) 1.

    Args:
        name: one of `NAMES`.
        parameter: the law's parameter, see the module's table, no unit.

    Returns:
        (b, T), shapes (phases,) and (phases, phases), T of mean 1 (no unit); None where the law has no such form, or one of
        more than 32 phases.

    Raises:
        ValueError: as `scv`.

    Source: Neuts (1981), Matrix-Geometric Solutions in Stochastic Models, Section 2.2.
    """
    return _form(name, parameter).phases
