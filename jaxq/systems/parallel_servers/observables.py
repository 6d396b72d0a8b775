"""The metrics of networks, and what both layouts observe under their names."""

from collections.abc import Mapping
from typing import Any

from jaxq.engine.quantity import Quantity
from jaxq.systems.parallel_servers.network.graph import Graph

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
