"""How close SHADOW-RM comes to the planning optimum as pools grow, not knowing the arrival rates."""

from typing import Any

import numpy as np

from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
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
from jaxq.stats.intervals import family_bound
from jaxq.systems.parallel_servers.model import ParallelServers

POLICIES = ("shadow-rm", "shadow-rm-tag")
SCALES, QUICK_SCALES = (0.25, 1.0, 4.0, 16.0), (0.25, 4.0)
SIMULATED = {25: 0.962, 100: 0.982, 400: 0.991, 1600: 0.996}
"""Shares of the optimum of dropping SHADOW-RM, of a plain simulation: notebooks/mathematics/parallel_servers.md, section 5.
No paper prints them; they are shown and judge nothing. `benchmarks/witnesses.py` simulates the policy."""
WARMUP = 12.0
"""Time left out, of an abandonment time of 1; prices start where they stay."""
EVENTS, QUICK_EVENTS, RATE = {0.25: 800_000, 1.0: 800_000, 4.0: 1_200_000, 16.0: 2_400_000}, 60_000, 1750.0
"""Events per replica; events in a unit of time at n = 1."""
NEAR = 0.99
"""Share of the optimum at the largest n, at least."""


def measure(run: Run, policy: str, scale: float) -> Result | None:
    """One run; None after Ctrl-C."""
    system = ParallelServers(X_MODEL, policy=policy, scale=scale)
    events, replicas = (QUICK_EVENTS, FEW_REPLICAS) if run.quick else (EVENTS[scale], REPLICAS)
    return run.result(simulate, system, events=events, warmup=round(WARMUP * RATE * scale), replicas=replicas)


def exponent(servers: list[int], losses: list[float], errors: list[float]) -> tuple[float, float]:
    """Slope of log loss against log N by weighted least squares, and its standard error."""
    weights = np.asarray(losses) / np.asarray(errors)
    columns = weights[:, None] * np.stack([np.ones(len(servers)), np.log(servers)], axis=1)
    covariance = np.linalg.inv(columns.T @ columns)
    return float((covariance @ (columns.T @ (weights * np.log(losses))))[1]), float(np.sqrt(covariance[1, 1]))


def compute(run: Run) -> Findings:
    """Both versions at every scale."""
    points, results, rows, slopes = [], Results(), [], []
    for policy in POLICIES:
        mine = []
        for scale in QUICK_SCALES if run.quick else SCALES:
            result = measure(run, policy, scale)
            if result is None:
                break
            system = ParallelServers(X_MODEL, policy=policy, scale=scale)
            plan, servers = plan_of(system), int(system.rates().servers[0])
            where = {"policy": policy, "servers": servers}
            results.append(result)
            mine.append({**where, **reward_row(result, plan.reward), "tagged_1": result["tagged_1"].mean})
            points += balances(result, where)
            points.append(Point.of(result, where, "reward_rate", plan.reward, "at most"))
            # virtual queues that never reach 0 are in balance: the admitted work is that of all servers
            points.append(Point.of(result, where, "tagged_1", rejected(system, plan)[0]))
            if scale == max(SCALES):
                points.append(Point.of(result, where, "reward_rate", NEAR * plan.reward, "at least"))
        rows += mine
        if len(mine) > 1:
            servers, losses = [row["servers"] for row in mine], [1 - row["share"] for row in mine]
            errors = [row["share_half_width"] / family_bound(1, 0.95) for row in mine]
            slope, error = exponent(servers, losses, errors)
            slopes.append({"policy": policy, "exponent": slope, "standard_error": error})
    published = [
        {"policy": row["policy"], "servers": row["servers"], "share_published": SIMULATED[row["servers"]]}
        | {"share_here": row["share"], "half_width": row["share_half_width"]}
        for row in rows
        if row["policy"] == "shadow-rm"
    ]
    tables = {"shadow-scaling": rows, "shadow-scaling-exponents": slopes}
    tables["shadow-scaling-points"] = [point.row() for point in points]
    return Findings(tables, points, results, published)


def draw(findings: Findings) -> Any:
    """The share lost against the servers of a pool, both axes logarithmic."""
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.5, 4.4)
    rows = findings.tables["shadow-scaling"]
    exponents = {row["policy"]: row for row in findings.tables["shadow-scaling-exponents"]}
    for i, policy in enumerate(POLICIES):
        mine = [row for row in rows if row["policy"] == policy]
        if not mine:
            continue
        servers, losses = [row["servers"] for row in mine], np.array([1 - row["share"] for row in mine])
        label = {"shadow-rm": "the tagged are dropped", "shadow-rm-tag": "the tagged are served last"}[policy]
        if policy in exponents:
            found = exponents[policy]
            label += f": exponent {found['exponent']:.3f} $\\pm$ {1.96 * found['standard_error']:.1g}"
        widths = [row["share_half_width"] for row in mine]
        style = {"markerfacecolor": "white", "markersize": 5, "capsize": 2, "linewidth": 1.1}
        ax.errorbar(servers, losses, widths, fmt="os"[i], color=COLOURS[i], label=label, **style)
        ends = np.array([servers[0], servers[-1]], float)
        ax.plot(ends, losses[0] * (ends / servers[0]) ** -0.5, color=COLOURS[i], linewidth=0.9, linestyle="--")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(FixedLocator(list(SIMULATED)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_major_locator(FixedLocator([0.002, 0.005, 0.01, 0.02, 0.05]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    ax.set_ylim(0.002, 0.06)
    ax.set_xlabel("servers of each pool")
    ax.set_ylabel("reward lost against the planning optimum")
    ax.set_title("SHADOW-RM, X-model; dashed: slope $-1/2$", loc="left", fontsize="medium")
    if rows:
        ax.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/shadow-scaling",
    "SHADOW-RM against the planning optimum as pools grow",
    f"{PAPER}, Theorem 5.1 in EC.1",
    compute,
    draw,
)
