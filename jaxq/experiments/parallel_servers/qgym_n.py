"""The N-model of the benchmark QGym: two single servers, holding costs, preemptive policies, exactly and simulated.

Server 1 serves both classes, server 2 class 2 alone. QGym's table has 40.2 for MaxWeight, which rests on one sample path, as
all environments of its simulator are seeded alike; the stationary cost is 48.43. Class 2 first at server 1 leaves class 1
no more than P(X_2 <= 1) of that server, where X_2 is a birth-death chain; that is less than its arrivals.
"""

import dataclasses
from typing import Any

from jaxq.analytic.parallel_servers.exact import greedy, preemptive
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.parallel_servers.paper import FEW_REPLICAS, REPLICAS, balances
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS

QGYM = (
    "Chen, Li, Che, Peng, Dong and Namkoong, QGym: Scalable Simulation and Benchmarking of Queuing Network Controllers"
)
NETWORK = NETWORKS["qgym-n"]
POLICIES: dict[str, dict[str, Any]] = {
    "max-weight": {"policy": "max-weight-preemptive"},
    "class 1 first": {"policy": "priority-preemptive", "priorities": "1 > 2", "preferences": "2 > 1"},
    "class 2 first": {"policy": "priority-preemptive", "priorities": "2 > 1", "preferences": "2 > 1"},
}
STABLE = ("max-weight", "class 1 first")
PUBLISHED = {"max-weight": 40.2}
"""QGym's table."""
CUT = {"max-weight": (300, 260), "class 1 first": (60, 700)}
"""Most customers of each class in the exact chain; fewer than one in 10^10 are lost."""
EVENTS, QUICK_EVENTS = 4_000_000, 200_000
WARMUP = 40_000
"""Events per replica; queues relax in 1/(sqrt 1.5 - sqrt 1.235)^2 = 80 units of time at load .82, 250 events."""


def exact_cost(policy: str) -> tuple[float, list[float]]:
    """Stationary holding cost and mean customers by class of a stable policy."""
    order = [(1, 1), (0, 0), (1, 0)]  # (class, server): server 2 first for class 2, then class 1 first at server 1
    weights = NETWORK.holding_costs[:, None] * NETWORK.service_rates
    rule = greedy([(0, 0), (1, 1), (1, 0)], weights) if policy == "max-weight" else greedy(order)
    rates = (NETWORK.arrival_rates, NETWORK.service_rates, NETWORK.servers)
    law = preemptive(*rates, allocate=rule, most_customers=CUT[policy])
    customers = law.queue + law.busy.sum(axis=1)
    return float(NETWORK.holding_costs @ customers), customers.tolist()


def growth_of_class_1() -> float:
    """lambda_1 - mu_11 P(X_2 <= 1) if class 2 comes first everywhere: X_2 is born at lambda_2 and dies at 1, then 1.5."""
    (first, second), speeds = NETWORK.arrival_rates, NETWORK.service_rates
    both = speeds[1, 0] + speeds[1, 1]
    weights = [1.0, second / speeds[1, 1]]  # of 0 and 1; from there on geometric
    least = sum(weights) / (1.0 + weights[1] / (1 - second / both))
    return float(first - speeds[0, 0] * least)


def measure(run: Run, policy: str) -> Result | None:
    """One run; None after Ctrl-C."""
    events, replicas = (QUICK_EVENTS, FEW_REPLICAS) if run.quick else (EVENTS, REPLICAS)
    system = ParallelServers(NETWORK, **POLICIES[policy])
    return run.result(simulate, system, events=events, warmup=WARMUP, replicas=replicas)


def compute(run: Run) -> Findings:
    """Each policy; the stable ones against their exact laws, the other against its drift."""
    points, results, rows = [], Results(), []
    for policy in POLICIES:
        result = measure(run, policy)
        if result is None:
            break
        where = {"policy": policy}
        row: dict[str, Any] = {**where, "verdict": "unstable" if "unstable" in result.flags else "stable"}
        cost = result["holding_cost"]
        row |= {"published": PUBLISHED.get(policy), "exact": None, "here": cost.mean}
        row |= {"half_width": cost.half_width, "growth": None, "predicted_growth": None}
        if policy in STABLE:
            row["exact"], customers = exact_cost(policy)
            points += balances(result, where)
            points.append(Point.of(result, where, "holding_cost", row["exact"]))
            for name, mean in zip(NETWORK.classes, customers, strict=True):
                busy = sum(result.estimates[metric] for metric in result.metrics if metric.startswith(f"busy_{name}_"))
                inside = result.estimates[f"queue_{name}"] + busy
                points.append(Point.of_estimate(inside, result, where, f"customers_{name}", mean))
            results.append(result)
        else:
            rise: Any = result.growth.get("queue_1", {"rate": 0.0, "half_width": 0.0, "level": result.run["level"]})
            row |= {"growth": rise["rate"], "predicted_growth": growth_of_class_1()}
            grown = {"mean": rise["rate"], "half_width": rise["half_width"], "level": rise["level"]}
            points.append(Point.of_difference(grown, where, "growth_of_queue_1", growth_of_class_1()))
            # no fault of the run here
            flags = tuple(flag for flag in result.flags if flag != "unstable")
            results.append(dataclasses.replace(result, flags=flags))
        rows.append(row)
    return Findings({"qgym-n": rows, "qgym-n-points": [point.row() for point in points]}, points, results, rows)


def draw(findings: Findings) -> Any:
    """Holding costs of the stable policies, exact, simulated and published; and the growth of the one that is not."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    figure, (left, right) = sized(8.4, 4.0, 1, 2, width_ratios=(1.6, 1))
    here = {"fmt": "o", "color": COLOURS[0], "markersize": 5, "capsize": 3, "label": "simulated here, 95 %"}
    exact = {"color": ORACLE, "linewidth": 1.4}
    stable = [row for row in findings.tables["qgym-n"] if row["exact"] is not None]
    places = list(range(len(stable)))
    left.errorbar(places, [row["here"] for row in stable], [row["half_width"] for row in stable], **here)
    left.hlines(
        [row["exact"] for row in stable], [x - 0.3 for x in places], [x + 0.3 for x in places], label="exact", **exact
    )
    table = [(x, row["published"]) for x, row in zip(places, stable, strict=True) if row["published"] is not None]
    if table:
        left.scatter(*zip(*table, strict=True), marker="x", color=COLOURS[1], label="QGym's table, one sample path")
    left.set_xticks(places, [row["policy"] for row in stable])
    left.set_xlim(-0.6, max(len(stable), 2) - 0.4)
    left.set_ylabel("stationary holding cost (cost/time)")
    grown = [point for point in findings.points if point.name == "growth_of_queue_1"]
    for point in grown:
        right.errorbar([0], [point.metric.mean], [point.metric.half_width], **here)
        right.hlines(point.metric.oracle, -0.3, 0.3, label="$\\lambda_1 - \\mu_{11} P(X_2 \\leq 1)$", **exact)
    right.set_xticks([0], ["class 2 first"])
    right.set_xlim(-0.8, 0.8)
    right.set_ylim(0.0, 0.14)
    right.set_ylabel("growth of queue 1 (customers/time)")
    for ax, drawn in ((left, stable), (right, grown)):
        if drawn:
            ax.legend(frameon=False, fontsize="small", loc="best")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/qgym-n",
    "QGym's N-model: holding costs, exact and simulated, and as published",
    QGYM,
    compute,
    draw,
)
