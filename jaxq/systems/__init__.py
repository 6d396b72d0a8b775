"""The systems that ship, by the name they have on the command line."""

from jaxq.engine.model import Model
from jaxq.engine.record import title
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.stations.model import GG1, MG1, GGc, MGcc, MGinf, MMc
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.tolled_queues.model import TolledQueues

SYSTEMS: dict[str, type[Model]] = {
    title(system): system
    for system in (
        MMc,
        MG1,
        GG1,
        GGc,
        MGcc,
        MGinf,
        TokenPool,
        LoadBalancing,
        ParallelServers,
        TolledQueues,
    )
}
