"""SHADOW-RM on networks drawn at random, which nobody chose: its share of the planning optimum, and those of others.

c-mu/theta needs no arrival rates either. Random splitting does: its probabilities are tuned on them, by gradient of the
fluid reward rate from an even split (`jaxq.tune`), and come within .1 % of the optimum of the fluid.
"""

import math
from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.parallel_servers.paper import (
    FEW_REPLICAS,
    PAPER,
    REPLICAS,
    balances,
    plan_of,
    reward_row,
)
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.planning import load
from jaxq.tuning.tune import tune

SEED, COUNT, QUICK_COUNT = 20110960, 5, 1
"""The seed is the paper's number; it was never tried before this experiment was written."""
SIZES, THERE = (2, 4), 0.6
"""Least and most classes and pools; probability that a pool serves a class."""
OVERLOAD, SERVERS = 1.2, (80, 120)
"""Load of the balancing problem; servers of a pool."""
POLICIES, QUICK_POLICIES = ("shadow-rm", "shadow-rm-tag", "random", "c-mu-theta"), ("shadow-rm", "random")
NEAR = 0.95
"""Share of the optimum that SHADOW-RM reaches at least: pools are as small as those of the X-model, where it has .98."""
TUNED = 0.999
"""Share of the optimum that the fluid of the tuned routing reaches at least."""
EVENTS, QUICK_EVENTS, WARMUP_TIME = 300_000, 40_000, 20.0
"""Events per replica; time left out, ten times the longest mean patience."""


def draw_network(random: np.random.Generator) -> Network:
    """A network in overload; service rates from 1 to 4, abandonment rates and rewards from .5 to 2, all log-uniform."""
    classes, pools = random.integers(SIZES[0], SIZES[1], 2, endpoint=True)
    there = random.random((classes, pools)) < THERE
    there[np.arange(classes), random.integers(pools, size=classes)] = True
    there[random.integers(classes, size=pools), np.arange(pools)] = True
    services = np.where(there, 4 ** random.random((classes, pools)), 0.0)
    servers = random.integers(*SERVERS, pools, endpoint=True)
    arrivals = 4 ** random.random(classes)
    patience, rewards = 4 ** (random.random(classes) - 0.5), 4 ** (random.random(classes) - 0.5)
    drawn = Network(arrivals, services, servers, patience, rewards, name=f"{classes} x {pools}")
    return drawn.replace(arrival_rates=arrivals * (OVERLOAD / load(drawn.at())))


def networks(count: int) -> list[Network]:
    """The first so many."""
    random = np.random.default_rng(SEED)
    return [draw_network(random) for _ in range(count)]


def tuned(network: Network) -> tuple[ParallelServers, float]:
    """Random splitting with tuned probabilities, and the reward rate of its fluid."""
    served = network.service_rates > 0
    even = served / served.sum(axis=1, keepdims=True)
    found = tune(ParallelServers(network, policy="random"), "routing", start=even, verify=False).best
    return ParallelServers(network, policy="random", routing=found.values["routing"]), found.objective


def measure(run: Run, system: ParallelServers) -> Result | None:
    """One run; None after Ctrl-C."""
    events, replicas = (QUICK_EVENTS, FEW_REPLICAS) if run.quick else (EVENTS, REPLICAS)
    # in overload there are at most as many other events as arrivals
    warmup = math.ceil(2 * WARMUP_TIME * system.network.arrival_rates.sum())
    return run.result(simulate, system, events=events, warmup=warmup, replicas=replicas)


def compute(run: Run) -> Findings:
    """Every policy on every network."""
    points, results, rows = [], Results(), []
    for k, network in enumerate(networks(QUICK_COUNT if run.quick else COUNT)):
        for policy in QUICK_POLICIES if run.quick else POLICIES:
            system, fluid = ParallelServers(network, policy=policy), None
            with run.work():
                if policy == "random" and not run.interrupted:
                    system, fluid = tuned(network)
            result = measure(run, system)
            if result is None:
                break
            plan, where = plan_of(system), {"network": k + 1, "size": network.name, "policy": policy}
            if fluid is not None:
                reached = Metric(fluid, None, result.run["level"], None, TUNED * plan.reward, "bound")
                points.append(Point(where, "fluid_reward_rate", reached, (), "at least"))
            results.append(result)
            rows.append({**where, **reward_row(result, plan.reward), "fluid_reward_rate": fluid})
            points += balances(result, where)
            points.append(Point.of(result, where, "reward_rate", plan.reward, "at most"))
            if policy.startswith("shadow"):
                points.append(Point.of(result, where, "reward_rate", NEAR * plan.reward, "at least"))
    return Findings({"random-networks": rows, "random-networks-points": [p.row() for p in points]}, points, results)


def draw(findings: Findings) -> Any:
    """Share of the optimum by network and policy."""
    from matplotlib.ticker import PercentFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["random-networks"]
    drawn = list(dict.fromkeys((row["network"], row["size"]) for row in rows))
    figure, ax = sized(7.5, 0.62 * len(drawn) + 1.5)
    for i, policy in enumerate(dict.fromkeys(row["policy"] for row in rows)):
        mine = [row for row in rows if row["policy"] == policy]
        places = [row["network"] + 0.16 * (i - 1.5) for row in mine]
        shares, widths = [row["share"] for row in mine], [row["share_half_width"] for row in mine]
        style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 5, "capsize": 2}
        ax.errorbar(
            shares, places, xerr=widths, fmt="os^D"[i], label={"random": "random, tuned"}.get(policy, policy), **style
        )
    ax.axvline(1.0, color="0.4", linewidth=1.0, zorder=1)
    ax.set_yticks([k for k, _ in drawn], [f"network {k}, {size}" for k, size in drawn])
    ax.set_ylim(len(drawn) + 0.6, 0.4)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("reward rate, share of the planning optimum")
    if rows:
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/random-networks",
    "SHADOW-RM on networks drawn at random",
    f"{PAPER}, SHADOW-RM and the planning problem",
    compute,
    draw,
)
