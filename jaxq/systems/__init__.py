"""The systems that ship, by the name they have on the command line."""

import pkgutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxq.engine.model import Model

PLACES = {
    "mmc": "jaxq.systems.stations.model:MMc",
    "mg1": "jaxq.systems.stations.model:MG1",
    "gg1": "jaxq.systems.stations.model:GG1",
    "ggc": "jaxq.systems.stations.model:GGc",
    "mgcc": "jaxq.systems.stations.model:MGcc",
    "mginf": "jaxq.systems.stations.model:MGinf",
    "token-pool": "jaxq.systems.token_pool.model:TokenPool",
    "load-balancing": "jaxq.systems.load_balancing.model:LoadBalancing",
    "parallel-servers": "jaxq.systems.parallel_servers.model:ParallelServers",
    "tolled-queues": "jaxq.systems.tolled_queues.model:TolledQueues",
    "queueing-network": "jaxq.systems.queueing_networks.model:QueueingNetwork",
}
"""Where each class is, ``module:Class``, as an entry point says it."""


class Systems(Mapping[str, "type[Model]"]):
    """The classes by their names; each is imported when it is asked for."""

    def __getitem__(self, name: str) -> "type[Model]":
        return pkgutil.resolve_name(PLACES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


SYSTEMS = Systems()
