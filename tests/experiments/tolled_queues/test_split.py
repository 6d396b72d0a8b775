"""Splits and slopes as experiments, coarse."""

from jaxq.experiments.experiment import Run
from jaxq.experiments.reproduction import Reproduction
from jaxq.experiments.tolled_queues import slopes, split


def test_a_gain_is_found_where_it_is_claimed_and_nowhere_else():
    findings = split.compute(Run(quick=True))
    claims = {point.where["market"]: (point.relation, point.metric.oracle) for point in findings.points}
    assert claims == {"a class in haste": ("at least", 1.0), "one class": ("at most", 0.0)}
    for market in claims:
        rows = [row for row in findings.tables["split"] if row["market"] == market]
        assert len(rows) == split.QUICK_STARTS
        (best,) = (row for row in rows if row["best"])
        if claims[market][0] == "at least":
            assert best["gain"] - best["half_width"] > 0.08
            assert abs(best["tolls_1"] - best["tolls_2"]) > 5
    assert Reproduction(split.EXPERIMENT, findings, 0.0).passed
    haste, alike = (part for part in findings.tested.split("; ") if part.startswith(tuple(claims)))
    assert haste.startswith("a class in haste: ") and "gain in revenue" in haste
    assert alike.startswith("one class: ") and "no gain found" in alike
    gains, ends = split.EXPERIMENT.draw(findings).axes
    shown = {label for ax in (gains, ends) for label in ax.get_legend_handles_labels()[1]}
    assert {*claims, "best single toll", "server 1, gains for sure", "server 2, gains for sure"} <= shown


def test_signs_mostly_agree_at_some_temperature():
    findings = slopes.compute(Run(quick=True))
    assert len(findings.tables["slopes"]) == len(slopes.CASES) * len(slopes.TEMPERATURES)
    assert all(0 < row["same"] <= row["known"] for row in findings.tables["slopes"])
    assert Reproduction(slopes.EXPERIMENT, findings, 0.0).passed
    assert all(f"({case})" in findings.tested for case in slopes.CASES)
    (ax,) = slopes.EXPERIMENT.draw(findings).axes
    assert set(slopes.CASES) <= set(ax.get_legend_handles_labels()[1])
