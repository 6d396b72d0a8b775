"""One server, first come first served, Poisson arrivals and services in phases: the law of the wait in M/PH/1."""

from collections.abc import Callable

import numpy as np

from jaxq.analytic.distributions.forms import exponentials
from jaxq.analytic.distributions.transforms import Law, phases
from jaxq.checks import positive, stable_load


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
    rho = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
    stable_load(rho, 1)
    known = phases(*law)
    if known is None:
        return None
    initial, generator = known
    under_way = np.linalg.solve(-generator.T, initial)
    under_way = under_way / under_way.sum()
    renewed = (generator - rho * np.outer(generator.sum(axis=1), under_way)) * service_rate
    return lambda t: float(rho * under_way @ exponentials(renewed[None] * t)[0].sum(axis=1))
