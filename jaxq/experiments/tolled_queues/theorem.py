"""Theorem 2.1 at every prefix of random instances, and a counterexample for each hypothesis that is dropped."""

from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.dominance import CLAIMS, Dominance, check_dominance
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.experiments.validate import LEVEL

INSTANCES, CUSTOMERS, QUICK_CUSTOMERS = 20_000, 400, 100
PREFIXES = 40
"""Lengths of a prefix that are drawn, at most."""


def judge(found: Dominance) -> Point:
    """The theorem must have no violation; each of its negative controls must have one."""
    holds = CLAIMS[found.claim].holds
    value, kind, relation = (0.0, "exact", "equals") if holds else (1.0, "bound", "at least")
    metric = Metric(float(found.violations), None, LEVEL, None, value, kind)
    return Point({"claim": found.claim, "instances": found.instances}, "violations", metric, (), relation)


def compute(run: Run) -> Findings:
    """Every claim; the theorem first."""
    points, rows, shown, prefixes = [], [], [], []
    customers = QUICK_CUSTOMERS if run.quick else CUSTOMERS
    lengths = np.unique(np.geomspace(1, customers, PREFIXES).round().astype(int)).tolist()
    for claim in CLAIMS:
        with run.work():
            found = check_dominance(claim, INSTANCES, customers, run.seed % 2**32)
            run.show(str(found))
            points.append(judge(found))
            row: dict[str, Any] = {"claim": claim, "changed": CLAIMS[claim].doc, "instances": found.instances}
            row |= {"customers": found.customers, "violations": found.violations, "first_customer": found.first}
            rows.append(row)
            prefixes += [
                {"claim": claim, "customers": k, "violations": int(np.searchsorted(found.ahead, k, "right"))}
                for k in lengths
            ]
            example = [] if found.counterexample is None else str(found.counterexample).splitlines()
            shown += [{"claim": claim, "counterexample": line.strip()} for line in example]
        if run.interrupted:
            break
    tables = {"theorem": rows, "theorem-counterexamples": shown, "theorem-prefixes": prefixes}
    return Findings(tables, points, published=shown, tested=tested(rows))


def tested(rows: list[dict[str, Any]]) -> str:
    """How often each claim was broken."""
    found = {row["claim"]: row["violations"] for row in rows}
    asked = f"{INSTANCES:,} instances x {rows[0]['customers']} customers" if rows else "no instance"
    controls = ", ".join(f"{count:,} {claim}" for claim, count in found.items() if not CLAIMS[claim].holds)
    broken = ", ".join(str(count) for claim, count in found.items() if CLAIMS[claim].holds)
    return f"violations of the theorem: {broken} in {asked}; of the controls, all must be broken: {controls or 'none'}"


def draw(findings: Findings) -> Any:
    """Share of the instances in which a split was ahead within so many customers, by what is changed of the theorem."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.4, 5.6)
    for colour, row in zip(COLOURS, findings.tables["theorem"], strict=False):
        mine = [r for r in findings.tables["theorem-prefixes"] if r["claim"] == row["claim"]]
        share = [100 * r["violations"] / row["instances"] for r in mine]
        holds = CLAIMS[row["claim"]].holds
        label = f"{'theorem: ' if holds else ''}{row['changed']}: {row['violations']:,}"
        ax.plot(
            [r["customers"] for r in mine],
            share,
            color=colour,
            label=label,
            linewidth=2.5 if holds else 1.4,
            drawstyle="steps-post",
            clip_on=False,
        )
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=0.01)
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=1)
    ax.set_xlabel("customers in the prefix")
    ax.set_ylabel("instances with the split ahead (%)")
    if findings.tables["theorem"]:
        ax.set_title(
            f"prefixes of {findings.tables['theorem'][0]['instances']:,} instances", loc="left", fontsize="medium"
        )
    figure.legend(
        loc="outside lower left", frameon=False, fontsize="small", title="what is changed, and violations found"
    )
    return figure


EXPERIMENT = Experiment(
    "tolled-queues/theorem",
    "A split server is never ahead of the pooled one, nor is it true without each hypothesis",
    f"{PAPER}, Theorem 2.1",
    compute,
    draw,
)
