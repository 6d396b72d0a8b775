"""Dispatching policies side by side: jobs, response times, and which of them are unstable."""

import math
import warnings
from typing import Any

from jaxq.analytic.load_balancing.modified import modified_system, pooled_jobs
from jaxq.analytic.load_balancing.splitting import speed_weighted_response_time
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES, REPLICAS, SPEEDS
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import parse_policy

SERVERS, LOAD = 400, 0.9
BY_CAPACITY = (0.5, 0.5)
"""Routing of pod2r: draws by capacity, which keeps it stable."""
SIMULATED = {
    "sa-jsq": 0.94359,
    "sa-jiq": 0.94434,
    "sa-jiq-weighted": 0.94415,
    "jsq": 1.0491,
    "jiq": 1.0496,
    "random": 10.0,
}
"""Mean response times of plain simulations (notebooks/mathematics/load_balancing.md, section 5). No paper prints them;
they are shown and judge nothing (`benchmarks/witnesses.py` simulates sa-jsq and jsq). Random routing is exact.
"""
POLICIES = (
    "modified",
    "med-fsf",
    "sa-jsq",
    "sa-jiq-weighted",
    "sa-jiq",
    "jsq",
    "jiq",
    "led",
    "sa-pod3",
    "pod3",
    "pod2r",
    "random",
)
UNSTABLE = ("pod2", "sa-pod2", "uniform")
QUICK, QUICK_UNSTABLE = ("modified", "sa-jsq"), ("pod2",)
EVENTS = {"random": 2_400_000, "pod3": 800_000, "sa-pod3": 800_000, "pod2r": 800_000}
WARMUP = {"random": 2_400_000, "pod3": 400_000, "sa-pod3": 400_000, "pod2r": 400_000}
"""Events per replica, of those that take more than 400,000 after 40,000.

Queues that are kept one by one start empty. Under random routing a slow server is M/M/1 at load .9, which relaxes in
1/(mu (1 - sqrt load)^2) = 608 time units, 460,000 events of 400 servers: five of these are left out (the bias is then
below 1e-3, as (t/relaxation)^(-3/2) e^(-t/relaxation)). Under pod3 the slow pool, at .92 of its own capacity from the
draws within it, needs 60 time units. All others start near where they stay and relax in 1/mu_2 = 1.6.
"""
FEWER = 64
"""Replicas where queues are kept one by one: 400 servers are many already."""
GROWTH_EVENTS = 600_000
"""Of an unstable policy, half of them before growth is taken: 400 time units, ten relaxations of uniform's slow servers."""


def make(name: str) -> LoadBalancing:
    """The system under a policy by name."""
    return LoadBalancing(
        SERVERS, SPEEDS, policy=parse_policy(name), load=LOAD, routing=BY_CAPACITY if name == "pod2r" else None
    )


def references() -> dict[str, float]:
    """Exact values and bounds on the jobs."""
    servers, arrivals = SPEEDS.servers(SERVERS).tolist(), LOAD * SERVERS
    lower, pooled = modified_system(arrivals, RATES, servers), pooled_jobs(arrivals, RATES, servers)
    return {
        "modified": lower["number_in_system"],
        "modified_waiting": lower["waiting"],
        "modified_all_busy": lower["probability_all_busy"],
        "bound": max(lower["number_in_system"], pooled),
        "pooled": pooled,
        "random": speed_weighted_response_time(arrivals, RATES, servers),
    }


def measure(run: Run, name: str) -> Result | None:
    """A policy's run; None after Ctrl-C."""
    if name in UNSTABLE:
        events, warmup, replicas = GROWTH_EVENTS // 2, GROWTH_EVENTS // 2, FEWER
        events, warmup = (events // 2, warmup // 2) if run.quick else (events, warmup)
    elif run.quick:
        events, warmup, replicas = 60_000, 20_000, 128
    else:
        events, warmup = EVENTS.get(name, 400_000), WARMUP.get(name, 40_000)
        replicas = FEWER if name in EVENTS else REPLICAS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "policy .* is unstable", UserWarning)
        return run.result(simulate, make(name), events=events, warmup=warmup, replicas=replicas)


def grows(result: Result, name: str) -> Point:
    """The growth of the jobs of an unstable policy, against the drift of the types that overflow."""
    predicted = make(name).predicted_growth() or math.nan
    # the waiting jobs grow as all jobs do, but number_in_system takes departures to balance arrivals
    rise: Any = result.growth.get("waiting_jobs", {"rate": 0.0, "half_width": 0.0, "level": result.run["level"]})
    row = {"mean": rise["rate"], "half_width": rise["half_width"], "level": rise["level"]}
    return Point.of_difference(row, {"policy": name}, "growth", predicted)


def compute(run: Run) -> Findings:
    """Every policy; the stable ones against the lower bound on their jobs, the unstable ones against their drift."""
    points, results, rows = [], Results(), []
    with run.work():
        known = references()
    for name in (*QUICK, *QUICK_UNSTABLE) if run.quick else (*POLICIES, *UNSTABLE):
        result = measure(run, name)
        if result is None:
            break
        where = {"policy": name}
        empty = dict.fromkeys(("response_time", "response_half_width", "jobs", "jobs_half_width", "waiting_jobs"))
        row: dict[str, Any] = {"policy": name, "verdict": "stable", **empty, "growth": None, "growth_half_width": None}
        row["predicted_growth"] = make(name).predicted_growth()
        if name in UNSTABLE:
            grown = grows(result, name)
            points.append(grown)
            growth = {"growth": grown.metric.mean, "growth_half_width": grown.metric.half_width}
            verdict = "unstable" if "unstable" in result.flags else "not seen to be unstable"
            rows.append({**row, "verdict": verdict, **growth})
            # no fault of the run here
            flags = tuple(flag for flag in result.flags if flag != "unstable")
            results.append(Result(**{**vars(result), "flags": flags}))
            continue
        results.append(result)
        if name == "modified":
            points += [
                Point.of(result, where, "number_in_system", known["modified"]),
                Point.of(result, where, "waiting_jobs", known["modified_waiting"]),
                Point.of(result, where, "all_busy", known["modified_all_busy"]),
            ]
        else:
            # where servers share a queue only the pooled queue bounds the jobs
            least = known["pooled" if name == "med-fsf" else "bound"]
            points.append(Point.of(result, where, "number_in_system", least, "at least"))
        if name == "random":
            points.append(Point.of(result, where, "response_time", known["random"]))
        time, jobs = result["response_time"], result["number_in_system"]
        row |= {"response_time": time.mean, "response_half_width": time.half_width}
        row |= {"jobs": jobs.mean, "jobs_half_width": jobs.half_width, "waiting_jobs": result["waiting_jobs"].mean}
        rows.append(row)
    published = [
        {"policy": row["policy"], "response_time_published": SIMULATED[row["policy"]]}
        | {"response_time_here": row["response_time"], "half_width": row["response_half_width"]}
        for row in rows
        if row["policy"] in SIMULATED
    ]
    tables = {"policies": rows, "policies-points": [point.row() for point in points]}
    return Findings(tables, points, Results(results), published)


def draw(findings: Findings) -> Any:
    """Mean response times of the stable policies on a log scale, the unstable ones named."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import COLOUR, ORACLE

    rows = findings.tables["policies"]
    figure, ax = sized(7.5, 0.38 * len(rows) + 1.5)
    for i, row in enumerate(rows):
        time = row["response_time"]
        if time is None:
            note = f"{row['verdict']}: +{row['growth']:.4g} jobs per time (predicted {row['predicted_growth']:.4g})"
            ax.text(0.98, i, note, color="firebrick", va="center", fontsize="small")
            continue
        width = row["response_half_width"] or 0.0
        ax.errorbar(time, i, xerr=width, fmt="o", color=COLOUR, markersize=4.5, capsize=2, markerfacecolor="white")
        ax.annotate(f"{time:.5g}", (time, i), (8, 0), textcoords="offset points", va="center", fontsize="small")
    bound = [
        p.metric.oracle or 0.0 for p in findings.points if p.relation == "at least" and p.where["policy"] != "med-fsf"
    ]
    if bound:
        ax.axvline(bound[0] / (LOAD * SERVERS), color=ORACLE, linewidth=1.1, zorder=1, label="lower bound, Section 7")
        ax.legend(frameon=False, fontsize="small", loc="upper right")
    ax.set_xscale("log")
    ax.set_xlim(0.9, 16)
    ax.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_yticks(range(len(rows)), [row["policy"] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("mean response time (time)")
    ax.set_title(f"n = {SERVERS}, load {LOAD:g}", loc="left", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    "load-balancing/policies",
    "Dispatching policies at n = 400, load 0.9",
    f"{PAPER}, Theorem 3.6 and Section 7",
    compute,
    draw,
)
