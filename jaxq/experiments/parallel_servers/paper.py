"""What the experiments of the paper share."""

from typing import Any

from jaxq.analytic.parallel_servers.planning import Plan, static_planning
from jaxq.engine.result import Result
from jaxq.experiments.experiment import Point
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS

PAPER = "Stolyar and Tezcan, Shadow-Routing Based Control of Flexible Multiserver Pools in Overload"
REPLICAS, FEW_REPLICAS = 256, 64
"""In full and quickly, on any machine, so that a seed gives the same figure."""
X_MODEL = NETWORKS["x-model"]
"""Set A: class 2 earns more a completion, class 1 is fast at pool 3 and slow at pool 4."""


def plan_of(system: ParallelServers) -> Plan:
    """The static planning problem of a system, at its last arrival rates."""
    rates = system.last_rates()
    return static_planning(*rates[:3], rates.rewards)


def rejected(system: ParallelServers, plan: Plan) -> list[float]:
    """Share of each class that the planning problem leaves unserved."""
    rates = system.last_rates()
    return (1 - (rates.service_rates * plan.busy).sum(axis=1) / rates.arrival_rates).tolist()


def balances(result: Result, where: dict[str, Any]) -> list[Point]:
    """What leaves against what arrives, by class."""
    return [Point(where, name, result[name], result.flags) for name in result.metrics if name.startswith("departures_")]


def reward_row(result: Result, best: float) -> dict[str, Any]:
    """The reward rate and its share of the optimum, for a table."""
    reward = result["reward_rate"]
    mean, width = reward.mean, reward.half_width
    shares = [None if x is None else x / best for x in (mean, width)]
    row = {"reward_rate": mean, "half_width": width, "optimum": best}
    return row | {"share": shares[0], "share_half_width": shares[1]}
