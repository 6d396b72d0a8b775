"""The theorem seen: with theta > 0 the total queue over sqrt(n) is tight in n and time, with theta < 0 it grows for good.

Networks of several sizes start empty under balanced saturation. Their queues grow at sqrt(n) |theta^n| where theta^n < 0,
the same line for all n on the diffusion scale, and not at all where theta^n > 0; priorities grow at rates of their own. A
work-conserving policy that sends class 1 to the shared pool first grows although theta > 0.
"""

import math
from typing import Any

import numpy as np

from jaxq.analytic.markov.birth_death import stationary
from jaxq.engine.paths import paths
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.staffing.assessment import assess
from jaxq.experiments.staffing.growth import LEVEL, growth
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS

PAPER = "Hmedi, Arapostathis and Pang, On System-Wide Safety Staffing of Large-Scale Parallel Server Networks"
NETWORK = NETWORKS["n"]
STAFFINGS = {"enough": (-0.5, 1.8), "too few": (-0.5, 0.2)}
"""nh with theta = .749 and -.673."""
SCALES, QUICK_SCALES = (100, 400, 1600), (100, 400)
HORIZON, QUICK_HORIZON = 600.0, 300.0
REPLICAS, QUICK_REPLICAS = 256, 64
TIMES = 61
PRIORITIES = {"class 1 first": ("1 > 2", 1), "class 2 first": ("2 > 1", 0)}
"""Order of the classes in the shared pool, and the class in which the queue then is."""
WRONG: dict[str, Any] = {"policy": "priority-preemptive", "priorities": "1 > 2", "preferences": "1: 2 > 1; 2: 2"}


def compute(run: Run) -> Findings:
    """Curves of all sizes; then slopes against their predictions."""
    rows, slopes, points = [], [], []
    horizon = QUICK_HORIZON if run.quick else HORIZON
    for scale in QUICK_SCALES if run.quick else SCALES:
        for name, staffing in STAFFINGS.items():
            system = ParallelServers(NETWORK, policy="balanced-saturation", scale=scale, staffing=staffing)
            rows += curve(run, system, name, horizon)
            found = assess(NETWORK, scale, staffing)
            predicted = found.predicted("balanced-saturation") or 0.0
            slopes += slope(
                run, system, {"n": scale, "staffing": name, "policy": "balanced"}, predicted, horizon, points
            )
            if name == "too few" and scale == SCALES[0]:
                for policy, (order, queued) in PRIORITIES.items():
                    other = system.replace(policy="priority-preemptive", priorities=order)
                    assert found.lone_growth is not None
                    where = {"n": scale, "staffing": name, "policy": policy}
                    slopes += slope(run, other, where, float(found.lone_growth[queued]), horizon, points)
        system = ParallelServers(NETWORK, scale=scale, **WRONG)
        where = {"n": scale, "staffing": "enough", "policy": "shared pool first"}
        slopes += slope(run, system, where, starved(system), horizon / 10, points)
    return Findings({"theorem": rows, "theorem-slopes": slopes}, points)


def curve(run: Run, system: ParallelServers, name: str, horizon: float) -> list[dict[str, Any]]:
    """Mean total queue over sqrt(n) against time."""
    if run.interrupted:
        return []
    root = math.sqrt(system.size)
    with run.work():
        run.show(f"paths: n = {system.size:g}, {name}")
        times = np.linspace(0, horizon, TIMES)
        replicas = QUICK_REPLICAS if run.quick else REPLICAS
        kept = paths(system, times, replicas=replicas, seed=run.seed, keep_paths=replicas, max_events=2**31 - 1).paths
        queue = np.sum([kept[f"queue_{c}"] for c in system.network.classes], axis=0) / root
        return [
            {"n": int(system.size), "staffing": name, "time": float(t), "mean": float(q.mean()), "path": float(q[0])}
            for t, q in zip(times, queue.T, strict=True)
        ]
    return []


def slope(
    run: Run, system: ParallelServers, where: dict[str, Any], predicted: float, horizon: float, points: list[Point]
) -> list[dict[str, Any]]:
    """A row with the slope of the total queue; the slope is judged in ``points``."""
    if run.interrupted:
        return []
    with run.work():
        run.show(f"slope: {', '.join(map(str, where.values()))}")
        found = growth(system, horizon, QUICK_REPLICAS if run.quick else REPLICAS, run.seed)
        row = {"mean": found.total.value, "half_width": found.total.half_width(LEVEL), "level": LEVEL}
        point = Point.of_difference(row, where, "slope", predicted)
        points.append(Point(where, "slope", point.metric, found.flags))
        root = math.sqrt(system.size)
        return [{**where, **row, "predicted": predicted, "over_root_n": row["mean"] / root}]
    return []


def starved(system: ParallelServers) -> float:
    """Growth with class 1 first in the shared pool, pool 2: class 2 has only the servers that class 1 leaves there.

    Formula: lambda_2 - mu_22 (N_2 - E min(x_1, N_2)); x_1 is a birth-death process, as class 1 sees nobody else.
    """
    (first, second), (to_first, (_, to_second)), (own, shared), *_ = system.rates()
    levels = np.arange(1, 4 * (own + shared))
    served = to_first[1] * np.minimum(levels, shared) + to_first[0] * np.clip(levels - shared, 0, own)
    law = stationary(np.full(levels.size, first), served)
    return float(second - to_second * (shared - law @ np.minimum(np.arange(law.size), shared)))


def draw(findings: Findings) -> Any:
    """Curves for enough and too few servers, and slopes against predictions."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    rows, slopes = findings.tables["theorem"], findings.tables["theorem-slopes"]
    figure, axes = sized(11, 3.8, 1, 3)
    scales = list(dict.fromkeys(row["n"] for row in rows))
    for ax, name in zip(axes[:2], STAFFINGS, strict=True):
        for colour, n in zip(COLOURS, scales, strict=False):
            mine = [row for row in rows if (row["n"], row["staffing"]) == (n, name)]
            times = [row["time"] for row in mine]
            ax.plot(times, [row["path"] for row in mine], color=colour, linewidth=0.7, alpha=0.6)
            ax.plot(times, [row["mean"] for row in mine], color=colour, linewidth=1.6, label=f"n = {n}")
        ax.plot([], [], color="0.4", linewidth=1.6, label="thick: mean")
        ax.plot([], [], color="0.4", linewidth=0.7, label="thin: one path")
        ax.set_ylabel("total queue / $\\sqrt{n}$ (customers)")
        sign = ">" if name == "enough" else "<"
        ax.set_title(f"$\\theta {sign} 0$", loc="left", fontsize="medium")
        ax.set_xlabel("time (1/service rate)")
        ax.legend(frameon=False, fontsize="small")
    predicted = [row["predicted"] for row in slopes] or [0.0]
    line = [min(predicted), max(predicted)]
    axes[2].plot(line, line, color="0.6", linewidth=0.9, label="as predicted")
    policies = dict.fromkeys(row["policy"] for row in slopes)
    for colour, marker, policy in zip(COLOURS, "osD^", policies, strict=False):
        mine = [row for row in slopes if row["policy"] == policy]
        axes[2].errorbar(
            [row["predicted"] for row in mine],
            [row["mean"] for row in mine],
            [row["half_width"] for row in mine],
            fmt=marker,
            color=colour,
            markersize=4.5,
            fillstyle="none",
            capsize=2,
            label=policy,
        )
    axes[2].set_xscale("symlog", linthresh=1)
    axes[2].set_yscale("symlog", linthresh=1)
    axes[2].set_title("growth of the total queue", loc="left", fontsize="medium")
    axes[2].set_xlabel("predicted (customers/time)")
    axes[2].set_ylabel("simulated (customers/time)")
    axes[2].legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "staffing/theorem",
    "Total queue over sqrt(n) for safety staffing of either sign, and its growth",
    f"{PAPER}, Theorems 5.6 and 6.11",
    compute,
    draw,
)
