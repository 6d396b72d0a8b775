"""Theorem 2.1 at every prefix of random instances, and a counterexample for each hypothesis that is dropped."""

from typing import Any

from jaxq.engine.result import Metric
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.experiments.validate import LEVEL
from jaxq.systems.tolled_queues.dominance import CLAIMS, Dominance, check_dominance

INSTANCES, CUSTOMERS, QUICK_CUSTOMERS = 20_000, 400, 100


def judge(found: Dominance) -> Point:
    """The theorem must have no violation; each of its negative controls must have one."""
    holds = CLAIMS[found.claim].holds
    value, kind, relation = (0.0, "exact", "equals") if holds else (1.0, "bound", "at least")
    metric = Metric(float(found.violations), None, LEVEL, None, value, kind)
    return Point({"claim": found.claim, "instances": found.instances}, "violations", metric, (), relation)


def compute(run: Run) -> Findings:
    """Every claim; the theorem first."""
    points, rows, shown = [], [], []
    for claim in CLAIMS:
        with run.work():
            found = check_dominance(claim, INSTANCES, QUICK_CUSTOMERS if run.quick else CUSTOMERS, run.seed % 2**32)
            run.show(str(found))
            points.append(judge(found))
            row: dict[str, Any] = {"claim": claim, "changed": CLAIMS[claim].doc, "instances": found.instances}
            row |= {"customers": found.customers, "violations": found.violations, "first_customer": found.first}
            rows.append(row)
            example = [] if found.counterexample is None else str(found.counterexample).splitlines()
            shown += [{"claim": claim, "counterexample": line.strip()} for line in example]
        if run.interrupted:
            break
    return Findings({"theorem": rows, "theorem-counterexamples": shown}, points, published=shown)


EXPERIMENT = Experiment(
    "tolled-queues/theorem",
    "A split server is never ahead of the pooled one, nor is it true without each hypothesis",
    f"{PAPER}, Theorem 2.1",
    compute,
)
