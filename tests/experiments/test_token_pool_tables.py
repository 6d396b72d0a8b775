"""The token pool's tables, in their quick versions: what is judged, and that the verdict can fail."""

import pytest

from jaxq.analytic.token_deviation import best_deviation
from jaxq.analytic.token_heterogeneous import deviation_bound
from jaxq.engine.result import Metric
from jaxq.experiments.catalogue import EXPERIMENTS
from jaxq.experiments.experiment import Point, Run
from jaxq.experiments.reproduction import reproduce
from jaxq.experiments.token_pool import deviation, unlike, values


@pytest.fixture(scope="module")
def table():
    return lambda name: reproduce(EXPERIMENTS[f"token-pool/{name}"], Run(quick=True))


def test_finite_markets_have_their_exact_means(table):
    done = table("exact-values")
    assert done.passed and done.flags == () and len(done.compared) > 20 and done.widest < 0.04
    names = {point.name for point in done.findings.points}
    assert names >= {"pool_queue", "pool_wait", "own_queue", "no_tokens", "full_tokens", "pool_busy_on_offer"}


def test_a_wrong_exact_value_is_found(table, monkeypatch):
    right = values.values
    monkeypatch.setattr(values, "values", lambda *market: {name: 1.05 * x for name, x in right(*market).items()})
    done = table("exact-values")
    assert not done.passed and any("pool_busy_on_offer" in failure for failure in done.failures)


def test_digits_of_some_markets():
    """A guard of digits; each is that of a chain which is tested by itself (tests/analytic/test_token_*.py)."""
    assert values.values(0.8, 0.6, 2, None, True)["pool_queue"] == pytest.approx(3.250792, abs=5e-7)
    assert values.values(0.8, 0.7, 100, None, True)["pool_queue"] == pytest.approx(2.608838, abs=5e-7)
    found = values.values(0.5, 0.4, 2, 3, True)
    assert (found["pool_queue"], found["pool_wait"]) == pytest.approx((0.581658, 1.410437), abs=5e-7)
    found = values.values(0.8, 0.4, 4, 50, False)
    assert (found["own_queue"], found["full_tokens"]) == pytest.approx((1.517058, 0.040705), abs=5e-7)


def test_the_best_response_gains_at_most_what_its_relaxation_promises(table, monkeypatch):
    done = table("deviation")
    assert done.passed and done.flags == ()
    row = done.findings.tables["deviation"][0]
    found = best_deviation(4, 0.8)
    assert row["v_crp_less_v_opt"] == pytest.approx(found.pooling - found.optimal)
    assert 0 < row["gain"] - row["gain_half_width"] and row["gain"] < row["v_crp_less_v_opt"]
    # with a promise that is too small the verdict fails
    monkeypatch.setattr(deviation, "best_deviation", lambda *at: found._replace(pooling=found.optimal + 0.1))
    assert not table("deviation").passed


def test_equilibria_bring_about_the_wait_they_anticipate(table):
    done = table("equilibria")
    assert done.passed and done.flags == () and len(done.compared) >= 4
    rows = done.findings.tables["equilibria"]
    assert [row["wait"] for row in rows if row["servers"] == 4] == ["none found"]
    assert {row["least_servers"] for row in rows if row["phi"] == 0.8} == {5}
    assert [row["wait"] for row in rows if row["servers"] == 5][0] == pytest.approx(1.0)


def test_unlike_servers_share_the_cost_by_what_they_bring(table, monkeypatch):
    done = table("unlike-servers")
    assert done.passed and done.flags == ()
    for row in done.findings.tables["unlike-servers"]:
        assert row["mechanism"] == row["arrival_rate"] and row["processing_cost"] == pytest.approx(
            row["arrival_rate"], rel=0.01
        )
    total = done.findings.tables["unlike-servers-total"][0]
    assert total["simulated"] > 1.2 * total["centralised"] and 1.2 < total["ratio"] < total["bound"]
    monkeypatch.setattr(unlike, "deviation_bound", lambda *at: 0.1 * deviation_bound(*at))
    assert not table("unlike-servers").passed


def test_a_bound_is_judged_on_one_side():
    def point(mean, relation):
        return Point.of_difference({"mean": mean, "half_width": 0.1, "level": 0.95}, {}, "x", 1.0, relation)

    assert point(2.0, "at most").excess > 19 and point(0.0, "at most").excess < -19
    assert point(0.0, "at least").excess > 19 and point(2.0, "equals").excess == -point(0.0, "at least").metric.z
    exact = Point({}, "x", Metric(2.0, 0.0, 0.95, 0.0, 1.0, "bound", None), (), "at most")
    assert exact.differs and not Point({}, "x", exact.metric, (), "at least").differs
