"""The stationary queue of balanced saturation against n, and that of the diffusion it tends to."""

import math
from typing import Any

import numpy as np

from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.staffing.theorem import NETWORK, PAPER
from jaxq.stats.intervals import family_bound
from jaxq.systems.parallel_servers.diffusion import CONTROLS, StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers

SCALES, QUICK_SCALES = (100, 400, 900, 1600), (100, 400)
"""With sqrt(n) a multiple of 10 all N_j are whole."""
TIME, QUICK_TIME = 600_000.0, 60_000.0
"""Model time of all replicas together; the queue relaxes in some 10."""
REPLICAS, WARMUP = 1024, 60.0
STEPS = (0.1, 0.05)
"""Time steps; the bias of twice the second mean less the first is of order h^2."""
LEVEL = 0.95
APART = 0.0015
"""By which the two diffusions are drawn apart."""


def compute(run: Run) -> Findings:
    """The diffusion under both controls, then every n; the extrapolation to n = infinity is judged against the former."""
    rows, points, results = [], [], Results()
    total = QUICK_TIME if run.quick else TIME
    limits: dict[str, tuple[float, float]] = {}
    for control in CONTROLS:
        means = []
        for step in STEPS:
            system = StaffingDiffusion(NETWORK, control=control, step=step)
            found = run.results(
                simulate,
                system,
                replicas=REPLICAS,
                events=math.ceil(total / REPLICAS / step),
                warmup=math.ceil(WARMUP / step),
            )
            results += found
            if not found or found[0]["total_queue"].mean is None:
                break
            where: dict[str, Any] = {"system": f"diffusion, {control}", "n": None, "step": step}
            points.append(Point.of(found[0], where, "weighted_idle", system.oracle()["weighted_idle"].value))
            means.append(found[0]["total_queue"])
            rows.append(row(where, found[0]["total_queue"], 1.0))
        if len(means) == len(STEPS):
            value = 2 * means[1].mean - means[0].mean
            limits[control] = value, math.hypot(2 * means[1].standard_error, means[0].standard_error)
            where = {"system": f"diffusion, {control}", "n": None, "step": 0.0}
            rows.append({**where, "total_queue": value, "half_width": width(limits[control][1])})
    for n in QUICK_SCALES if run.quick else SCALES:
        system = ParallelServers(NETWORK, policy="balanced-saturation", scale=n)
        rate = 2 * float(system.rates().arrival_rates.sum())
        found = run.results(
            simulate,
            system,
            replicas=REPLICAS,
            events=math.ceil(total / REPLICAS * rate),
            warmup=math.ceil(WARMUP * rate),
        )
        results += found
        if not found or found[0]["total_queue"].mean is None:
            break
        where = {"system": "network", "n": n, "step": None}
        points.append(Point.of(found[0], where, "weighted_idle", system.oracle()["weighted_idle"].value))
        rows.append(row(where, found[0]["total_queue"], math.sqrt(n)))
    mine = [r for r in rows if r["system"] == "network"]
    if "balanced" in limits and len(mine) > 1:
        value, error = extrapolate(mine)
        limit, more = limits["balanced"]
        where = {"system": "network", "n": "infinity", "step": None}
        joint = {"mean": value - limit, "half_width": width(math.hypot(error, more)), "level": LEVEL}
        points.append(Point.of_difference(joint, where, "total_queue/sqrt(n) less that of the diffusion", 0.0))
        rows.append({**where, "total_queue": value, "half_width": width(error)})
    return Findings({"diffusion": rows}, points, results)


def row(where: dict[str, Any], metric: Any, root: float) -> dict[str, Any]:
    """A mean queue over sqrt(n)."""
    return {**where, "total_queue": metric.mean / root, "half_width": metric.half_width / root}


def width(error: float) -> float:
    """Half-width of a standard error."""
    return family_bound(1, LEVEL) * error


def extrapolate(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """The value at n = infinity of a line in n^-1/2, and its standard error."""
    n = np.array([r["n"] for r in rows], float)
    errors = np.array([r["half_width"] for r in rows]) / family_bound(1, LEVEL)
    columns = np.stack([np.ones(n.size), n**-0.5], axis=1) / errors[:, None]
    covariance = np.linalg.inv(columns.T @ columns)
    found = covariance @ (columns.T @ (np.array([r["total_queue"] for r in rows]) / errors))
    return float(found[0]), math.sqrt(covariance[0, 0])


def draw(findings: Findings) -> Any:
    """Q/sqrt(n) against n^-1/2, with the diffusion's value at 0."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.4, 4.2)
    rows = findings.tables["diffusion"]
    mine = [r for r in rows if r["system"] == "network" and r["n"] != "infinity"]
    where = [r["n"] ** -0.5 for r in mine]
    widths = [r["half_width"] for r in mine]
    ax.errorbar(where, [r["total_queue"] for r in mine], widths, fmt="o-", color=COLOURS[0], label="network, balanced")
    for i, control in enumerate(CONTROLS):
        for r in rows:
            if r["system"] == f"diffusion, {control}" and r["step"] == 0:
                place, style = [APART * (2 * i - 1)], {"color": COLOURS[1 + i], "capsize": 2}
                ax.errorbar(place, [r["total_queue"]], [r["half_width"]], fmt="sD"[i], label=r["system"], **style)
    ax.axvline(0, color="0.6", linewidth=0.9, linestyle=":", zorder=1)
    ax.set_xlim(left=-0.006)
    ax.set_xlabel("$n^{-1/2}$ (the diffusions at 0, side by side)")
    ax.set_ylabel("stationary total queue / $\\sqrt{n}$ (customers)")
    if rows:
        ax.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


EXPERIMENT = Experiment(
    "staffing/diffusion",
    "The stationary queue over sqrt(n) tends to that of the diffusion; Remark 6.5",
    f"{PAPER}, Remark 6.5 and Theorem 6.11",
    compute,
    draw,
)
