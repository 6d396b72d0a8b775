"""Unlike servers (Section 7): jobs in the system, who pays for the work, and what a deviation gains."""

from typing import Any

import numpy as np

from jaxq.analytic.token_chain import centralised_jobs
from jaxq.analytic.token_heterogeneous import congestion_bound, deviation_bound, processing_costs
from jaxq.engine.result import Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool

KINDS = ((0.5, 1.0), (0.6, 0.8), (1.6, 2.0))
"""(arrival rate, service rate) of the kinds; the largest utilisation is .8."""
EACH = 5
"""Servers of each kind."""
POLICIES = ("mean-field", "0:0:1", "1", "2", "1000:0:0")
"""What the first server plays: along; along but offering every idle unit; holding jobs back; nothing to do with others."""


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
    deviations = []
    for difference in found.differences:
        if difference["metric"] == "deviator_cost":
            where = {"server": f"first plays {difference['system'].partition('=')[2]}"}
            points.append(Point.of_difference(difference, where, "gain", bound, "at most", sign=-1))
            gain = {"gain": -difference["mean"], "half_width": difference["half_width"], "bound": bound}
            deviations.append({"plays": difference["system"].partition("=")[2], **gain})
    total = {"simulated": along["total_jobs"].mean, "mechanism": rho / (1 - rho), "centralised": central}
    totals = [{**total, "ratio": rho / (1 - rho) / central, "bound": factor}]
    tables = {"unlike-servers": rows, "unlike-servers-total": totals, "unlike-servers-deviations": deviations}
    return Findings(tables, points, Results(found))


EXPERIMENT = Experiment(
    "token-pool/unlike-servers",
    "Unlike servers: jobs, shares of the cost, deviations",
    f"{PAPER}, Section 7, Theorems 7.1 and 7.2",
    compute,
)
