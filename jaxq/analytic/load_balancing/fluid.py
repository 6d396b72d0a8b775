"""Drift-based fluid limit of speed-aware JSQ: paths, hitting times and the curves of Section 6.1.

Paper: Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497. The state is x = (x_1, x_2), x_1 <= 0 minus the idle servers
and x_2 >= 0 the servers of the fastest type with two jobs, both divided by n; n = 1 gives the diffusion scale. Moving
by drift alone, x_1 is pushed back at 0 as Y_{M,1} is by U in Eq. 3.9. Types enter through mu_1 and mu_M only.

Printed slips corrected here: curves exist for kappa >= beta / mu_1 (not beta / sqrt(n)); below the lowest of them tau is
infinite also at x_1 = 0, where the path leaves the axis at once.
"""

import math
from collections.abc import Callable
from typing import Any

from scipy.optimize import brentq

from jaxq.analytic.load_balancing.arguments import limit_rates
from jaxq.checks import FieldError, integer, nonnegative, number, positive


def hitting_time(
    x1: float, x2: float, beta: float, fastest_rate: float, slowest_rate: float, servers: int = 1
) -> float:
    """Time tau(x) at which the fluid path reaches the axis x_1 = 0 to stay there for a while.

    Formula: least root of -b/mu_M + (x_1 + b/mu_M) e^{-mu_M t} + mu_1 x_2 h(t) = 0 with b = beta / sqrt(n), h(t) =
    (e^{-mu_M t} - e^{-mu_1 t}) / (mu_1 - mu_M), while mu_1 x_2 e^{-mu_1 t} >= b; infinite if there is none.

    Args:
        x1: at most 0.
        x2: 0 or more.
        beta: sqrt(n) (1 - lambda^(n)).
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        servers: n.

    Returns:
        tau, or infinity.

    Raises:
        ValueError: an argument is out of its range.

    Source: Eqs. 6.50-6.52 and Lemma 6.5.
    """
    x1, x2 = _state(x1, x2)
    b, fast, slow = _drift(beta, fastest_rate, slowest_rate, servers)
    if fast * x2 < b:
        return math.inf
    last = math.log(fast * x2 / b) / fast

    def gap(t: float) -> float:
        # Times e^{mu_M t} it increases on [0, last].
        return _first(x1, x2, t, b, fast, slow)

    if x1 == 0:
        return 0.0
    if gap(last) < 0:
        return math.inf
    return _root(gap, last)


def fluid_path(
    x1: float, x2: float, time: float, beta: float, fastest_rate: float, slowest_rate: float, servers: int = 1
) -> tuple[float, float]:
    """Position v^x(t) of the fluid path.

    Formula: (v_1, x_2 e^{-mu_1 t}) off the axis, v_1 as in `hitting_time`; on the axis x_2 falls at rate beta / sqrt(n)
    down to beta / (mu_1 sqrt(n)); then off the axis for good.

    Args:
        x1: at most 0.
        x2: 0 or more.
        time: 0 or more.
        beta: sqrt(n) (1 - lambda^(n)).
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        servers: n.

    Returns:
        v_1, v_2.

    Raises:
        ValueError: an argument is out of its range.

    Source: Eqs. 6.49-6.51 and 6.59.
    """
    x1, x2 = _state(x1, x2)
    time = nonnegative("time", time)
    b, fast, slow = _drift(beta, fastest_rate, slowest_rate, servers)
    tau = hitting_time(x1, x2, beta, fastest_rate, slowest_rate, servers)
    if time <= tau:
        return min(_first(x1, x2, time, b, fast, slow), 0.0), x2 * math.exp(-fast * time)
    landed = x2 * math.exp(-fast * tau)
    on_axis = max(landed / b - 1 / fast, 0.0)
    if time <= tau + on_axis:
        return 0.0, landed - b * (time - tau)
    rest = time - tau - on_axis
    return _first(0.0, b / fast, rest, b, fast, slow), b / fast * math.exp(-fast * rest)


def entry_curve(
    x1: float, kappa: float, beta: float, fastest_rate: float, slowest_rate: float, servers: int = 1
) -> tuple[float, float]:
    """The curve Gamma^kappa: the height from which the path reaches the axis at kappa / sqrt(n).

    Formula: the root (x_2*, tau*) of `hitting_time`'s equation with x_2 e^{-mu_1 tau} = kappa / sqrt(n).

    Args:
        x1: at most 0.
        kappa: at least beta / mu_1.
        beta: sqrt(n) (1 - lambda^(n)).
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        servers: n.

    Returns:
        x_2*(x_1, kappa) and tau*(x_1, kappa).

    Raises:
        ValueError: an argument is out of its range.

    Source: Lemma 6.4 and Eq. 6.54.
    """
    x1, _ = _state(x1, 0.0)
    b, fast, slow = _drift(beta, fastest_rate, slowest_rate, servers)
    landing = _kappa(kappa, beta, fast) / math.sqrt(servers)

    def gap(t: float) -> float:
        # Increasing from x1, so the root is unique.
        return math.exp(-slow * t) * (x1 - b * _growth(slow, t)) + fast * landing * _growth(fast, t, slow)

    if x1 == 0:
        return landing, 0.0
    bound = 1 / fast
    while gap(bound) < 0:
        bound *= 2
    tau = _root(gap, bound)
    return landing * math.exp(fast * tau), tau


def _state(x1: float, x2: float) -> tuple[float, float]:
    return -nonnegative("-x1", -number("x1", x1)), nonnegative("x2", x2)


def _drift(beta: float, fastest_rate: float, slowest_rate: float, servers: int) -> tuple[float, float, float]:
    beta, fast, slow = limit_rates(beta, fastest_rate, slowest_rate)
    return beta / math.sqrt(integer("servers", servers, 1)), fast, slow


def _kappa(kappa: float, beta: float, fast: float) -> float:
    kappa = positive("kappa", kappa)
    if kappa < beta / fast:
        raise FieldError("kappa", kappa, f"must be at least beta / mu_1 = {beta / fast}")
    return kappa


def _root(gap: Callable[[float], float], high: float) -> float:
    root: Any = brentq(gap, 0.0, high, xtol=1e-15)
    return float(root)


def _growth(rate: float, t: float, base: float = 0.0) -> float:
    """int_0^t e^{(rate - base) s} ds, also for rate = base."""
    return t if rate == base else math.expm1((rate - base) * t) / (rate - base)


def _first(x1: float, x2: float, t: float, b: float, fast: float, slow: float) -> float:
    """v_1(t) off the axis: e^{-mu_M t} (x_1 - b int e^{mu_M s} + mu_1 x_2 int e^{(mu_M - mu_1) s})."""
    return math.exp(-slow * t) * (x1 - b * _growth(slow, t) + fast * x2 * _growth(slow, t, fast))
