"""M/M/c/K+M: Poisson arrivals, c exponential servers, room for K, exponential patience."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.markov.birth_death import stationary
from jaxq.analytic.stations.erlang import erlang_c
from jaxq.checks import integer, nonnegative, positive, stable_load

_LOG_TAIL = math.log(1e-16)
_MOST_STATES = 5_000_000


class TooManyStates(ValueError):
    """The chain is too long to be solved here."""


def mmc(
    arrival_rate: float,
    service_rate: float,
    servers: int,
    abandonment_rate: float | None = None,
    capacity: int | None = None,
) -> dict[str, float]:
    """Stationary performance of M/M/c/K+M (Erlang A with a finite room).

    Formula: birth-death chain with birth rate lambda (n < K) and death rate mu min(n, c) + theta (n - c)^+. With
    neither abandonment nor capacity: Erlang C and its geometric tail. Otherwise the
    chain ends at K or where what is left out is below 1e-16 of what is above c (a loss there counts as 0).

    Args:
        arrival_rate: lambda, 1/time.
        service_rate: mu of one server, 1/time.
        servers: c, customers.
        abandonment_rate: theta of one waiting customer, 1/time; None or 0 for none.
        capacity: K, most customers in the system, those in service included; None for no limit.

    Returns:
        number_in_system: mean customers in the system.
        queue_length: mean customers waiting.
        waiting_time: mean time in queue of an admitted customer, those who abandon included.
        probability_wait: an admitted customer finds all servers busy.
        probability_abandon: an admitted customer abandons.
        probability_block: an arrival is lost; 0 without a capacity.
        utilisation: mean busy servers / servers.

    Raises:
        ValueError: an argument is out of its range, there is no stationary regime (neither capacity nor abandonment
            and load >= servers), or the chain needs more than 5 million states.

    Source: Cooper (1981), Introduction to Queueing Theory, Sections 3.3-3.4; Garnett, Mandelbaum and Reiman (2002),
    M&SOM 4(3), for the abandonments.
    """
    arrival_rate = positive("arrival_rate", arrival_rate)
    service_rate = positive("service_rate", service_rate)
    servers = integer("servers", servers, 1)
    abandonment_rate = 0.0 if abandonment_rate is None else nonnegative("abandonment_rate", abandonment_rate)
    if capacity is not None:
        capacity = integer("capacity", capacity, servers)
    elif abandonment_rate == 0:
        return _mmc_unlimited(arrival_rate, service_rate, servers)

    probabilities = _probabilities(arrival_rate, service_rate, servers, abandonment_rate, capacity)
    customers = np.arange(probabilities.size)
    blocked = float(probabilities[capacity]) if capacity is not None and capacity < probabilities.size else 0.0
    full = slice(servers, capacity)
    # The sum of the states that admit, not 1 - blocked: in heavy overload the difference has no digits left.
    admitted = float(probabilities[:capacity].sum())
    queue_length = float(probabilities[servers:] @ (customers[servers:] - servers))
    busy = float(probabilities @ np.minimum(customers, servers))
    return {
        "number_in_system": busy + queue_length,
        "queue_length": queue_length,
        "waiting_time": queue_length / (arrival_rate * admitted),
        "probability_wait": float(probabilities[full].sum()) / admitted,
        "probability_abandon": abandonment_rate * queue_length / (arrival_rate * admitted),
        "probability_block": blocked,
        "utilisation": busy / servers,
    }


def number_tail(
    arrival_rate: float,
    service_rate: float,
    servers: int,
    abandonment_rate: float | None = None,
    capacity: int | None = None,
) -> Callable[[float], float]:
    """The tail of the stationary number in M/M/c/K+M.

    Formula: of the chain of `mmc`. With neither abandonment nor capacity P(N > n) = C rho^(n-c+1) from n = c - 1 on, C of
    Erlang's formula and rho = lambda / (c mu); below, N is Poisson with mean lambda / mu given that it is less than c.

    Args:
        arrival_rate, service_rate, servers, abandonment_rate, capacity: as `mmc`.

    Returns:
        x -> P(N > x), for x >= 0, customers.

    Raises:
        ValueError: as `mmc`.

    Source: Cooper (1981), Introduction to Queueing Theory, Sections 3.3-3.4.
    """
    if capacity is None and not abandonment_rate:
        from scipy.special import pdtr

        load = positive("arrival_rate", arrival_rate) / positive("service_rate", service_rate)
        waits, below = erlang_c(servers, load), float(pdtr(servers - 1, load))

        def unlimited(x: float) -> float:
            n = math.floor(x)
            if n >= servers - 1:
                return waits * (load / servers) ** (n - servers + 1)
            return 1 - (1 - waits) * float(pdtr(n, load)) / below

        return unlimited
    patience = 0.0 if abandonment_rate is None else abandonment_rate
    probabilities = _probabilities(arrival_rate, service_rate, servers, patience, capacity)
    above = np.append(np.cumsum(probabilities[:0:-1])[::-1], 0.0)
    return lambda x: float(above[min(math.floor(x), len(above) - 1)])


def _mmc_unlimited(arrival_rate: float, service_rate: float, servers: int) -> dict[str, float]:
    load = arrival_rate / service_rate
    stable_load(load, servers)
    probability_wait = erlang_c(servers, load)
    queue_length = probability_wait * load / (servers - load)
    return {
        "number_in_system": load + queue_length,
        "queue_length": queue_length,
        "waiting_time": queue_length / arrival_rate,
        "probability_wait": probability_wait,
        "probability_abandon": 0.0,
        "probability_block": 0.0,
        "utilisation": load / servers,
    }


def _probabilities(
    arrival_rate: float, service_rate: float, servers: int, abandonment_rate: float, capacity: int | None
) -> NDArray[np.float64]:
    """State probabilities, shape (n+1,), n the capacity or the customer count where the tail is negligible."""
    waiting_room = 256
    while True:
        last = servers + waiting_room if capacity is None else min(capacity, servers + waiting_room)
        if last > _MOST_STATES:
            raise TooManyStates(
                f"arrival_rate = {arrival_rate}, service_rate = {service_rate}, servers = {servers}, abandonment_rate = "
                f"{abandonment_rate}, capacity = {capacity} need more than the {_MOST_STATES} states allowed"
            )
        customers = np.arange(1, last + 1)
        death = service_rate * np.minimum(customers, servers) + abandonment_rate * np.maximum(customers - servers, 0)
        if last == capacity or _tail_negligible(arrival_rate, death[servers:], last):
            return stationary(np.full(last, arrival_rate), death)
        waiting_room *= 2


def _tail_negligible(arrival_rate: float, death: NDArray[np.float64], last: int) -> bool:
    """Whether the states above the last, given the death rates from c+1 on, weigh too little to count.

    The ratios beyond the last are below its ratio r: sum_j (last + j) r^j <= last r / (1-r)^2.
    """
    ratio = arrival_rate / death[-1]
    if ratio >= 1:
        return False
    log_weights = np.cumsum(np.log(arrival_rate / death))
    log_left_out = log_weights[-1] + math.log(last) - 2 * math.log1p(-ratio)
    return bool(log_left_out < max(log_weights.max(), 0.0) + _LOG_TAIL)
