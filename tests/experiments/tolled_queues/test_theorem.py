"""Theorem 2.1 as an experiment: the theorem stands, and falls without each hypothesis."""

import dataclasses

import pytest

from jaxq.experiments.experiment import Run
from jaxq.experiments.reproduction import Reproduction
from jaxq.experiments.tolled_queues import theorem
from jaxq.experiments.tolled_queues.dominance import CLAIMS, Dominance


@pytest.fixture(scope="module")
def findings():
    return theorem.compute(Run(quick=True))


def test_the_theorem_stands_and_each_negative_control_fails(findings):
    rows = {row["claim"]: row for row in findings.tables["theorem"]}
    assert list(rows) == list(CLAIMS)
    assert rows["theorem"]["violations"] == 0 and rows["theorem"]["instances"] == 20_000
    assert all(row["violations"] > 0 for claim, row in rows.items() if claim != "theorem")
    assert Reproduction(theorem.EXPERIMENT, findings, 0.0).passed


def test_a_counterexample_is_a_few_lines(findings):
    for claim in CLAIMS:
        lines = [row for row in findings.tables["theorem-counterexamples"] if row["claim"] == claim]
        assert (len(lines) == 0) if claim == "theorem" else (3 <= len(lines) <= 8)


@pytest.mark.parametrize(("claim", "violations"), [("theorem", 1), ("lengths", 0)])
def test_another_outcome_fails(findings, claim, violations):
    point = theorem.judge(Dominance(claim, 100, 10, violations, None, None))
    changed = dataclasses.replace(findings, points=[*findings.points, point])
    done = Reproduction(theorem.EXPERIMENT, changed, 0.0)
    assert not done.passed and claim in done.failures[0]


def test_the_counts_are_said_and_the_curves_end_at_them(findings):
    rows = {row["claim"]: row["violations"] for row in findings.tables["theorem"]}
    assert findings.tested.startswith(f"violations of the theorem: 0 in 20,000 instances x {theorem.QUICK_CUSTOMERS} ")
    assert all(f"{count:,} {claim}" in findings.tested for claim, count in rows.items() if claim != "theorem")
    for claim, count in rows.items():
        mine = [row["violations"] for row in findings.tables["theorem-prefixes"] if row["claim"] == claim]
        assert mine == sorted(mine) and mine[-1] == count


def test_the_figure_has_a_curve_for_every_claim(findings):
    (ax,) = theorem.EXPERIMENT.draw(findings).axes
    assert len(ax.get_lines()) == len(CLAIMS)
