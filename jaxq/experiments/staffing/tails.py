"""Exponential tails of stationary queues, fitted, against the rates that are known.

While all servers are busy and the queue is in class i, v.x is a Brownian motion with drift -theta v.p and variance
2 sum_k v_k^2 lambda_k a unit of time, v the gains of the classes, so that in the diffusion

    P(Q > y) ~ exp(-r y),   r = theta (v.p) v_i / sum_k v_k^2 lambda_k,

and exactly so from y = 0 with one pool and equal rates. In a pool of N servers alike Q is geometric, with
r = -log(lambda/(N mu)). Under balanced saturation on the N network no rate is known; that the tail is exponential is what is
looked at.
"""

import math
from typing import Any

import numpy as np

from jaxq.analytic.staffing.gains import gains
from jaxq.engine.paths import paths
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.staffing.fits import jackknife, tail_rate
from jaxq.experiments.staffing.growth import MOST_EVENTS
from jaxq.experiments.staffing.theorem import NETWORK, PAPER
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network

POOL = Network([1.3, 0.48], [[1.0], [1.0]], [1.78], staffing=[0.6], name="one pool")
"""Equal rates: M/M/N, N = 184 at n = 100."""
SCALE, STEP = 100, 0.1
WARMUP, SPACING, COUNT, QUICK_COUNT = 40.0, 20.0, 100, 30
"""Time left out, time between two samples of a replica (the queue relaxes in some 10), and how many."""
REPLICAS, QUICK_REPLICAS = 1024, 256
QUANTILE, FAR = 0.8, 0.95
"""Shares of the samples below the first threshold, and below the second, from which on the rate must be the same."""
FARTHEST = 0.9995
"""Share of the samples up to which the tail is drawn."""
SHARE = 0.08
"""By which a rate above the two thresholds may differ."""


def diffusion_rate(system: StaffingDiffusion) -> float:
    """r of a constant control."""
    network, limit, queued = system.network, system.limit(), system.places()[0]
    v = gains(network.service_rates).classes[0]
    return limit.theta * float(v @ system.shares()) * float(v[queued]) / float(v**2 @ network.arrival_rates)


def systems() -> dict[str, tuple[ParallelServers | StaffingDiffusion, float | None]]:
    """By name, with the rate of the tail of Q/sqrt(n) where it is known."""
    pool = ParallelServers(POOL, policy="fsf", scale=SCALE)
    arrivals, _, servers, *_ = pool.rates()
    geometric = -math.log(float(arrivals.sum()) / float(servers[0])) * math.sqrt(SCALE)
    limits = (StaffingDiffusion(POOL, step=STEP), StaffingDiffusion(NETWORK, step=STEP))
    return {
        "one pool, diffusion": (limits[0], diffusion_rate(limits[0])),
        f"one pool, n = {SCALE}": (pool, geometric),
        "N, diffusion, constant control": (limits[1], diffusion_rate(limits[1])),
        f"N, balanced saturation, n = {SCALE}": (
            ParallelServers(NETWORK, policy="balanced-saturation", scale=SCALE),
            None,
        ),
    }


def sample(run: Run, system: ParallelServers | StaffingDiffusion) -> tuple[np.ndarray, tuple[str, ...]]:
    """Total queues, shape (replicas, samples), unscaled, and the flags of the run."""
    times = WARMUP + SPACING * np.arange(QUICK_COUNT if run.quick else COUNT)
    replicas = QUICK_REPLICAS if run.quick else REPLICAS
    found = paths(system, times, replicas=replicas, seed=run.seed, keep_paths=replicas, max_events=MOST_EVENTS)
    queues = [found.paths[f"queue_{name}"] for name in system.network.classes]
    return np.asarray(queues, np.float64).sum(axis=0), found.flags


def compute(run: Run) -> Findings:
    """Tails, and their rates above two thresholds."""
    rows, fits, points = [], [], []
    for name, (system, known) in systems().items():
        if run.interrupted:
            break
        with run.work():
            run.show(f"paths: {name}")
            whole = isinstance(system, ParallelServers)
            unit = math.sqrt(SCALE) if whole else 1.0
            samples, flags = sample(run, system)
            where, rates = {"system": name}, []
            for share in (QUANTILE, FAR):
                threshold = float(np.quantile(samples, share))
                threshold = math.floor(threshold) if whole else threshold
                fit = jackknife(samples, tail_rate(threshold, whole))
                fit |= {"mean": unit * fit["mean"], "half_width": unit * fit["half_width"]}
                rates.append(fit)
                fits.append({**where, "threshold": threshold / unit, **fit, "known": known})
            if known is not None:
                point = Point.of_difference(rates[1], where, "tail_rate", known)
                points.append(Point(where, "tail_rate", point.metric, flags))
            for relation, factor in (("at least", 1 - SHARE), ("at most", 1 + SHARE)):
                other = {**rates[1], "mean": rates[1]["mean"] / rates[0]["mean"]}
                other["half_width"] = math.hypot(*(r["half_width"] / r["mean"] for r in rates)) * other["mean"]
                point = Point.of_difference(other, where, "rate_far_out/rate", factor, relation)
                points.append(Point(where, point.name, point.metric, flags, relation))
            for level in np.linspace(0.0, np.quantile(samples, FARTHEST), 25):
                rows.append({**where, "queue": float(level / unit), "tail": float((samples > level).mean())})
    return Findings({"tails": rows, "tails-fits": fits}, points)


def draw(findings: Findings) -> Any:
    """P(Q > y) on a log scale with the fitted exponentials."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(7, 4.6)
    for i, name in enumerate(dict.fromkeys(row["system"] for row in findings.tables["tails"])):
        mine = [row for row in findings.tables["tails"] if row["system"] == name and row["tail"] > 0]
        fit = next(row for row in findings.tables["tails-fits"] if row["system"] == name)
        known = "" if fit["known"] is None else f", known {fit['known']:.4f}"
        label = f"{name}: rate {fit['mean']:.4f} $\\pm$ {fit['half_width']:.4f}{known}"
        queues, tails = (np.array([row[key] for row in mine]) for key in ("queue", "tail"))
        ax.plot(queues, tails, "osD^"[i], color=COLOURS[i], markersize=3.2, fillstyle="none", label=label)
        start = np.interp(fit["threshold"], queues, tails)
        ends = np.array([fit["threshold"], queues[-1]])
        ax.plot(ends, start * np.exp(-fit["mean"] * (ends - ends[0])), color=COLOURS[i], linewidth=1.0)
    ax.set_yscale("log")
    ax.set_xlabel("y (customers / $\\sqrt{n}$)")
    ax.set_ylabel("P(total queue / $\\sqrt{n}$ > y)")
    ax.set_title("stationary tails; lines: exponentials fitted above the 80 % quantile", loc="left", fontsize="medium")
    if findings.tables["tails"]:
        ax.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "staffing/tails",
    "Exponential tails of stationary queues, fitted, against known rates",
    f"{PAPER}, Theorem 6.11",
    compute,
    draw,
)
