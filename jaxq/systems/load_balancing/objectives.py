"""What `jaxq.tune` can make small: the mean response time as a function of the routing probabilities."""

from collections.abc import Callable

from jaxq.engine.objective import Objective
from jaxq.systems.load_balancing import fluid
from jaxq.systems.load_balancing.model import LoadBalancing


def objectives(system: LoadBalancing) -> dict[str, Objective]:
    """Objectives of a `LoadBalancing`, functions of the routing probabilities that stand for its response_time.

    ``response_time``, exact, of random routing; ``mean_field``, n -> infinity, of the power of d choices, which is the
    same with and without replacement.
    Empty for policies that do not take routing probabilities, with a buffer (jobs are lost) and for servers all alike.
    """
    policy, types = system.policy, system.speeds.types
    if system.buffer is not None or types == 1:
        return {}
    rates, servers = system.speeds.rates, system.speeds.servers(int(system.servers))
    arrival_rate = system.arrival_rate

    def objective(function: Callable, doc: str) -> Objective:
        return Objective(lambda values: function(values["routing"]), "response_time", doc, parameters=("routing",))

    if policy.draws == 1 and policy.name != "uniform":
        exact = objective(
            lambda p: fluid.random_routing(p, arrival_rate, rates, servers), "mean response time, exact (M/M/1 queues)"
        )
        return {"response_time": exact}
    if policy.family == "pod":
        limit = objective(
            lambda p: fluid.power_of_d(p, policy.draws, arrival_rate, rates, servers),
            "mean response time with infinitely many servers",
        )
        return {"mean_field": limit}
    return {}
