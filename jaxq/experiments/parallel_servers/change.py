"""Arrival rates that change while the system runs: prices follow, a fixed order of priorities does not.

Three phases of the X-model. At first class 2 can fill both pools, and c-mu/theta is right: class 2 first everywhere. Then
class 1 can fill pool 3, where it is fast, and class 2 fits into pool 4: the right order is 1 > 2 at pool 3. At last the
rates are those of the companion, where neither is right. SHADOW-RM is told none of it.
"""

from typing import Any

import numpy as np

from jaxq.engine.paths import paths
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import compare
from jaxq.engine.transient import Paths
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.parallel_servers.paper import (
    FEW_REPLICAS,
    PAPER,
    REPLICAS,
    X_MODEL,
    balances,
    plan_of,
    reward_row,
)
from jaxq.stats.estimate import Estimate
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.schedule import Changes

PHASES = ((250.0, 900.0), (500.0, 380.0), (250.0, 600.0))
LENGTH, STEP, SETTLED = 12.0, 0.1, 8.0
"""Of a phase; between points of the grid; from the start of a phase to where its regime is reached (mu_14 = 1)."""
POLICIES: dict[str, dict[str, Any]] = {
    "shadow-rm": {"policy": "shadow-rm"},
    "c-mu-theta": {"policy": "c-mu-theta"},
    "1 first at pool 3": {"policy": "priority", "priorities": "3: 1 > 2; 4: 2 > 1"},
}
SHADOW, LEVEL = 0.97, 0.95
"""Share of the optimum that SHADOW-RM reaches at least in each phase."""
STATIC = {
    ("c-mu-theta", 1): 0.84,
    ("c-mu-theta", 2): 0.92,
    ("1 first at pool 3", 0): 0.86,
    ("1 first at pool 3", 2): 0.97,
}
"""Share of the optimum that a fixed order reaches at most, in the phases that it is wrong for."""
QUICK_POLICIES = ("shadow-rm", "c-mu-theta")
EVENTS, QUICK_EVENTS, WARMUP = 600_000, 60_000, 20_000


def system(policy: str, phases=PHASES) -> ParallelServers:
    """The X-model that goes through some phases."""
    network = X_MODEL.replace(arrival_rates=phases[0])
    changes = Changes(tuple(LENGTH * k for k in range(1, len(phases))), tuple(phases[1:])) if phases[1:] else None
    return ParallelServers(network, changes=changes, **POLICIES[policy])


def follow(run: Run, policy: str) -> Paths | None:
    """The busy servers over time, of every replica; None after Ctrl-C."""
    found, replicas = None, FEW_REPLICAS if run.quick else REPLICAS
    if not run.interrupted:
        with run.work():
            run.show(f"paths: {policy}")
            times = np.round(np.arange(0.0, LENGTH * len(PHASES) + STEP / 2, STEP), 9)
            found = paths(system(policy), times, replicas=replicas, keep_paths=replicas, seed=run.seed, level=LEVEL)
    return found


def reward_paths(found: Paths) -> np.ndarray:
    """sum g_i mu_ij Psi_ij of every replica, shape (replicas, times)."""
    worth = X_MODEL.rewards[:, None] * X_MODEL.service_rates
    graph = X_MODEL.graph
    return np.sum(
        [g * found.paths[f"busy_{name}"] for g, name in zip(graph.by_edge(worth), graph.names(), strict=True)], axis=0
    )


def settled(samples: np.ndarray, times: np.ndarray, phase: int) -> Estimate:
    """The mean of the late part of a phase, from one average a replica."""
    late = (times >= LENGTH * phase + SETTLED) & (times < LENGTH * (phase + 1))
    return Estimate.of(samples[:, late].mean(axis=1))


def reaches(samples: np.ndarray, times: np.ndarray, stationary: Result, where: dict[str, Any]) -> Point:
    """The late part of a phase less the stationary regime of its rates, which is another run with other noise."""
    late, mean = settled(samples, times, where["phase"] - 1), stationary.estimates["reward_rate"]
    spread = np.hypot(late.half_width(LEVEL), mean.half_width(LEVEL))
    row = {"mean": late.value - mean.value, "half_width": float(spread), "level": LEVEL}
    return Point.of_difference(row, where, "reward_rate_less_stationary", 0.0)


def judged(result: Result, where: dict[str, Any], best: float) -> list[Point]:
    """What a policy reaches in the stationary regime of a phase."""
    points, policy, k = balances(result, where), where["policy"], where["phase"] - 1
    points.append(Point.of(result, where, "reward_rate", best, "at most"))
    if policy == "shadow-rm":
        points.append(Point.of(result, where, "reward_rate", SHADOW * best, "at least"))
    if (policy, k) in STATIC:
        points.append(Point.of(result, where, "reward_rate", STATIC[policy, k] * best, "at most"))
    return points


def compute(run: Run) -> Findings:
    """Every policy through all phases, and in the stationary regime of each."""
    curves, rows, points, results = [], [], [], Results()
    with run.work():
        optima = [plan_of(system("shadow-rm", (rates,))).reward for rates in PHASES]
    for policy in QUICK_POLICIES if run.quick else POLICIES:
        alone = [system(policy, (rates,)) for rates in PHASES]
        found = follow(run, policy)
        events, replicas = (QUICK_EVENTS, FEW_REPLICAS) if run.quick else (EVENTS, REPLICAS)
        regimes = run.results(compare, alone, events=events, warmup=WARMUP, replicas=replicas)
        results += regimes
        if found is None:
            break
        samples = reward_paths(found)
        for t, now in zip(found.times, samples.T, strict=True):
            mean, best = Estimate.of(now), optima[min(int(t // LENGTH), len(PHASES) - 1)]
            row = {"policy": policy, "time": float(t), "reward_rate": mean.value}
            curves.append({**row, "half_width": mean.half_width(LEVEL), "optimum": best})
        for k, result in enumerate(regimes):
            where = {"policy": policy, "phase": k + 1}
            rows.append({**where, **reward_row(result, optima[k])})
            points += judged(result, where, optima[k])
            points.append(reaches(samples, found.times, result, where))
    tables = {"change": curves, "change-phases": rows, "change-points": [point.row() for point in points]}
    return Findings(tables, points, results)


def draw(findings: Findings) -> Any:
    """Reward rates over time with pointwise intervals, and the optimum of each phase as steps."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(9, 4.6)
    curves, phases = findings.tables["change"], findings.tables["change-phases"]
    for i, policy in enumerate(dict.fromkeys(row["policy"] for row in curves)):
        mine = [row for row in curves if row["policy"] == policy]
        times, means = [row["time"] for row in mine], np.array([row["reward_rate"] for row in mine])
        widths = np.array([row["half_width"] for row in mine])
        ax.plot(times, means, color=COLOURS[i], linewidth=1.3, label=policy)
        ax.fill_between(times, means - widths, means + widths, color=COLOURS[i], alpha=0.25, linewidth=0)
        if i == 0:
            best = [row["optimum"] for row in mine]
            ax.step(times, best, where="post", color=ORACLE, linewidth=1.2, zorder=1, label="planning optimum")
    for k, rates in enumerate(PHASES):
        shares = [f"{row['policy']}: {100 * row['share']:.1f} %" for row in phases if row["phase"] == k + 1]
        text = "\n".join([f"arrivals {rates[0]:g}, {rates[1]:g}", *shares])
        ax.text(LENGTH * (k + 0.97), 0.03, text, transform=ax.get_xaxis_transform(), ha="right", fontsize="x-small")
        if k:
            ax.axvline(LENGTH * k, color="0.6", linewidth=0.9, linestyle=":", zorder=1)
    ax.set_xlim(0, LENGTH * len(PHASES))
    ax.set_ylim(700, 1600)
    ax.set_xlabel("time")
    ax.set_ylabel("reward rate (money/time)")
    ax.set_title("X-model, arrival rates that change twice", loc="left", fontsize="medium")
    if curves:
        ax.legend(frameon=False, fontsize="small", loc="upper right")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/change",
    "Arrival rates that change: shadow prices follow, static priorities do not",
    f"{PAPER}, the purpose of SHADOW-RM",
    compute,
    draw,
)
