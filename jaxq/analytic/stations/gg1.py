"""Single-server first-come-first-served queues: M/G/1, GI/M/1, bounds for GI/G/1, and M/M/1's waiting quantile."""

from collections.abc import Callable
from typing import Any

from jaxq.analytic.distributions.transforms import Law, laplace, laplace_complement, moment, scv
from jaxq.checks import number, positive, stable_load

Function = Callable[[float], float]


def _utilisation(arrival_rate: float, service_rate: float) -> float:
    utilisation = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(utilisation, 1)
    return utilisation


def mg1(arrival_rate: float, service_rate: float, law: Law) -> dict[str, float]:
    """Stationary performance of M/G/1.

    Formula: E[W] = lambda E[S^2] / (2 (1-rho)) (Pollaczek-Khinchine);
    Var[W] = E[W]^2 + lambda E[S^3] / (3 (1-rho)) (Takacs).

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.
        law: (name, parameter) of the service time's law, see `laws`; the service time is X / mu.

    Returns:
        waiting_time: mean time in queue.
        waiting_time_variance: its variance, time^2.
        sojourn_time: mean time in the system.
        queue_length: mean customers waiting.
        probability_wait: a customer finds the server busy.
        utilisation: rho = lambda / mu.

    Raises:
        ValueError: a rate is not positive and finite, the law is unknown, or rho >= 1 (no stationary regime).

    Source: Kleinrock (1975), Queueing Systems I, Section 5.7.
    """
    rho = _utilisation(arrival_rate, service_rate)
    waiting_time = rho * moment(*law, 2) / (2 * service_rate * (1 - rho))
    return {
        "waiting_time": waiting_time,
        "waiting_time_variance": waiting_time**2 + rho * moment(*law, 3) / (3 * service_rate**2 * (1 - rho)),
        "sojourn_time": waiting_time + 1 / service_rate,
        "queue_length": arrival_rate * waiting_time,
        "probability_wait": rho,
        "utilisation": rho,
    }


def gm1(arrival_rate: float, service_rate: float, arrival_law: Law) -> dict[str, float]:
    """Stationary performance of GI/M/1.

    Formula: E[W] = sigma / (mu (1-sigma)), sigma the root in (0, 1) of sigma = A*(mu (1-sigma)), A* the Laplace
    transform of the time between arrivals.

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.
        arrival_law: (name, parameter) of the law between arrivals, see `laws`; that time is X / lambda.

    Returns:
        waiting_time: mean time in queue.
        sojourn_time: mean time in the system.
        queue_length: mean customers waiting, a time average.
        probability_wait: sigma, an arriving customer finds the server busy.
        utilisation: rho = lambda / mu.

    Raises:
        ValueError: a rate is not positive and finite, the law is unknown, rho >= 1 (no stationary regime), or
            rho is so near 1 that float64 does not resolve sigma (the relative error grows as 2e-16 / (1-rho)).

    Source: Kleinrock (1975), Queueing Systems I, Chapter 6.
    """
    rho = _utilisation(arrival_rate, service_rate)
    sigma, complement = root(rho, *gaps(arrival_law))
    waiting_time = sigma / (service_rate * complement)
    return {
        "waiting_time": waiting_time,
        "sojourn_time": waiting_time + 1 / service_rate,
        "queue_length": arrival_rate * waiting_time,
        "probability_wait": sigma,
        "utilisation": rho,
    }


def gaps(arrival_law: Law, batch_mean: float = 1.0) -> tuple[Function, Function]:
    """Transforms of the time between customers, of mean 1, where they come in geometric batches.

    Formula: with m customers in a mean batch and X the time between batches over its mean, the time between customers is
    0 with probability 1 - 1/m, else m X, whatever came before: s -> 1 - 1/m + E exp(-s m X) / m, and s ->
    E[1 - exp(-s m X)] / m.

    Args:
        arrival_law: (name, parameter) of X, see `laws`.
        batch_mean: m, customers; 1: they come one by one.

    Returns:
        The transform and 1 minus it, functions of s >= 0 (no unit).

    Raises:
        ValueError: the law is unknown.

    Source: the lack of memory of the geometric law.
    """
    busy, idle, m = laplace(*arrival_law), laplace_complement(*arrival_law), number("batch_mean", batch_mean, 1)
    return (busy, idle) if m == 1 else (lambda s: 1 - 1 / m + busy(m * s) / m, lambda s: idle(m * s) / m)


def root(rho: float, busy: Function, idle: Function) -> tuple[float, float]:
    """The geometric ratio of GI/M/c as customers find it.

    Formula: the root in (0, 1) of sigma = X*((1-sigma) / rho), X* the Laplace transform of the law between arrivals
    with mean 1.

    Args:
        rho: utilisation of a server, in (0, 1).
        busy, idle: X* and 1 - X*, see `gaps`.

    Returns:
        (sigma, 1 - sigma), each with its own digits.

    Raises:
        ValueError: rho is so near 1 that float64 does not resolve sigma (the relative error of 1 - sigma grows as
            2e-16 / (1-rho)).

    Source: Kleinrock (1975), Queueing Systems I, Chapter 6.
    """
    from scipy.optimize import brentq

    # In the complement u = 1 - sigma the trivial root u = 0 divides out, and what is left decreases from 1/rho - 1.
    def excess(complement: float) -> float:
        return idle(complement / rho) / complement - 1

    least = 0.5
    while excess(least) <= 0:
        least /= 2
        if least < 1e-15:
            raise ValueError(f"load (arrival rate / service rate) = {rho!r} is too close to 1 to find sigma in float64")
    complement: Any = brentq(excess, least, 1.0, xtol=1e-300, rtol=1e-15)  # pyright: ignore[reportArgumentType]
    # One step of the fixed point keeps sigma's digits where it is small.
    return busy(complement / rho), complement


def gg1_bounds(arrival_rate: float, service_rate: float, arrival_law: Law, service_law: Law) -> tuple[float, float]:
    """Bounds on the mean waiting time of GI/G/1.

    Formula: with A the time between arrivals and S the service time,
    lower = max(0, [lambda^2 Var S - rho (2-rho)] / (2 lambda (1-rho))) (Marchal),
    upper = lambda (Var A + Var S) / (2 (1-rho)) (Kingman).

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu, 1/time.
        arrival_law: (name, parameter) of the law between arrivals, see `laws`; A = X / lambda.
        service_law: (name, parameter) of the service time's law; S = X / mu.

    Returns:
        (lower, upper), mean time in queue.

    Raises:
        ValueError: a rate is not positive and finite, a law is unknown, or rho >= 1 (no stationary regime).

    Source: Kingman (1962), Proc. Cambridge Phil. Soc. 58; Kleinrock (1976), Queueing Systems II, Chapter 2.
    """
    rho = _utilisation(arrival_rate, service_rate)
    scale = 2 * arrival_rate * (1 - rho)
    service_term = rho**2 * scv(*service_law)
    return max(0.0, (service_term - rho * (2 - rho)) / scale), (scv(*arrival_law) + service_term) / scale
