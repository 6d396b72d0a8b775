"""Virtual queues as prices: how they find the duals of the planning problem, and what the step eta does.

Under SHADOW-RM the price eta Q_j moves by steps of eta/mu_ij below the dual nu_j, where the tagged are turned away: its
mean stays under nu_j by a multiple of eta. As long as no Q_j falls to 0 the admitted work is exactly that of all servers,
so that the shares that are tagged are those of the planning problem whatever eta; at eta = 1 queues do fall to 0.
"""

from typing import Any

import numpy as np

from jaxq.engine.paths import paths
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.engine.transient import Paths
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

ETA, HORIZON, STEP = 0.1, 16.0, 0.05
STARTS = ("planned", "zero")
ETAS, QUICK_ETAS = (0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0), (0.1, 0.3, 1.0)
LARGEST = 0.3
"""Eta up to which no virtual queue falls to 0."""
SLACK = 1.5
"""A mean price is under its dual by eta times this at most: six steps of eta/mu."""
EVENTS, QUICK_EVENTS, TIME = 1_000_000, 60_000, 1750.0
"""Events per replica; events in a unit of time."""
APART = 1.04
"""Factor of eta by which the pools are drawn apart."""
LEAST_SHARE = 0.96
"""Where the axis of rewards begins."""
WARMUP = 12.0
"""Time left out; prices, which move by eta/mu a customer, take 1/eta of it at eta = .03."""


def follow(run: Run, start: str) -> Paths | None:
    """Means and some paths of the virtual queues; None after Ctrl-C."""
    found, replicas = None, FEW_REPLICAS if run.quick else REPLICAS
    if not run.interrupted:
        with run.work():
            run.show(f"paths: prices {start}")
            times = np.round(np.arange(0.0, HORIZON + STEP / 2, STEP), 9)
            system = ParallelServers(X_MODEL, policy="shadow-rm", eta=ETA, initial_prices=start)
            found = paths(system, times, replicas=replicas, keep_paths=1, seed=run.seed)
    return found


def measure(run: Run, eta: float) -> Result | None:
    """The stationary regime at one eta; None after Ctrl-C."""
    events, replicas = (QUICK_EVENTS, FEW_REPLICAS) if run.quick else (EVENTS, REPLICAS)
    system = ParallelServers(X_MODEL, policy="shadow-rm", eta=eta)
    warmup = round(TIME * max(WARMUP, 1 / eta))
    return run.result(simulate, system, events=events, warmup=warmup, replicas=replicas)


def compute(run: Run) -> Findings:
    """Prices over time from both starts, then the stationary prices and rewards at several eta."""
    rows, steps, points, results = [], [], [], Results()
    system = ParallelServers(X_MODEL, policy="shadow-rm")
    with run.work():
        plan = plan_of(system)
    for start in STARTS:
        found = follow(run, start)
        if found is None:
            break
        for j, pool in enumerate(X_MODEL.pools):
            name = f"virtual_queue_{pool}"
            means, widths, path = (ETA * x for x in (found.mean[name], found.half_width[name], found.paths[name][0]))
            for t, mean, width, one in zip(found.times, means, widths, path, strict=True):
                row = {"start": start, "pool": pool, "time": float(t), "price": float(mean), "half_width": float(width)}
                rows.append({**row, "path": float(one), "dual": float(plan.pool_prices[j])})
            if start == "zero":
                end = {"mean": float(means[-1]), "half_width": float(widths[-1]), "level": found.level}
                where, dual = {"eta": ETA, "time": HORIZON}, float(plan.pool_prices[j])
                least = dual - SLACK * ETA
                points.append(Point.of_difference(end, where, f"price_{pool}", dual, "at most"))
                points.append(Point.of_difference(end, where, f"price_{pool}", least, "at least"))
    for eta in QUICK_ETAS if run.quick else ETAS:
        result = measure(run, eta)
        if result is None:
            break
        results.append(result)
        row: dict[str, Any] = {"eta": eta, **reward_row(result, plan.reward)}
        for name in ("tagged_1", "busy_1_4", *(f"price_{pool}" for pool in X_MODEL.pools)):
            row |= {name: result[name].mean, f"{name}_half_width": result[name].half_width}
        steps.append(row)
        where = {"eta": eta, "time": "stationary"}
        points += balances(result, where)
        if eta <= LARGEST:
            points.append(Point.of(result, where, "tagged_1", rejected(system, plan)[0]))
            for pool, dual in zip(X_MODEL.pools, plan.pool_prices.tolist(), strict=True):
                least = dual - SLACK * eta
                points.append(Point.of(result, where, f"price_{pool}", dual, "at most"))
                points.append(Point.of(result, where, f"price_{pool}", least, "at least"))
    tables = {"virtual-queues": rows, "virtual-queues-eta": steps}
    return Findings(tables | {"virtual-queues-points": [p.row() for p in points]}, points, results)


def draw(findings: Findings) -> Any:
    """Prices over time from both starts; mean prices and rewards against eta."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

    from jaxq.plotting.labels import ORACLE, tidy
    from jaxq.plotting.sweep import COLOURS

    figure = Figure(figsize=(12, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.5, 1, 1))
    over = [figure.add_subplot(grid[j, 0]) for j in range(2)]
    middle, right = figure.add_subplot(grid[:, 1]), figure.add_subplot(grid[:, 2])
    for ax in (*over, middle, right):
        tidy(ax)
    rows, steps = findings.tables["virtual-queues"], findings.tables["virtual-queues-eta"]
    style = {"markerfacecolor": "white", "markersize": 4.5, "capsize": 2, "linewidth": 1.1}
    for j, (ax, pool) in enumerate(zip(over, X_MODEL.pools, strict=True)):
        for colour, start in zip(COLOURS, STARTS, strict=False):
            mine = [row for row in rows if (row["start"], row["pool"]) == (start, pool)]
            times, means = [row["time"] for row in mine], np.array([row["price"] for row in mine])
            widths, label = np.array([row["half_width"] for row in mine]), f"mean, from {start} prices"
            ax.plot(times, means, color=colour, linewidth=1.3, label=label)
            ax.fill_between(times, means - widths, means + widths, color=colour, alpha=0.25, linewidth=0)
            if start == "zero":
                path = [row["path"] for row in mine]
                ax.step(times, path, where="post", color=colour, linewidth=0.5, alpha=0.6, label="one path of these")
        etas, name = [row["eta"] for row in steps], f"price_{pool}"
        means, widths = [row[name] for row in steps], [row[f"{name}_half_width"] for row in steps]
        places = [eta * APART ** (2 * j - 1) for eta in etas]
        middle.errorbar(places, means, widths, fmt="os"[j] + "-", color=COLOURS[j], label=f"pool {pool}", **style)
    if rows:
        for ax in (*over, middle):
            ax.axhline(rows[0]["dual"], color=ORACLE, linewidth=1.2, zorder=1, label="dual of the planning problem")
        for ax in over:
            ax.legend(frameon=False, fontsize="small", loc="lower right")
    if steps:
        shares, widths = [row["share"] for row in steps], [row["share_half_width"] for row in steps]
        right.errorbar(etas, shares, widths, fmt="o-", color=COLOURS[0], **style)
        middle.legend(frameon=False, fontsize="small", loc="lower left")
    right.set_xscale("log")
    right.xaxis.set_major_locator(FixedLocator(list(ETAS)))
    right.xaxis.set_minor_locator(NullLocator())
    right.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    over[0].set_title(f"virtual queues x $\\eta$ = {ETA:g}", loc="left", fontsize="medium")
    over[1].set_xlabel("time (1/service rate)")
    for ax, pool in zip(over, X_MODEL.pools, strict=True):
        ax.set_ylabel(f"price of pool {pool}\n(money per server and time)")
    middle.set_ylabel("price (money per server and time)")
    middle.set_title("mean price, pools side by side", loc="left", fontsize="medium")
    right.set_ylabel("reward, share of the optimum")
    right.set_ylim(LEAST_SHARE, 1.0)
    for ax in (middle, right):
        ax.set_xlabel("$\\eta$")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/virtual-queues",
    "Virtual queues against the duals of the planning problem, and the step eta",
    f"{PAPER}, SHADOW-RM",
    compute,
    draw,
)
