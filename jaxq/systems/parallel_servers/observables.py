"""The metrics of networks, and what both layouts observe under their names."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxq.engine.quantity import Quantity
from jaxq.systems.parallel_servers.network.graph import Graph
from jaxq.systems.parallel_servers.network.network import Network

METRICS = (
    Quantity("number_in_system", "customers in the system", "customers", primary=True),
    Quantity("total_queue", "customers who wait", "customers"),
    Quantity("reward_rate", "sum g_i mu_ij psi_ij, the rewards of those served", "money/time"),
    Quantity("holding_cost", "sum h_i x customers of class i in the system", "money/time"),
    Quantity("queue_<class>", "customers of a class who wait", "customers"),
    Quantity("busy_<class>_<pool>", "servers of a pool that serve a class", "servers"),
    Quantity("idle_<pool>", "idle servers of a pool", "servers"),
    Quantity("abandonment_<class>", "a customer of a class abandons", "probability"),
    Quantity("tagged_<class>", "a customer of a class is tagged: dropped, or served last", "probability"),
    Quantity("departures_<class>", "departures of a class, which balance its arrivals", "1/time"),
    Quantity("weighted_idle", "idle servers, each worth what it is in servers of the last pool", "servers"),
    Quantity("price_<pool>", "shadow routing: eta x the virtual queue of a pool", "money"),
    Quantity("load_price_<pool>", "shadow routing: eta x the virtual load of a pool", "money"),
)


def metrics(
    sums: Any,
    network: Network,
    service_rates: Any,
    arrival_rates: Any,
    worth: Sequence | None,
    eta: float,
    tagged_leave: bool,
) -> dict[str, Any]:
    """`METRICS` of the `jaxq.Sums` of a run.

    Args:
        sums: of what `named_counts` names, and of the virtual queues of shadow routing.
        network: who is served where, at which prices.
        service_rates: mu_ij at the size of the system, shape (I, J).
        arrival_rates: lambda_i of its stationary regime, shape (I,).
        worth: of a server of each pool, in servers of the last, shape (J,); None: weighted_idle means nothing.
        eta: step of shadow routing.
        tagged_leave: whether the tagged are dropped.
    """
    graph, time = network.graph, sums.time
    busy = {name: sums[f"busy_{name}"] / time for name in graph.names()}
    queues = {name: sums[f"queue_{name}"] / time for name in graph.classes}
    idle = {name: sums[f"idle_{name}"] / time for name in graph.pools}
    found: dict[str, Any] = {f"queue_{name}": q for name, q in queues.items()}
    found |= {f"busy_{name}": z for name, z in busy.items()} | {f"idle_{name}": x for name, x in idle.items()}
    if worth is not None:
        found["weighted_idle"] = sum(float(w) * x for w, x in zip(worth, idle.values(), strict=True))
    speeds = graph.by_edge(service_rates).tolist()
    served = graph.by_class([speed * z for speed, z in zip(speeds, busy.values(), strict=True)])
    for i, name in enumerate(graph.classes):
        patience, arrivals = float(network.abandonment_rates[i]), float(arrival_rates[i])
        abandon = patience * queues[name]
        leave = served[i] + abandon
        if patience > 0 and arrivals > 0:
            found[f"abandonment_{name}"] = abandon / arrivals
        if f"tagged_{name}" in sums and arrivals > 0:
            tagged = sums[f"tagged_{name}"] / time
            found[f"tagged_{name}"] = tagged / arrivals
            leave = leave + tagged if tagged_leave else leave
        found[f"departures_{name}"] = leave
    for pool in graph.pools:
        for price, area in (("price", "virtual_area"), ("load_price", "virtual_load")):
            if f"{area}_{pool}" in sums:
                found[f"{price}_{pool}"] = eta * sums[f"{area}_{pool}"] / time
    inside = [x + q for x, q in zip(graph.by_class([*busy.values()]), queues.values(), strict=True)]
    return {
        "number_in_system": sum(inside),
        "total_queue": sum(queues.values()),
        "reward_rate": sum(float(g) * rate for g, rate in zip(network.rewards, served, strict=True)),
        "holding_cost": sum(float(h) * x for h, x in zip(network.holding_costs, inside, strict=True)),
        **found,
    }


def named_counts(busy, queues: Mapping[str, Any], idle, graph: Graph) -> dict[str, Any]:
    """busy_<class>_<pool>, idle_<pool> and queue_<class>; ``busy``: by edge, ``queues``: by name, ``idle``: by pool."""
    return {
        **{f"busy_{name}": z for z, name in zip(busy, graph.names(), strict=True)},
        **{f"queue_{name}": waiting for name, waiting in queues.items()},
        **by_pool({"idle": tuple(idle)}, graph.pools),
    }


def by_pool(values: Mapping[str, tuple], pools) -> dict[str, Any]:
    """<name>_<pool>; ``values``: by name, a number a pool."""
    return {f"{name}_{pool}": x for name, row in values.items() for pool, x in zip(pools, row, strict=True)}
