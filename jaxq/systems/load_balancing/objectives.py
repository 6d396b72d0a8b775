"""What `jaxq.tune` can make small: the mean response time as a function of the routing probabilities."""

from collections.abc import Callable

from jaxq.engine.objective import Objective
from jaxq.systems.load_balancing import fluid
from jaxq.systems.load_balancing.policy import Policy, shortest
from jaxq.systems.load_balancing.speeds import Speeds


def objectives(policy: Policy, speeds: Speeds, servers: int, arrival_rate: float) -> dict[str, Objective]:
    """Objectives of a `LoadBalancing` without buffer, functions of the routing probabilities that stand for its
    response_time.

    ``response_time``, exact, of random routing; ``mean_field``, n -> infinity, of the power of d choices, which is the
    same with and without replacement.
    Empty for policies that do not take routing probabilities and for servers all alike.

    Args:
        policy: how a job is routed.
        speeds: types of servers.
        servers: n, of all types.
        arrival_rate: jobs per time.
    """
    if speeds.types == 1 or not policy.rule.routed:
        return {}
    rates, counts = speeds.rates, speeds.servers(servers)

    def objective(function: Callable, doc: str) -> Objective:
        return Objective(lambda values: function(values["routing"]), "response_time", doc, parameters=("routing",))

    if policy.draws == 1:
        exact = objective(
            lambda p: fluid.random_routing(p, arrival_rate, rates, counts), "mean response time, exact (M/M/1 queues)"
        )
        return {"response_time": exact}
    if policy.draws > 1 and policy.rule.rank is shortest:
        limit = objective(
            lambda p: fluid.power_of_d(p, policy.draws, arrival_rate, rates, counts),
            "mean response time with infinitely many servers",
        )
        return {"mean_field": limit}
    return {}
