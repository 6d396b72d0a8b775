"""Closed forms of the stations: Erlang, Pollaczek-Khinchine, GI/M/c, M/D/c, the Poisson law, Kingman's bounds."""

import math

from jaxq.analytic.stations.gg1 import gg1_bounds, gm1
from jaxq.analytic.stations.gg1 import mg1 as pollaczek_khinchine
from jaxq.analytic.stations.ggc import ggc_bound, gmc, mdc
from jaxq.analytic.stations.impatience import mmcg
from jaxq.analytic.stations.mginf import mgcc as truncated_poisson
from jaxq.analytic.stations.mginf import mginf as poisson
from jaxq.analytic.stations.mmc import TooManyStates
from jaxq.analytic.stations.mmc import mmc as birth_death
from jaxq.engine.reference import Reference

_WAITS = ("waiting_time", "sojourn_time", "queue_length", "probability_wait")


def _exact(values, names=_WAITS) -> dict[str, Reference]:
    """References to the finite ones: what is infinite has no estimate that could agree."""
    return {name: Reference(values[name]) for name in names if math.isfinite(values[name])}


def _bound(value) -> dict[str, Reference]:
    return {"waiting_time": Reference(value, "bound")} if math.isfinite(value) else {}


def mmc(arrival_rate, service_rate, servers, abandonment_rate, capacity) -> dict[str, Reference]:
    """M/M/c/K+M from the birth-death law; none where that has too many states to be solved."""
    patience = None if abandonment_rate is None else float(abandonment_rate)
    room = None if capacity is None else int(capacity)
    try:
        values = birth_death(float(arrival_rate), float(service_rate), int(servers), patience, room)
    except TooManyStates:
        return {}
    if capacity is None:
        del values["probability_block"]
    return _exact(values, tuple(values))


def mg1(arrival_rate, service_rate, service_law) -> dict[str, Reference]:
    """M/G/1, Pollaczek-Khinchine; a law of infinite variance leaves probability_wait."""
    return _exact(pollaczek_khinchine(float(arrival_rate), float(service_rate), service_law))


def gg1(arrival_rate, service_rate, arrival_law, service_law) -> dict[str, Reference]:
    """GI/G/1: exact where one side is exponential, else Kingman's upper bound on the wait, if it is finite."""
    rates = float(arrival_rate), float(service_rate)
    if arrival_law[0] == "exponential":
        return mg1(*rates, service_law)
    if service_law[0] == "exponential":
        return _exact(gm1(*rates, arrival_law))
    return _bound(gg1_bounds(*rates, arrival_law, service_law)[1])


def ggc(
    arrival_rate, service_rate, servers, abandonment_rate, arrival_law, service_law, patience_law
) -> dict[str, Reference]:
    """GI/G/c: as `gg1` for one server; exact for GI/M/c and M/D/c, else Kingman's upper bound on the wait. With
    abandonment exact for M/M/c+G, else nothing is known."""
    rates, servers = (float(arrival_rate), float(service_rate)), int(servers)
    if abandonment_rate is not None:
        if (arrival_law[0], service_law[0]) != ("exponential", "exponential"):
            return {}
        values = mmcg(*rates, servers, float(abandonment_rate), patience_law)
        return _exact(values, tuple(values))
    utilisation = {"utilisation": Reference(rates[0] / (servers * rates[1]))}
    if servers == 1:
        return gg1(*rates, arrival_law, service_law) | utilisation
    if service_law[0] == "exponential":
        return _exact(gmc(*rates, servers, arrival_law)) | utilisation
    if arrival_law[0] == "exponential" and service_law[0] == "deterministic":
        return _exact(mdc(*rates, servers)) | utilisation
    return _bound(ggc_bound(*rates, servers, arrival_law, service_law)) | utilisation


def mgcc(arrival_rate, service_rate, servers) -> dict[str, Reference]:
    """M/G/c/c: the truncated Poisson law, whatever the service law."""
    values = truncated_poisson(float(arrival_rate), float(service_rate), int(servers))
    return _exact(values, tuple(values))


def mginf(arrival_rate, service_rate) -> dict[str, Reference]:
    """M/G/infinity: the Poisson law, whatever the service law."""
    values = poisson(float(arrival_rate), float(service_rate))
    return _exact(values, tuple(values))
