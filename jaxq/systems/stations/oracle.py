"""Closed forms of the stations: Erlang, Pollaczek-Khinchine, GI/M/c, M/D/c, batches, the Poisson law, Kingman's bounds."""

import math

from jaxq.analytic.stations.batches import mxg1, mxmc
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


def mg1(arrival_rate, service_rate, service_law, batch_law) -> dict[str, Reference]:
    """M/G/1, Pollaczek-Khinchine, and M^X/G/1; a law of infinite variance leaves probability_wait."""
    rates = float(arrival_rate), float(service_rate)
    if batch_law is not None:
        return _exact(mxg1(*rates, batch_law, service_law))
    return _exact(pollaczek_khinchine(*rates, service_law))


def gg1(arrival_rate, service_rate, arrival_law, service_law, batch_law) -> dict[str, Reference]:
    """GI/G/1: exact where one side is exponential, else Kingman's upper bound on the wait, if it is finite. In batches as
    `ggc`."""
    rates = float(arrival_rate), float(service_rate)
    if arrival_law[0] == "exponential":
        return mg1(*rates, service_law, batch_law)
    if batch_law is not None:
        return _in_batches(*rates, 1, arrival_law, service_law, batch_law)
    if service_law[0] == "exponential":
        return _exact(gm1(*rates, arrival_law))
    return _bound(gg1_bounds(*rates, arrival_law, service_law)[1])


def ggc(
    arrival_rate, service_rate, servers, abandonment_rate, arrival_law, service_law, patience_law, batch_law
) -> dict[str, Reference]:
    """GI/G/c: as `gg1` for one server; exact for GI/M/c, M/D/c, M^X/M/c and in geometric batches, else Kingman's upper bound
    on the wait. With abandonment exact for M/M/c+G and M^X/M/c+M, else nothing is known."""
    rates, servers = (float(arrival_rate), float(service_rate)), int(servers)
    markovian = (arrival_law[0], service_law[0]) == ("exponential", "exponential")
    if abandonment_rate is not None:
        return _with_patience(*rates, servers, float(abandonment_rate), patience_law, batch_law) if markovian else {}
    utilisation = {"utilisation": Reference(rates[0] / (servers * rates[1]))}
    if servers == 1:
        return gg1(*rates, arrival_law, service_law, batch_law) | utilisation
    if batch_law is not None:
        return _in_batches(*rates, servers, arrival_law, service_law, batch_law) | utilisation
    if service_law[0] == "exponential":
        return _exact(gmc(*rates, servers, arrival_law)) | utilisation
    if arrival_law[0] == "exponential" and service_law[0] == "deterministic":
        return _exact(mdc(*rates, servers)) | utilisation
    return _bound(ggc_bound(*rates, servers, arrival_law, service_law)) | utilisation


def _in_batches(arrival_rate, service_rate, servers, arrival_law, service_law, batch_law) -> dict[str, Reference]:
    rates = arrival_rate, service_rate, servers
    if (arrival_law[0], service_law[0]) == ("exponential", "exponential"):
        return _exact(mxmc(*rates, batch_law))
    if (batch_law[0], service_law[0]) == ("geometric", "exponential"):
        return _exact(gmc(*rates, arrival_law, batch_law[1]))
    return _bound(ggc_bound(*rates, arrival_law, service_law, batch_law))


def _with_patience(arrival_rate, service_rate, servers, abandonment_rate, patience_law, batch_law):
    rates = arrival_rate, service_rate, servers
    if batch_law is None:
        values = mmcg(*rates, abandonment_rate, patience_law)
    elif patience_law[0] != "exponential":
        return {}
    else:
        try:
            values = mxmc(*rates, batch_law, abandonment_rate)
        except TooManyStates:
            return {}
    return _exact(values, tuple(values))


def mgcc(arrival_rate, service_rate, servers) -> dict[str, Reference]:
    """M/G/c/c: the truncated Poisson law, whatever the service law."""
    values = truncated_poisson(float(arrival_rate), float(service_rate), int(servers))
    return _exact(values, tuple(values))


def mginf(arrival_rate, service_rate) -> dict[str, Reference]:
    """M/G/infinity: the Poisson law, whatever the service law."""
    values = poisson(float(arrival_rate), float(service_rate))
    return _exact(values, tuple(values))
