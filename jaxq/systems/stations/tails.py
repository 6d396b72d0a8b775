"""Exact laws of the quantities of stations: numbers in the system, waits and times in the system."""

import math

from jaxq.analytic.stations.ggc import gmc_sojourn_tail, gmc_wait_tail
from jaxq.analytic.stations.impatience import mmcg, mmcg_wait_tail
from jaxq.analytic.stations.mdc import mdc_wait_tail
from jaxq.analytic.stations.mmc import TooManyStates, number_tail
from jaxq.analytic.stations.mph1 import mph1_sojourn_tail, mph1_wait_tail
from jaxq.engine.reference import Tail


def _from_zero(tail: Tail) -> Tail:
    """The tail of what is never negative and always finite."""
    return lambda x: 1.0 if x < 0 else tail(x) if x < math.inf else 0.0


def _later(tail: Tail, time: float) -> Tail:
    """The tail of what takes so much longer."""
    return lambda x: tail(x - time)


def _happens(probability: float) -> Tail:
    """The tail of what is 1 with a probability, else 0."""
    return lambda x: 1.0 if x < 0 else probability if x < 1 else 0.0


def mmc(arrival_rate, service_rate, servers, abandonment_rate, capacity) -> dict[str, Tail]:
    """Numbers in M/M/c/K+M, and whether all servers are busy or the system is full; none of too many states."""
    servers = int(servers)
    patience = None if abandonment_rate is None else float(abandonment_rate)
    room = None if capacity is None else int(capacity)
    try:
        number = number_tail(float(arrival_rate), float(service_rate), servers, patience, room)
    except TooManyStates:
        return {}
    found = {
        "number_in_system": _from_zero(number),
        "queue_length": _from_zero(lambda x: number(x + servers)),
        "all_busy": _happens(number(servers - 1)),
    }
    if patience is not None:
        found["busy"] = _from_zero(lambda x: number(x) if x < servers else 0.0)
    return found if room is None else {**found, "full": _happens(number(room - 1))}


def waits(arrival_rate, service_rate, servers, arrival_law, service_law, batch_law) -> dict[str, Tail]:
    """Waits and times in the system of GI/M/c (in geometric batches too), M/D/c and M/PH/1, and whether there is a wait;
    none where they are not known."""
    rates, servers, wait, sojourn = (float(arrival_rate), float(service_rate)), int(servers), None, None
    batches, mean = batch_law or ("geometric", 1.0)
    if batches == "geometric" and service_law[0] == "exponential":
        wait, sojourn = (tail(*rates, servers, arrival_law, mean) for tail in (gmc_wait_tail, gmc_sojourn_tail))
    elif batch_law is not None:
        return {}
    elif arrival_law[0] == "exponential" and service_law[0] == "deterministic":
        wait = mdc_wait_tail(*rates, servers)
        sojourn = None if wait is None else _later(_from_zero(wait), 1 / rates[1])
    elif arrival_law[0] == "exponential" and servers == 1:
        wait, sojourn = (tail(*rates, service_law) for tail in (mph1_wait_tail, mph1_sojourn_tail))
    if wait is None or sojourn is None:
        return {}
    times = {"waiting_time": _from_zero(wait), "sojourn_time": _from_zero(sojourn)}
    return {**times, "waited": _happens(wait(0.0))}


def impatient_waits(
    arrival_rate, service_rate, servers, abandonment_rate, arrival_law, service_law, patience_law, batch_law
) -> dict[str, Tail]:
    """Waits in M/M/c+G, and whether one is offered; none of other laws, and in batches."""
    if batch_law is not None or (arrival_law[0], service_law[0]) != ("exponential", "exponential"):
        return {}
    given = float(arrival_rate), float(service_rate), int(servers), float(abandonment_rate), patience_law
    return {
        "waiting_time": _from_zero(mmcg_wait_tail(*given)),
        "waited": _happens(mmcg(*given)["probability_wait"]),
    }
