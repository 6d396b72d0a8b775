"""SHADOW-LB and SHADOW-TANDEM on the X-model from underload to overload, told neither rates nor regime.

Arrival rates are those of the X-model times a factor; rho is the load of the balancing problem. In underload both keep
every pool at load rho, and SHADOW-TANDEM tags nobody; in overload it tags what the planning problem rejects. At rho = 1
the sum of the virtual queues behaves like a driftless Brownian motion with variance 50, reflected at 80 (40 per pool). The
rate of rejected work is therefore 50/(2 x 80) per unit time, a fraction .005 of class 1.
"""

from typing import Any

import numpy as np

from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.parallel_servers.paper import (
    FEW_REPLICAS,
    PAPER,
    REPLICAS,
    X_MODEL,
    balances,
    plan_of,
    rejected,
    reward_row,
)
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.planning import load

POLICIES = ("shadow-lb", "shadow-tandem")
LOADS, QUICK_LOADS = (0.7, 0.85, 0.95, 1.0, 1.05, 1.2, 1.3), (0.7, 1.0, 1.2)
NOBODY_LEAVES = 0.7
"""Load at which fewer than one in 10^5 abandon, so that pools are busy as planned."""
MOST_TAGGED = 0.01
"""Share tagged of class 1 in the critical regime."""
APART = 0.011
"""By which what has the same load is drawn apart."""
EVENTS, QUICK_EVENTS = 500_000, 80_000
WARMUP = 250_000
"""Events per replica: 150 units of time, five times what virtual queues without drift take to their barrier at 40."""


def systems(policy: str, loads) -> list[ParallelServers]:
    """The X-model at each load."""
    least = load(X_MODEL.at())
    networks = [X_MODEL.replace(arrival_rates=X_MODEL.arrival_rates * rho / least, name=f"{rho:g}") for rho in loads]
    return [ParallelServers(network, policy=policy) for network in networks]


def judged(result: Result, system: ParallelServers, where: dict[str, Any]) -> list[Point]:
    """Pools as loaded as planned where nobody leaves; the tagged as the planning problem rejects, in overload and under."""
    network, rho, points = system.network, where["load"], balances(result, where)
    if rho == NOBODY_LEAVES and system.policy == "shadow-lb":
        for pool, servers in zip(network.pools, network.servers.tolist(), strict=True):
            busy = 1 - result.estimates[f"idle_{pool}"] / servers
            points.append(Point.of_estimate(busy, result, where, f"load_{pool}", rho))
    if system.policy != "shadow-tandem":
        return points
    for name, share in zip(network.classes, rejected(system, plan_of(system)), strict=True):
        if rho != 1:
            points.append(Point.of(result, where, f"tagged_{name}", round(share, 12) + 0.0))
        elif name == "1":
            points.append(Point.of(result, where, f"tagged_{name}", MOST_TAGGED, "at most"))
    return points


def compute(run: Run) -> Findings:
    """Both policies at every load."""
    points, results, rows = [], Results(), []
    loads = QUICK_LOADS if run.quick else LOADS
    for policy in POLICIES:
        given = systems(policy, loads)
        replicas, events = (FEW_REPLICAS, QUICK_EVENTS) if run.quick else (REPLICAS, EVENTS)
        found = run.results(compare, given, events=events, warmup=WARMUP, replicas=replicas)
        results += found
        for rho, system, result in zip(loads, given, found, strict=False):
            where, plan = {"policy": policy, "load": rho}, plan_of(system)
            points += judged(result, system, where)
            row: dict[str, Any] = {**where, **reward_row(result, plan.reward)}
            for pool, servers in zip(X_MODEL.pools, X_MODEL.servers.tolist(), strict=True):
                idle = result[f"idle_{pool}"]
                row |= {f"load_{pool}": None if idle.mean is None else 1 - idle.mean / servers}
                row |= {f"load_{pool}_half_width": None if idle.half_width is None else idle.half_width / servers}
            row["rejected_1"] = max(0.0, rejected(system, plan)[0])
            tagged = result.metrics.get("tagged_1")
            row |= {"tagged_1": tagged and tagged.mean, "tagged_1_half_width": tagged and tagged.half_width}
            rows.append(row)
    return Findings({"balance": rows, "balance-points": [point.row() for point in points]}, points, results)


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    """One column of a table; nan where a mean is withheld, or none was tagged."""
    return np.array([row[name] for row in rows], float)


def draw(findings: Findings) -> Any:
    """Loads of the pools, share tagged and share of the optimum, against the load of the balancing problem."""
    from matplotlib.ticker import PercentFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    figure, every = sized(12, 4.2, 1, 3)
    left, middle, right = every
    rows = findings.tables["balance"]
    for i, policy in enumerate(POLICIES):
        mine = [row for row in rows if row["policy"] == policy]
        loads, label = [row["load"] for row in mine], policy.replace("shadow-", "SHADOW-").upper()
        style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 4.5, "capsize": 2, "linewidth": 1.1}
        for j, pool in enumerate(X_MODEL.pools):
            means, widths = column(mine, f"load_{pool}"), column(mine, f"load_{pool}_half_width")
            places = np.array(loads) + APART * (2 * i + j - 1.5)
            left.errorbar(places, means, widths, fmt="osD^"[2 * i + j], label=f"{label}, pool {pool}", **style)
        if policy == "shadow-tandem":
            means, widths = column(mine, "tagged_1"), column(mine, "tagged_1_half_width")
            middle.errorbar(loads, means, widths, fmt="s", label=label, **style)
        shares, widths = column(mine, "share"), column(mine, "share_half_width")
        right.errorbar(np.array(loads) + APART * (2 * i - 1), shares, widths, fmt="os"[i] + "-", label=label, **style)
    axis = np.linspace(LOADS[0], LOADS[-1], 141)
    tagged = [max(0.0, rejected(system, plan_of(system))[0]) for system in systems("shadow-tandem", axis)]
    left.plot(axis, np.minimum(axis, 1.0), color=ORACLE, linewidth=1.2, zorder=1, label="balancing problem")
    middle.plot(axis, tagged, color=ORACLE, linewidth=1.2, zorder=1, label="planning problem")
    left.set_ylabel("share of busy servers")
    left.set_title("at each load side by side", loc="left", fontsize="medium")
    middle.set_ylabel("share of class 1 that is tagged")
    right.set_ylabel("reward, share of the optimum")
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for ax in every:
        ax.axvline(1.0, color="0.6", linewidth=0.9, linestyle=":", zorder=1)
        ax.set_xlabel("load of the balancing problem")
        if rows:
            ax.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/balance",
    "SHADOW-LB and SHADOW-TANDEM from underload to overload",
    f"{PAPER}, SHADOW-LB and SHADOW-TANDEM",
    compute,
    draw,
)
