"""One list of systems for the tests of the engine: all that ship, in every form they are stepped in, and the tests' own.

A form is a compiled half, a policy's rule, a law or a router: whatever changes the program that runs.
"""

import re
from pathlib import Path

import equinox as eqx
import numpy as np

import jaxq
from jaxq.engine.orders import parse_preferences
from jaxq.laws.batch import BatchSizes, FixedBatch, GeometricBatch
from jaxq.laws.empirical import Empirical
from jaxq.laws.gamma import Gamma
from jaxq.laws.phase_type import PhaseType
from jaxq.laws.standard import (
    Deterministic,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
    Weibull,
)
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.speeds import Speeds
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.network.schedule import parse_changes
from jaxq.systems.parallel_servers.processes.renewal import parse_arrival_laws
from jaxq.systems.token_pool.policy import TablePolicy, parse_deviator, parse_threshold
from jaxq.systems.tolled_queues.arrivals import Modulated, Renewal, Trace
from tests.engine.contract_systems import BalancedSaturation, ShadowRouting, TolledQueue
from tests.systems.load_balancing.speed_aware_limit import SpeedAwareLimit

README = (Path(__file__).parents[1] / "README.md").read_text()
TWO_SPEEDS = Speeds([2.0, 0.5], [0.4, 0.6])
SMALL = Network([4.0, 3.0], [[1.0, 0.5], [0.8, 1.2]], [3, 2], [0.5, 0.4], [1.0, 1.9], classes=("a", "b"))
TOLLS = {"arrival_rates": [0.4, 0.6], "rewards": [12, 5], "waiting_costs": [2, 0.4], "service_rates": [0.6, 0.4]}
TOLLS |= {"tolls": [4, 2.5]}


def from_readme() -> jaxq.JumpProcess:
    """The README's own jump process."""
    code = re.search(r"<!-- test:tandem -->\s*```python\n(.*?)\n\n\ntandem =", README, re.S)[1]
    names: dict = {}
    exec(code, names)
    return names["Tandem"](arrival_rate=0.5, first_rate=1.0, second_rate=0.8)


def balancing(servers: int, policy: str, **fields) -> jaxq.LoadBalancing:
    return jaxq.LoadBalancing(servers, TWO_SPEEDS, parse_policy(policy), load=0.8, **fields)


def network(policy: str, **fields) -> jaxq.ParallelServers:
    return jaxq.ParallelServers(SMALL, policy, **fields)


def the_larger_waits(x):
    """A Markov control of two classes and two pools."""
    return (x[0] > x[1], x[0] <= x[1]), (0, 1)


STATIONS = {
    "M/M/1": jaxq.MMc(0.8),
    "Erlang A": jaxq.MMc(12, 1, 10, abandonment_rate=0.5),
    "M/M/3/7": jaxq.MMc(4.0, 1, 3, capacity=7),
    "M/lognormal/1": jaxq.MG1(0.7, 1.0, Lognormal(2.0)),
    "D/Coxian/1": jaxq.GG1(0.7, 1.0, Deterministic(), PhaseType([1, 0], [[-2, 1], [0, -0.5]])),
    "H2/gamma/1": jaxq.GG1(0.6, 1.0, Hyperexponential(4.0), Gamma(0.5)),
    "Weibull/E3/4": jaxq.GGc(3.0, 1.0, 4, Weibull(0.7), Erlang(3)),
    "Weibull/E3/2+lognormal": jaxq.GGc(3.0, 1.0, 2, Weibull(0.7), Erlang(3), 0.5, Lognormal(2.0)),
    "M^X/E2/1, geometric": jaxq.MG1(0.7, 1.0, Erlang(2), GeometricBatch(3.0)),
    "gamma^3/M/1": jaxq.GG1(0.7, 1.0, Gamma(0.5), batch_law=FixedBatch(3)),
    "D^X/empirical/2+M": jaxq.GGc(
        3.0, 1.0, 2, Deterministic(), Empirical([1, 2, 4]), 0.5, batch_law=BatchSizes([0.5, 0.3, 0.2])
    ),
    "M/Pareto/5/5": jaxq.MGcc(4.0, 1.0, 5, Pareto(2.5)),
    "M/empirical/infinity": jaxq.MGinf(3.0, 1.0, Empirical([0.5, 1.0, 1.5])),
}
TOKENS = {
    "token pool": jaxq.TokenPool(5, 0.8, 0.6, 4),
    "token pool, no cap, waits tagged": jaxq.TokenPool(5, 0.8, 0.9, waits="tagged"),
    "token pool, unlike servers": jaxq.TokenPool(3, [0.2, 0.5, 0.7], 0.8, 4, [1.0, 1.0, 2.0]),
    "token pool, threshold policy": jaxq.TokenPool(4, 0.7, 0.7, 3, policy=parse_threshold("1:0.5:0.9")),
    "token pool, deviator by name": jaxq.TokenPool(4, 0.8, deviator=parse_deviator("mean-field")),
    "token pool, deviator by table": jaxq.TokenPool(
        4, 0.8, deviator=TablePolicy(*np.array([[[0.2]], [[0.1]], [[0.5]], [[0.4]]]))
    ),
}
BALANCING = {
    "load balancing, counts": balancing(100, "sa-jsq"),
    "load balancing, counts, ties": balancing(40, "jsq"),
    "load balancing, counts, delays": balancing(40, "led", laws="yes", buffer=(4, 3)),
    "load balancing, counts, draws": balancing(40, "sa-pod2", buffer=4),
    "load balancing, counts, idle first": balancing(40, "sa-jiq", levels=6),
    "load balancing, few": balancing(5, "jsq-slowest", buffer=3),
    "load balancing, queues": balancing(20, "pod2"),
    "load balancing, queues, routed": balancing(20, "pod2r", routing=[0.7, 0.3]),
    "load balancing, queues, random": balancing(20, "random"),
    "load balancing, a queue a type": balancing(20, "med-fsf"),
    "load balancing, modified": balancing(20, "modified"),
    "sa-jsq limit": SpeedAwareLimit(beta=2.0),
}
NETWORKS_UNDER_TEST = {
    "network, priority": network("priority", priorities=parse_preferences("priorities", "b > a")),
    "network, largest line": network("lqfs"),
    "network, routed": network("random", routing=[[0.5, 0.5], [0.25, 0.75]]),
    "network, shadow": network("shadow-rm"),
    "network, shadow, tagged kept": network("shadow-rm-tag", initial_prices="zero"),
    "network, shadow, load": network("shadow-lb"),
    "network, shadow, tandem": network("shadow-tandem"),
    "network, rates that change": network("c-mu", changes=parse_changes("2: 5,2; 4: 4,3")),
    "network, preemptive": network("c-mu-theta-preemptive"),
    "network, preemptive, largest": network("max-weight-preemptive"),
    "network, preemptive, drawn": network("softmax-preemptive"),
    "network, balanced saturation": jaxq.ParallelServers(NETWORKS["n"], "balanced-saturation"),
    "network, renewal arrivals": network("c-mu-theta", arrival_laws=parse_arrival_laws("erlang:2,hyperexponential:4")),
    "staffing diffusion": StaffingDiffusion(NETWORKS["n"]),
    "staffing diffusion, balanced": StaffingDiffusion(NETWORKS["n"], control="balanced"),
    "staffing diffusion, written": StaffingDiffusion(NETWORKS["n"], control=the_larger_waits),
}
QUEUEING_NETWORKS = {
    "criss-cross, shared": jaxq.QueueingNetwork("criss-cross", load=0.8),
    "re-entrant line, in order": jaxq.QueueingNetwork("lu-kumar", "priority", priorities="1: 4 > 1; 2: 2 > 3"),
    "feedback, by pressure": jaxq.QueueingNetwork("jackson-feedback", "max-pressure"),
    "criss-cross, drawn": jaxq.QueueingNetwork("criss-cross", "softmax", load=0.8),
}
TOLLED = {
    "tolls, workload": jaxq.TolledQueues(**TOLLS),
    "tolls, sizes unseen": jaxq.TolledQueues(
        **TOLLS, information="workload-only", size_law=Exponential(), ties="random"
    ),
    "tolls, lengths": jaxq.TolledQueues(**TOLLS, information="lengths", size_law=Exponential()),
    "tolls, lengths, equal sizes": jaxq.TolledQueues(**TOLLS, information="lengths", arrivals=Renewal(Erlang(2))),
    "tolls, classes": jaxq.TolledQueues(**TOLLS, mean_sizes=[1, 2], information="classes", size_law=Exponential()),
    "tolls, modulated": jaxq.TolledQueues(**TOLLS, arrivals=Modulated([1.0, 3.0], [[-1.0, 1.0], [2.0, -2.0]])),
    "tolls, trace": jaxq.TolledQueues(**TOLLS, arrivals=Trace([0.5, 2.0, 2.25, 4.0])),
}
OF_THE_TESTS = {
    "README": from_readme(),
    "shadow routing by hand": ShadowRouting(),
    "balanced saturation by hand": BalancedSaturation(131.0, 49.0, 55, 118, 52),
    "tolled queue by hand": TolledQueue(0.8, 3.0),
}
UNDER_TEST: dict[str, jaxq.System] = {
    **STATIONS,
    **TOKENS,
    **BALANCING,
    **NETWORKS_UNDER_TEST,
    **QUEUEING_NETWORKS,
    **TOLLED,
    **OF_THE_TESTS,
}


def modules(x) -> set[type]:
    """The classes of a module and of all modules inside it."""
    if isinstance(x, (tuple, list)):
        return set().union(*map(modules, x))
    return {type(x)}.union(*map(modules, vars(x).values())) if isinstance(x, eqx.Module) else set()


def last_classes(base: type) -> set[type]:
    """The subclasses of ``base`` that have none themselves."""
    below = base.__subclasses__()
    return set().union(*map(last_classes, below)) if below else {base}
