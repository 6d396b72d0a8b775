"""One server, first come first served, Poisson arrivals and services in phases: the laws of the wait and of the time
in M/PH/1."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from jaxq.analytic.distributions.forms import exponentials
from jaxq.analytic.distributions.transforms import Law, phases
from jaxq.checks import positive, stable_load

_LOG_TAIL = 2000.0
_MOST_STEPS = 20_000


def mph1_wait_tail(arrival_rate: float, service_rate: float, law: Law) -> Callable[[float], float] | None:
    """The tail of the stationary wait in M/PH/1.

    Formula: with the service time S / mu and P(S > s) = b e^(T s) 1 of mean 1, P(W > t) = rho p e^((T - rho T 1 p) mu t) 1,
    p = -b T^-1 the phase of a service that is under way: the wait is a geometric number of what is left of services.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.
        law: (name, parameter) of the service time's law, see `laws`.

    Returns:
        t -> P(W > t), for t >= 0, time; None for a law without phases (`distributions.transforms.phases`).

    Raises:
        ValueError: a rate is not positive and finite, the law is unknown, or rho >= 1 (no stationary regime).

    Source: Neuts (1981), Matrix-Geometric Solutions in Stochastic Models, Section 2.7; Asmussen (2003), Applied Probability
    and Queues, Chapter IX, Section 3.
    """
    known = _phases(arrival_rate, service_rate, law)
    return None if known is None else _tail(*known[0])


def mph1_sojourn_tail(arrival_rate: float, service_rate: float, law: Law) -> Callable[[float], float] | None:
    """The tail of the stationary time in M/PH/1.

    Formula: that of the wait, see `mph1_wait_tail`, in whose last phase the service begins, or at once with probability
    1 - rho.

    Args:
        arrival_rate, service_rate, law: as `mph1_wait_tail`.

    Returns:
        t -> P(W + S / mu > t), for t >= 0, time; None for a law without phases.

    Raises:
        ValueError: as `mph1_wait_tail`.

    Source: as `mph1_wait_tail`.
    """
    known = _phases(arrival_rate, service_rate, law)
    if known is None:
        return None
    (waiting, wait), (initial, service) = known
    begins = np.outer(-wait.sum(axis=1), initial)
    both = np.block([[wait, begins], [np.zeros_like(begins.T), service]])
    return _tail(np.concatenate((waiting, (1 - waiting.sum()) * initial)), both)


Phases = tuple[NDArray[np.float64], NDArray[np.float64]]


def _phases(arrival_rate: float, service_rate: float, law: Law) -> tuple[Phases, Phases] | None:
    """Initial vectors and sub-generators, 1/time, of the wait and of a service."""
    rho = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(rho, 1)
    known = phases(*law)
    if known is None:
        return None
    initial, generator = known
    under_way = np.linalg.solve(-generator.T, initial)
    under_way = under_way / under_way.sum()
    renewed = generator - rho * np.outer(generator.sum(axis=1), under_way)
    return (rho * under_way, renewed * service_rate), (initial, generator * service_rate)


def _tail(initial: NDArray[np.float64], generator: NDArray[np.float64]) -> Callable[[float], float]:
    """P(T > t) = b e^(G t) 1 by uniformization: a Poisson number of steps with the chain I + G / r, after k of which b (I +
    G / r)^k 1 of it is left. Every term is positive. Where there are too many steps, by squaring."""
    rate = float(-generator.diagonal().min())
    least = float(np.abs(np.linalg.eigvals(generator).real).min())  # the tail decays as e^(-least t)
    step, state, left = np.eye(len(initial)) + generator / rate, initial, [float(initial.sum())]

    def tail(t: float) -> float:
        nonlocal state
        if least * t > _LOG_TAIL:
            return 0.0
        mean = rate * t
        if mean > _MOST_STEPS:
            return float(initial @ exponentials(generator[None] * t)[0].sum(axis=1))
        last = math.ceil(mean + 12 * math.sqrt(mean) + 60)
        while len(left) <= last:
            state = state @ step
            left.append(float(state.sum()))
        k = np.arange(last + 1)
        return float(np.exp(xlogy(k, mean) - mean - gammaln(k + 1)) @ left[: last + 1])

    return tail
