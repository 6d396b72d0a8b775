"""Theorem 3.6 in distribution: P(Y_{+1} > y) and P(Y_{+2} > y) of several policies above those of the modified system.

At every n the tails of the modified system are a lower bound under every policy (Proposition 7.1); as n grows they and those
of SA-JSQ tend to the tails of the reflected limit (Corollary 3.5, Proposition 7.2).
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxq.analytic.load_balancing.limit_tails import limit_tails
from jaxq.analytic.load_balancing.modified import modified_law
from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate
from jaxq.engine.system import System
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES, REPLICAS, SPEEDS
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.processes.level_counts import LevelCounts
from jaxq.systems.load_balancing.processes.lower_bound import LowerBoundSystem

SERVERS, BETA, LEVELS, DEEP = 100, 1.0, 8, 16
"""Levels kept, and where busy servers are chosen at random."""
POLICIES, QUICK = ("modified", "sa-jsq", "jsq", "led", "sa-jiq-weighted"), ("modified", "sa-jsq", "jsq")
CHANCES, QUICK_CHANCES = (0.9, 0.7, 0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001), (0.9, 0.5, 0.1, 0.03)
"""Tails of the bound at which the policies are judged, as near as whole numbers of jobs allow."""
WARMUP = 40.0
"""Time left out: the start has the right mean number of busy servers, and beta = 1 relaxes in about 3."""


class Original(System, LevelCounts):
    """A policy on counts; observes whether the jobs, and the waiting jobs, are above each of some thresholds."""

    jobs: Any = None
    waiting: Any = None

    def observe(self, state):
        levels = state[0]
        waiting = sum(count for mine in levels for count in mine[1:]) + jnp.int32(0)
        return _above(sum(mine[0] for mine in levels) + waiting, waiting, self)


class Bound(System, LowerBoundSystem):
    """The modified system, seen in the same way; it starts with as many queues busy as serve the arrivals."""

    jobs: Any = None
    waiting: Any = None

    def init(self, words):
        left, busy = self.arrival_rate, jnp.int32(0)
        for j in range(self.servers.shape[0]):
            here = jnp.minimum(jnp.int32(left / self.rates_of_types[j]), self.servers[j])
            left, busy = jnp.maximum(left - self.rates_of_types[j] * self.servers[j], 0.0), busy + here
        return busy, jnp.int32(0), jnp.int32(0)

    def observe(self, state):
        return _above(state[0] + state[1], state[1], self)


def _above(total, waiting, thresholds: Original | Bound):
    found = {f"jobs_{i}": total > thresholds.jobs[i] for i in range(thresholds.jobs.shape[0])}
    return found | {f"waiting_{i}": waiting > thresholds.waiting[i] for i in range(thresholds.waiting.shape[0])}


def law() -> dict[str, np.ndarray]:
    """P(V = k), k = 0, 1, ..., of the jobs and of the waiting jobs in the modified system."""
    arrivals = SERVERS - BETA * math.sqrt(SERVERS)
    one, two, weights = modified_law(arrivals, RATES, SPEEDS.servers(SERVERS).tolist())
    return {"jobs": np.bincount(one + two, weights), "waiting": np.bincount(two, weights)}


def thresholds(law: np.ndarray, chances: tuple[float, ...]) -> np.ndarray:
    """Whole numbers k, each once, whose tails P(V > k) are near ``chances``."""
    tail = 1 - np.cumsum(law)
    return np.unique([int(np.argmin(np.abs(np.log(np.maximum(tail, 1e-12) / p)))) for p in chances]).astype(np.int32)


def make(name: str, jobs: np.ndarray, waiting: np.ndarray) -> Original | Bound:
    """The process of a policy by name."""
    levels = {"modified": None, "sa-jiq-weighted": DEEP}.get(name, LEVELS)
    process = LoadBalancing(SERVERS, SPEEDS, parse_policy(name), beta=BETA, levels=levels).process()
    fields = {f.name: getattr(process, f.name) for f in dataclasses.fields(process) if f.init}
    return (Bound if name == "modified" else Original)(**fields, jobs=jobs, waiting=waiting)


def compute(run: Run) -> Findings:
    """Every policy at every threshold."""
    rows, points, results, limits = [], [], Results(), []
    with run.work():
        bound = law()
        tails = limit_tails(BETA, *RATES)
        for name, what in (("jobs", "total"), ("waiting", "two_jobs")):
            values, tail = tails[what]
            limits += [
                {"quantity": name, "y": float(y), "exceeds": float(p)} for y, p in zip(values, tail, strict=True)
            ]
    for policy in QUICK if run.quick else POLICIES:
        if run.interrupted:
            break
        above = {name: thresholds(bound[name], QUICK_CHANCES if run.quick else CHANCES) for name in bound}
        process = make(policy, **above)
        rate = float(process.total_rate_bound())
        events = 20_000 if run.quick else 1_000_000
        options = {"events": events, "warmup": math.ceil(WARMUP * rate), "replicas": 128 if run.quick else REPLICAS}
        found = run.results(simulate, process, **options)
        if not found:
            break
        results += found
        for name, at in above.items():
            tail = 1 - np.cumsum(bound[name])
            for i, k in enumerate(at.tolist()):
                y = (k - SERVERS * (name == "jobs")) / math.sqrt(SERVERS)
                where = {"policy": policy, "quantity": "y_plus_1" if name == "jobs" else "y_plus_2", "y": round(y, 6)}
                relation = "equals" if policy == "modified" else "at least"
                points.append(Point.of(found[0], where, f"{name}_{i}", float(tail[k]), relation))
                metric = points[-1].metric
                rows.append({**where, "exceeds": metric.mean, "half_width": metric.half_width, "bound": float(tail[k])})
    return Findings({"tails": rows, "tails-limit": limits}, points, results)


def draw(findings: Findings) -> Any:
    """Both tails on log scales, the bound as steps, the limit dotted."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["tails"]
    figure, axes = sized(11, 4.8, 1, 2)
    bound = law()
    names = (("jobs", "y_plus_1", "$P(Y_{+1} > y)$"), ("waiting", "y_plus_2", "$P(Y_{+2} > y)$"))
    for ax, (name, quantity, label) in zip(axes, names, strict=True):
        tail = 1 - np.cumsum(bound[name])
        seen = tail > 3e-4
        y = (np.arange(tail.size) - SERVERS * (name == "jobs")) / math.sqrt(SERVERS)
        shown = seen & (tail < 0.9999)
        ax.step(y[shown], tail[shown], where="post", color="black", linewidth=1.1, label="modified system, exact")
        limit = [row for row in findings.tables["tails-limit"] if row["quantity"] == name and row["exceeds"] > 3e-4]
        limit = [row for row in limit if y[shown][0] < row["y"] <= y[shown][-1]]
        ax.plot(
            [row["y"] for row in limit], [row["exceeds"] for row in limit], color="0.45", linestyle=":", label="limit"
        )
        policies = list(dict.fromkeys(row["policy"] for row in rows))
        for i, policy in enumerate(policies):
            mine = [row for row in rows if (row["policy"], row["quantity"]) == (policy, quantity)]
            mine = [row for row in mine if row["exceeds"] is not None]
            style = {"color": COLOURS[i], "markerfacecolor": "none", "markersize": 5 + 1.2 * i, "linewidth": 0.7}
            means, widths = [row["exceeds"] for row in mine], [row["half_width"] or 0.0 for row in mine]
            ax.errorbar(
                [row["y"] for row in mine],
                means,
                widths,
                fmt="osD^v"[i] + "-" * (policy != "modified"),
                capsize=2,
                label=policy,
                **style,
            )
        ax.set_yscale("log")
        ax.set_ylim(3e-4, 1.3)
        ax.set_xlabel("y (jobs / $\\sqrt{n}$)")
        ax.set_ylabel(label)
        ax.legend(frameon=False, fontsize="small", loc="lower left")
    figure.suptitle(f"n = {SERVERS}, $\\beta$ = {BETA:g}", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    "load-balancing/tails",
    "Tails of the jobs and the waiting jobs against the lower bound on all policies",
    f"{PAPER}, Theorem 3.6 and Proposition 7.1",
    compute,
    draw,
)
