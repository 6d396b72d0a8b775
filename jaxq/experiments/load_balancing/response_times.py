"""The law of the response time under SA-JSQ and under JSQ."""

from typing import Any

import numpy as np
from scipy.special import gammaincc

from jaxq.analytic.load_balancing.modified import modified_system
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES, REPLICAS, SPEEDS
from jaxq.stats.estimate import Estimate
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.response import QUANTILES

SERVERS, LOAD = 400, 0.9
POLICIES = ("sa-jsq", "jsq")
SIMULATED = {"sa-jsq": 0.94359, "jsq": 1.0491}
"""Means of plain simulations (notebooks/mathematics/load_balancing.md, section 5); they are shown and judge nothing."""
TIMES = tuple(np.round(np.linspace(0, 10, 101), 9).tolist())


def joined(result: Result) -> dict[tuple[int, int], Estimate]:
    """Probability that a job joins a type-j server with i jobs, by (j, i)."""
    names = [name.split("_") for name in result.estimates if name.startswith("joins_")]
    return {(int(j) - 1, int(i)): result.estimates[f"joins_{j}_{i}"] for _, j, i in names}


def stay(kind: int, jobs: int) -> float:
    """Mean response time of a job that joins a type-j server with i jobs."""
    return (jobs + 1) / RATES[kind]


def tail(joins: dict[tuple[int, int], Estimate], time: float) -> Estimate:
    """P(T > t), the mixture of Erlang(i + 1, mu_j)."""
    return _sum([chance * float(gammaincc(i + 1, RATES[j] * time)) for (j, i), chance in joins.items()])


def _sum(estimates: list[Estimate]) -> Estimate:
    return sum(estimates[1:], estimates[0])


def compute(run: Run) -> Findings:
    """Both policies on the same random words."""
    systems = [LoadBalancing(SERVERS, SPEEDS, policy=parse_policy(p), load=LOAD, laws="yes") for p in POLICIES]
    arrivals, servers = systems[0].arrival_rate, SPEEDS.servers(SERVERS)
    options: dict[str, Any] = {"events": 800_000, "warmup": 40_000, "replicas": REPLICAS}
    options |= {"events": 40_000, "warmup": 20_000, "replicas": 128} if run.quick else {}
    pair = run.results(compare, systems, **options)
    points, curves, rows, published = [], [], [], []
    bound = modified_system(arrivals, RATES, servers.tolist())["number_in_system"] / arrivals if pair else 0.0
    for name, result in zip(POLICIES, pair, strict=False):
        where, level, joins = {"policy": name}, result.run["level"], joined(result)
        time = result.estimates["response_time"]
        points.append(Point.of(result, where, "response_time", bound, "at least"))
        mixture = _sum([chance * stay(j, i) for (j, i), chance in joins.items()])
        # the jobs seen on arrival against the time averages: Little's law, and what each type works off
        points.append(Point.of_estimate(mixture - time, result, where, "response_time_by_mixture_less_by_little", 0.0))
        fast = (float(servers[0]) - result.estimates["idle_servers_1"]) * RATES[0]
        works = (fast, result.estimates["busy_capacity"] - fast)  # idle_servers_2 is from the balance itself
        for j in range(len(RATES)):
            share = _sum([chance for (kind, _), chance in joins.items() if kind == j])
            less = share - works[j] / arrivals
            points.append(Point.of_estimate(less, result, where, f"joins_{j + 1}_less_work", 0.0))
        row: dict[str, Any] = {"policy": name, "mean": time.value, "mean_half_width": time.half_width(level)}
        for p in QUANTILES:
            quantile = result[f"response_{p:g}"]
            row |= {f"quantile_{p:g}": quantile.mean, f"quantile_{p:g}_half_width": quantile.half_width}
        rows.append(row)
        for t in TIMES:
            chance = tail(joins, t)
            curves.append({"policy": name, "time": t, "exceeds": chance.value, "half_width": chance.half_width(level)})
        published.append(
            {"policy": name, "response_time_published": SIMULATED[name], "response_time_here": time.value}
            | {"half_width": time.half_width(level)}
        )
    tables = {"response-times": curves, "response-times-quantiles": rows}
    tables["response-times-points"] = [point.row() for point in points]
    tables["response-times-differences"] = [
        {name: d[name] for name in ("metric", "system", "minus", "mean", "half_width")}
        for d in pair.differences
        if d["metric"].startswith("response_")
    ]
    return Findings(tables, points, Results(pair), published)


def draw(findings: Findings) -> Any:
    """P(T > t) of both on a log scale, and their difference."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, (top, bottom) = sized(7, 6, 2, 1, sharex=True, height_ratios=(2.4, 1))
    curves = {}
    for i, row in enumerate(findings.tables["response-times-quantiles"]):
        mine = [c for c in findings.tables["response-times"] if c["policy"] == row["policy"]]
        times, values = [c["time"] for c in mine], np.array([c["exceeds"] for c in mine])
        width = np.array([c["half_width"] for c in mine])
        curves[row["policy"]] = values
        label = f"{row['policy']}, mean {row['mean']:.5g}"
        top.plot(times, values, color=COLOURS[i], linewidth=1.3, label=label)
        top.fill_between(times, values - width, values + width, color=COLOURS[i], alpha=0.25, linewidth=0)
        marks = [row[f"quantile_{p:g}"] for p in QUANTILES]
        top.plot(marks, [1 - p for p in QUANTILES], "os"[i], color=COLOURS[i], markerfacecolor="white", markersize=5)
    if len(curves) == len(POLICIES):
        bottom.plot(times, curves["jsq"] - curves["sa-jsq"], color=COLOURS[0], linewidth=1.3)
    top.set_yscale("log")
    top.set_ylabel("$P(T > t)$")
    top.set_title(f"response time, n = {SERVERS}, load {LOAD:g}; markers: quantiles", loc="left", fontsize="medium")
    top.legend(frameon=False)
    bottom.axhline(0.0, color="0.5", linewidth=0.9, zorder=1)
    bottom.set_ylabel("jsq less sa-jsq")
    bottom.set_xlabel("t (time)")
    return figure


EXPERIMENT = Experiment(
    "load-balancing/response-times",
    "Law of the response time under SA-JSQ and JSQ",
    f"{PAPER}, the model of Section 2",
    compute,
    draw,
)
