"""Closed forms of the stations: Erlang, Pollaczek-Khinchine, GI/M/1, Kingman's bound."""

from jaxq.analytic import multiserver, single_server
from jaxq.engine.system import Reference

_LINDLEY = ("waiting_time", "sojourn_time", "queue_length", "probability_wait")


def mmc(arrival_rate, service_rate, servers, abandonment_rate, capacity) -> dict[str, Reference]:
    """M/M/c/K+M from the birth-death law; none where that has too many states to be solved."""
    patience = None if abandonment_rate is None else float(abandonment_rate)
    room = None if capacity is None else int(capacity)
    try:
        values = multiserver.mmc(float(arrival_rate), float(service_rate), int(servers), patience, room)
    except multiserver.TooManyStates:
        return {}
    if capacity is None:
        del values["probability_block"]
    return {name: Reference(value) for name, value in values.items()}


def mg1(arrival_rate, service_rate, service_law) -> dict[str, Reference]:
    """M/G/1, Pollaczek-Khinchine."""
    values = single_server.mg1(float(arrival_rate), float(service_rate), service_law)
    return {name: Reference(values[name]) for name in _LINDLEY}


def gg1(arrival_rate, service_rate, arrival_law, service_law) -> dict[str, Reference]:
    """GI/G/1: exact where one side is exponential, else Kingman's upper bound on the wait."""
    rates = float(arrival_rate), float(service_rate)
    if arrival_law[0] == "exponential":
        return mg1(*rates, service_law)
    if service_law[0] == "exponential":
        values = single_server.gm1(*rates, arrival_law)
        return {name: Reference(values[name]) for name in _LINDLEY}
    _, upper = single_server.gg1_bounds(*rates, arrival_law, service_law)
    return {"waiting_time": Reference(upper, "bound")}
