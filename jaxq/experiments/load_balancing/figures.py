"""Figures 3.1 and 3.2: sample paths of the scaled occupancy of speed-aware JSQ.

The paper does not say where its paths start; ours do at `starts`.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxq.analytic.markov.birth_death import stationary
from jaxq.engine.paths import paths
from jaxq.engine.system import System
from jaxq.engine.transient import Paths
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES, REPLICAS, SPEEDS
from jaxq.stats.estimate import Estimate
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.processes.level_counts import LevelCounts

BETA, LEVELS, LEVEL = 2.0, 6, 0.95
MARKETS, QUICK_MARKETS = (50, 200, 700, 5000), (50, 700)
COLLAPSED = 2.0
"""Time from which Figure 3.1's paths are averaged: the servers that were idle at first have long been taken."""
HORIZON, STEP = 10.0, 0.02
SERVERS, TIMES = 700, (0.5, 1.0, 2.0, 4.0)
"""Figure 3.2: servers, and when means are judged."""
FEWEST = 100
"""Servers to be expected over all replicas where a mean is judged by its normal interval."""
SEEN = {"y_1_1": "busy_1", "y_2_1": "busy_2"} | {f"y_{j}_{i}": f"level_{j}_{i}" for i in (2, 3) for j in (1, 2)}


class Started(System, LevelCounts):
    """SA-JSQ from a given state: servers of each type with at least 1, ..., levels jobs, shape (types, levels)."""

    initial: Any = None

    def init(self, words):
        rows = (tuple(self.initial[j, i] for i in range(self.levels)) for j in range(self.types))
        return tuple(rows), jnp.int32(0)


def started(servers: int, scaled: Sequence[Sequence[float]]) -> Started:
    """SA-JSQ from the whole numbers nearest to the scaled occupancy Y_{j,i}(0), by type; zero where none is given."""
    system = LoadBalancing(servers, SPEEDS, beta=BETA, levels=LEVELS, laws="yes").process()
    initial = np.zeros((len(scaled), LEVELS), np.int32)
    for j, row in enumerate(scaled):
        initial[j, : len(row)] = np.round(np.array(row) * math.sqrt(servers))
    initial[:, 0] += SPEEDS.servers(servers)
    fields = {f.name: getattr(system, f.name) for f in dataclasses.fields(system) if f.init}
    return Started(**fields, initial=initial)


def starts(figure: str) -> tuple[tuple[float, ...], ...]:
    """Y_{j,i}(0). Figure 3.1: sqrt n fast servers idle. 3.2: no fast one, and jobs that wait in both pools."""
    idle = -BETA / RATES[1]
    return {"figure-3-1": ((-1.0,), (idle,)), "figure-3-2": ((0.0, 1.0, 0.5), (-1.0, 1.0, 0.5))}[figure]


def scaled(found: Paths, name: str, servers: int) -> np.ndarray:
    """Paths of a Y_{j,i}, shape (replicas, times)."""
    values, j = found.paths[SEEN[name]], int(name[2])
    full = SPEEDS.servers(servers)[j - 1] if name.endswith("_1") else 0
    return (values - full) / math.sqrt(servers)


def most_idle(servers: int) -> float:
    """A bound on the mean idle servers of the fastest pool.

    An idle one is taken by the next arrival, and one gets idle at most at rate mu_1 (N_1 - idle): the servers with one
    job. Fewer have one job while some have two, so the idle ones are below this birth-death chain.
    """
    pool = int(SPEEDS.servers(servers)[0])
    arrivals = LoadBalancing(servers, SPEEDS, beta=BETA).arrival_rate
    law = stationary(RATES[0] * np.arange(pool, 0, -1), np.full(pool, arrivals))
    return float(law @ np.arange(pool + 1))


def decayed(rate: float, start: Sequence[float], time: float) -> float:
    """Mean of a count that only loses: Y_{j,i}(t) = e^(-mu_j t) sum_k (mu_j t)^k / k! Y_{j,i+k}(0), Eq. (3.8) with the
    rates that it lacks; ``start`` has Y_{j,i}(0), Y_{j,i+1}(0), ..."""
    return math.exp(-rate * time) * sum((rate * time) ** k / math.factorial(k) * y for k, y in enumerate(start))


def follow(run: Run, system: Started, times: np.ndarray) -> Paths | None:
    """All replicas' paths; None after Ctrl-C."""
    found = None
    if not run.interrupted:
        with run.work():
            run.show(f"paths: {int(system.servers.sum())} servers")
            replicas = 64 if run.quick else REPLICAS
            found = paths(system, times, replicas=replicas, keep_paths=replicas, seed=run.seed, level=LEVEL)
    return found


def point(samples: np.ndarray, where: dict, name: str, value: float, flags: tuple[str, ...], relation: str) -> Point:
    """The mean of independent samples, judged."""
    mean = Estimate.of(samples)
    row = {"mean": mean.value, "half_width": mean.half_width(LEVEL), "level": LEVEL}
    found = Point.of_difference(row, where, name, value, relation)
    return Point(found.where, found.name, found.metric, flags, relation)


def idle_fast(run: Run) -> Findings:
    """Figure 3.1: Y_{1,1} for several n, and its mean against a bound of order n^-1/2."""
    rows, points = [], []
    times = np.round(np.arange(0.0, (4.0 if run.quick else HORIZON) + STEP / 2, STEP), 9)
    for servers in QUICK_MARKETS if run.quick else MARKETS:
        found = follow(run, started(servers, starts("figure-3-1")), times)
        if found is None:
            break
        values = scaled(found, "y_1_1", servers)
        rows += [
            {"servers": servers, "time": float(t), "y_1_1": float(path), "mean": float(mean)}
            for t, path, mean in zip(times, values[0], values.mean(axis=0), strict=True)
        ]
        idle = -values[:, times >= COLLAPSED].mean(axis=1) * math.sqrt(servers)
        where: dict[str, Any] = {"servers": servers, "from_time": COLLAPSED}
        points.append(point(idle, where, "idle_fast_servers", most_idle(servers), found.flags, "at most"))
    return Findings({"figure-3-1": rows, "figure-3-1-points": [p.row() for p in points]}, points)


def occupancy(run: Run) -> Findings:
    """Figure 3.2: all Y_{j,i}, i <= 3, and the decay of those that nothing feeds, Eq. (3.8)."""
    rows, points, published = [], [], []
    times = np.round(np.arange(0.0, (4.0 if run.quick else HORIZON) + STEP / 2, STEP), 9)
    system = started(SERVERS, starts("figure-3-2"))
    found = follow(run, system, times)
    if found is not None:
        values = {name: scaled(found, name, SERVERS) for name in SEEN}
        root = math.sqrt(SERVERS)
        for k, t in enumerate(times):
            row = {name: float(value[0, k]) for name, value in values.items()}
            rows.append({"time": float(t), **row, **{f"{n}_mean": float(v[:, k].mean()) for n, v in values.items()}})
        for name in ("y_2_2", "y_1_3", "y_2_3"):
            j, i = int(name[2]), int(name[4])
            start = [float(q) / root for q in system.initial[j - 1, i - 1 :]]
            for t in TIMES:
                samples, expected = values[name][:, np.searchsorted(times, t)], decayed(RATES[j - 1], start, t)
                if expected * root * len(samples) < FEWEST:
                    continue
                points.append(point(samples, {"servers": SERVERS, "time": t}, name, expected, found.flags, "equals"))
                if t == 1.0:
                    without = {"component": name, "time": t, "eq_3_8_paper": decayed(1.0, start, t)}
                    published.append({**without, "with_rates": expected, "mean_here": float(samples.mean())})
    tables = {"figure-3-2": rows, "figure-3-2-points": [p.row() for p in points]}
    return Findings(tables, points, published=published)


def draw_idle_fast(findings: Findings) -> Any:
    """A panel for each n."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["figure-3-1"]
    markets = list(dict.fromkeys(row["servers"] for row in rows)) or [0]
    figure, every = sized(8, 1.5 * len(markets) + 1, len(markets), 1, sharex=True, sharey=True, squeeze=False)
    every = every[:, 0]
    for i, (ax, servers) in enumerate(zip(every, markets, strict=True)):
        mine = [row for row in rows if row["servers"] == servers]
        times = [row["time"] for row in mine]
        ax.step(times, [row["y_1_1"] for row in mine], where="post", color=COLOURS[i], linewidth=0.8)
        ax.plot(times, [row["mean"] for row in mine], color="black", linewidth=1.0, linestyle="--")
        ax.set_title(f"n = {servers}", loc="left", fontsize="medium")
        ax.set_ylabel("$Y_{1,1}$")
    every[-1].set_xlabel("time")
    figure.supxlabel("one path and, dashed, the mean over all", fontsize="small")
    return figure


def draw_occupancy(findings: Findings) -> Any:
    """Idle servers; queues with at least two jobs; with at least three."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["figure-3-2"]
    titles = ("idle servers", "servers with at least two jobs", "servers with at least three jobs")
    figure, every = sized(8, 7.5, 3, 1, sharex=True)
    times = [row["time"] for row in rows]
    for i, (ax, title) in enumerate(zip(every, titles, strict=True), 1):
        for j in (1, 2):
            name, colour = f"y_{j}_{i}", COLOURS[j - 1]
            label = f"$Y_{{{j},{i}}}$"
            ax.step(times, [row[name] for row in rows], where="post", color=colour, linewidth=0.8, label=label)
            ax.plot(times, [row[f"{name}_mean"] for row in rows], color=colour, linewidth=1.2, linestyle="--")
            judged = [p for p in findings.points if p.name == name]
            ax.plot(
                [p.where["time"] for p in judged],
                [p.metric.oracle for p in judged],
                "o",
                color=colour,
                markerfacecolor="white",
                markersize=4.5,
            )
        ax.set_title(f"{title}, n = {SERVERS}", loc="left", fontsize="medium")
        ax.set_ylabel(f"$Y_{{j,{i}}}$")
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    every[-1].set_xlabel("time")
    figure.supxlabel("one path; dashed: mean over all; circles: Eq. (3.8) with its rates", fontsize="small")
    return figure


EXPERIMENTS = (
    Experiment(
        "load-balancing/figure-3-1",
        "Idle servers of the fastest pool for several n",
        f"{PAPER}, Figure 3.1 and Proposition 3.1",
        idle_fast,
        draw_idle_fast,
    ),
    Experiment(
        "load-balancing/figure-3-2",
        "Sample paths of the scaled occupancy at n = 700",
        f"{PAPER}, Figure 3.2 and Eq. 3.8",
        occupancy,
        draw_occupancy,
    ),
)
