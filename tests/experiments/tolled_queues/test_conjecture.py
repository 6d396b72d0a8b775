"""The edge of the conjecture on equal tolls, coarse."""

import dataclasses

import pytest

from jaxq.experiments.experiment import Point, Run
from jaxq.experiments.reproduction import Reproduction
from jaxq.experiments.tolled_queues import conjecture


@pytest.fixture(scope="module")
def findings():
    return conjecture.compute(Run(quick=True))


def test_both_counterexamples_gain_and_no_violation_is_found_elsewhere(findings):
    rows = {row["case"]: row for row in findings.tables["conjecture"]}
    assert list(rows) == ["classes", "classes visible", "sizes"]
    assert all(row["gain"] > (row.get("half_width") or 0.0) for row in rows.values())
    for case, tolls in (("single_toll", conjecture.SINGLE_TOLLS), ("split_toll", conjecture.SPLIT_TOLLS)):
        assert tolls[0] < rows["sizes"][case] < tolls[-1]
    holds = {row["information"]: (row["instances"], row["violations"]) for row in findings.tables["conjecture-holds"]}
    assert holds == {"lengths": (conjecture.QUICK_CHAINS, 0), "workload": (conjecture.QUICK_PAIRS, 0)}
    assert Reproduction(conjecture.EXPERIMENT, findings, 0.0).passed


def test_a_split_that_loses_fails(findings):
    gain = next(p for p in findings.points if p.where["case"] == "sizes")
    metric = dataclasses.replace(gain.metric, mean=-(gain.metric.mean or 0.0), z=-(gain.metric.z or 0.0))
    lost = Point(gain.where, gain.name, metric, (), gain.relation)
    assert not Reproduction(conjecture.EXPERIMENT, dataclasses.replace(findings, points=[lost]), 0.0).passed


def test_what_was_tested_is_said_and_every_market_is_drawn(findings):
    assert f"0 of {conjecture.QUICK_CHAINS} markets (lengths)" in findings.tested
    assert f"0 of {conjecture.QUICK_PAIRS} markets (workload)" in findings.tested
    assert len(findings.tables["conjecture-markets"]) == conjecture.QUICK_CHAINS + conjecture.QUICK_PAIRS
    falls, stands = conjecture.EXPERIMENT.draw(findings).axes
    assert len(falls.containers) == 3
    assert sorted(len(c.lines[0].get_xdata()) for c in stands.containers) == [
        conjecture.QUICK_PAIRS,
        conjecture.QUICK_CHAINS,
    ]
