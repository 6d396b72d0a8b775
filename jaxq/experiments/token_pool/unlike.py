"""Unlike servers (Section 7): jobs in the system, who pays for the work, and both bounds of what a deviation pays."""

from typing import Any

import numpy as np

from jaxq.analytic.token_pool.best_response import best_unlike_deviation
from jaxq.analytic.token_pool.heterogeneous import congestion_bound, deviation_bound, processing_costs
from jaxq.analytic.token_pool.server_chain import centralised_jobs
from jaxq.engine.result import Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool

KINDS = ((0.5, 1.0), (0.6, 0.8), (1.6, 2.0))
"""(arrival rate, service rate) of the kinds; the largest utilisation is .8."""
EACH = 5
"""Servers of each kind."""
POLICIES = ("mean-field", "optimal", "0:0:1", "1", "2", "1000:0:0")
"""What the first server plays: along; LP (76); along but offering every idle unit; holding jobs back; nothing to do with
others."""


def market() -> TokenPool:
    """The servers, kind by kind in turn; phi is the largest utilisation."""
    arrivals, services = np.array(KINDS * EACH).T
    return TokenPool(len(arrivals), arrivals, service_rate=services)


def compute(run: Run) -> Findings:
    """One market, its first server playing each of the policies, paired."""
    system = market()
    arrivals, services = np.asarray(system.arrival_rate), np.asarray(system.service_rate)
    rho = float((arrivals / services).max())
    paid, bound = processing_costs(arrivals, services), deviation_bound(arrivals, services)
    central, wait = centralised_jobs(arrivals, services), rho / (1 - rho) / arrivals.sum()
    options: dict[str, Any] = {"metric": ("total_jobs:0.003", "deviator_cost:0.003"), "replicas": REPLICAS}
    options = {"events": 20_000, "replicas": 256} if run.quick else options
    systems = [system.replace(deviator=name) for name in (POLICIES[:2] if run.quick else POLICIES)]
    found = run.results(compare, systems, **options)
    if not found:
        return Findings({"unlike-servers": []})
    along, points, rows = found[0], [], []
    points.append(Point.of(along, {"server": "all"}, "total_jobs", rho / (1 - rho)))
    factor = congestion_bound(arrivals, services)
    points.append(Point.of(along, {"server": "all"}, "total_jobs", factor * central, "at most"))
    for kind, (arrival, service) in enumerate(KINDS, 1):
        where = {"server": f"kind {kind}"}
        mechanism, centre = paid.mechanism[kind - 1], paid.centralised[kind - 1]
        points += [
            Point.of(along, where, f"processing_cost_{kind}", mechanism),
            Point.of(along, where, f"cost_{kind}", mechanism + arrival * wait),
            Point.of(along, where, f"cost_{kind}", mechanism + bound, "at most"),
        ]
        rates = {"arrival_rate": arrival, "service_rate": service, "utilisation": arrival / service}
        costs = {
            "processing_cost": along[f"processing_cost_{kind}"].mean,
            "mechanism": mechanism,
            "centralised": centre,
        }
        rows.append({"kind": kind, **rates, **costs, "cost": along[f"cost_{kind}"].mean, "bound": mechanism + bound})
    with run.work():
        best = best_unlike_deviation(arrivals, services, rho).optimal
    free, deviations = float(arrivals[0]), []  # c = 1: c lambda_1
    for name, result in zip(POLICIES, found, strict=False):
        where, cost = {"server": f"first plays {name}"}, result["deviator_cost"]
        points.append(Point.of(result, where, "deviator_cost", best, "at least"))
        deviations.append(
            {"plays": name, "cost": cost.mean, "half_width": cost.half_width, "lower": best, "upper": free + bound}
        )
    if len(found) > 1:
        points.append(Point.of(found[1], {"server": "first plays optimal"}, "deviator_charged_cost", best))
    gains = []
    for difference in found.differences:
        if difference["metric"] == "deviator_cost":
            where = {"server": f"first plays {difference['system'].partition('=')[2]}"}
            points.append(Point.of_difference(difference, where, "gain", free + bound - best, "at most", sign=-1))
            gain = {"gain": -difference["mean"], "half_width": difference["half_width"], "bound": free + bound - best}
            gains.append({"plays": difference["system"].partition("=")[2], **gain})
    total = {"simulated": along["total_jobs"].mean, "mechanism": rho / (1 - rho), "centralised": central}
    totals = [{**total, "ratio": rho / (1 - rho) / central, "bound": factor}]
    tables = {"unlike-servers": rows, "unlike-servers-total": totals, "unlike-servers-deviations": deviations}
    tables["unlike-servers-gains"] = gains
    return Findings(tables, points, Results(found))


def draw(findings: Findings) -> Any:
    """Who pays for the work, by kind; the first server's cost under each policy between the bounds of Theorem 7.2."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    figure, (left, right) = sized(10.4, 4.2, 1, 2, width_ratios=(1, 1.25))
    rows = findings.tables["unlike-servers"]
    kinds = list(range(len(rows)))
    marker = {"markerfacecolor": "white", "markersize": 5, "capsize": 2}
    for i, (name, label, shift) in enumerate(
        (("processing_cost", "processing", -0.1), ("cost", "processing and holding", 0.1))
    ):
        shown = [p for p in findings.points if p.relation == "equals" and p.name in [f"{name}_{k + 1}" for k in kinds]]
        width = [p.metric.half_width or 0.0 for p in shown]
        place = [kind + shift for kind in kinds]
        left.errorbar(
            place, [p.metric.mean for p in shown], width, fmt="os"[i], color=COLOURS[i], label=label, **marker
        )
    for name, label, style in (
        ("mechanism", "$c \\lambda_i$, the mechanism's share", "-"),
        ("centralised", "$c \\mu_i \\rho_c$, central control", ":"),
        ("bound", "upper bound, Theorem 7.2(1)", "--"),
    ):
        ends = [k - 0.3 for k in kinds], [k + 0.3 for k in kinds]
        left.hlines([row[name] for row in rows], *ends, color=ORACLE, linestyle=style, label=label, zorder=1)
    words = [f"$\\lambda$ = {row['arrival_rate']:g}\n$\\mu$ = {row['service_rate']:g}" for row in rows]
    left.set_xticks(kinds, words)
    left.set_ylabel("cost of a server (per time)")
    left.set_title(f"{EACH} servers of each kind, along", loc="left", fontsize="medium")
    left.set_ylim(0, 1.6 * max(row["bound"] for row in rows))
    plays = findings.tables["unlike-servers-deviations"]
    words = {
        "mean-field": "along\n(mean-field)",
        "optimal": "best response\nof LP (76)",
        "0:0:1": "offers all\nidle units",
    }
    words["1000:0:0"] = "alone"
    place = list(range(len(plays)))
    mean, width = [row["cost"] for row in plays], [row["half_width"] for row in plays]
    right.errorbar(place, mean, width, fmt="o", color=COLOURS[0], label="simulated", **marker)
    right.axhline(plays[0]["lower"], color=ORACLE, label="lower bound, $V^{OPT}$ of LP (76)", zorder=1)
    right.axhline(
        plays[0]["upper"], color=ORACLE, linestyle="--", label="upper bound if along, Theorem 7.2(1)", zorder=1
    )
    right.axhline(
        rows[0]["mechanism"], color="0.4", linestyle=":", label="$c \\lambda_1$, limit of both for large N", zorder=1
    )
    right.set_xticks(place, [words.get(row["plays"], f"keeps {row['plays']}") for row in plays], fontsize="small")
    right.set_xlim(-0.6, len(plays) - 0.4)
    right.set_ylabel("cost of the first server (per time)")
    right.set_title("first server of the first kind, others along", loc="left", fontsize="medium")
    right.set_ylim(0, 1.45 * max(max(mean), plays[0]["upper"]))
    for ax in (left, right):
        ax.legend(frameon=False, fontsize="small", loc="upper left")
    return figure


EXPERIMENT = Experiment(
    "token-pool/unlike-servers",
    "Unlike servers: jobs, shares of the cost, deviations",
    f"{PAPER}, Section 7, Theorems 7.1 and 7.2",
    compute,
    draw,
)
