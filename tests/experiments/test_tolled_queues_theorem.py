"""Theorem 2.1 as an experiment: the theorem stands, and falls without each hypothesis."""

import dataclasses

import pytest

from jaxq.experiments.experiment import Run
from jaxq.experiments.reproduction import Reproduction
from jaxq.experiments.tolled_queues import theorem
from jaxq.systems.tolled_queues.dominance import CLAIMS, Dominance


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
