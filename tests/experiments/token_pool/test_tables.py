"""The token pool's tables, in their quick versions: what is judged, and that the verdict can fail."""

import pytest

from jaxq.analytic.token_pool.best_response import best_deviation
from jaxq.analytic.token_pool.cap import CapConstants, cap_constants
from jaxq.analytic.token_pool.heterogeneous import deviation_bound
from jaxq.engine.metric import Metric
from jaxq.experiments.catalogue import EXPERIMENTS
from jaxq.experiments.experiment import Point, Run
from jaxq.experiments.reproduction import reproduce
from jaxq.experiments.token_pool import cap, deviation, large_markets, unlike, values
from tests.experiments.drawn import has_figure
from tests.experiments.once import once


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "results", once(Run.results))
        yield lambda name: reproduce(EXPERIMENTS[f"token-pool/{name}"], Run(quick=True))


def test_finite_markets_have_their_exact_means(table):
    done = table("exact-values")
    assert done.passed and done.flags == () and len(done.compared) > 20 and done.widest < 0.04
    assert has_figure(done)
    names = {point.name for point in done.findings.points}
    assert names >= {"pool_queue", "pool_wait", "own_queue", "no_tokens", "full_tokens", "pool_busy_on_offer"}


def test_a_wrong_exact_value_is_found(table, monkeypatch):
    right = values.values
    monkeypatch.setattr(values, "values", lambda *market: {name: 1.05 * x for name, x in right(*market).items()})
    done = table("exact-values")
    assert not done.passed and any("pool_busy_on_offer" in failure for failure in done.failures)


def test_digits_of_some_markets():
    """A guard of digits; each is that of a chain which is tested by itself (tests/analytic/token_pool)."""
    assert values.values(0.8, 0.6, 2, None, True)["pool_queue"] == pytest.approx(3.250792, abs=5e-7)
    assert values.values(0.8, 0.7, 100, None, True)["pool_queue"] == pytest.approx(2.608838, abs=5e-7)
    found = values.values(0.5, 0.4, 2, 3, True)
    assert (found["pool_queue"], found["pool_wait"]) == pytest.approx((0.581658, 1.410437), abs=5e-7)
    found = values.values(0.8, 0.4, 4, 50, False)
    assert (found["own_queue"], found["full_tokens"]) == pytest.approx((1.517058, 0.040705), abs=5e-7)


def test_the_best_response_gains_at_most_what_its_relaxation_promises(table, monkeypatch):
    done = table("deviation")
    assert done.passed and done.flags == () and has_figure(done)
    row = done.findings.tables["deviation"][0]
    found = best_deviation(4, 0.8)
    assert row["v_crp_less_v_opt"] == pytest.approx(found.pooling - found.optimal)
    assert 0 < row["gain"] - row["gain_half_width"] and row["gain"] < row["v_crp_less_v_opt"]
    # with a promise that is too small the verdict fails
    monkeypatch.setattr(deviation, "best_deviation", lambda *at: found._replace(pooling=found.optimal + 0.1))
    assert not table("deviation").passed


def test_equilibria_bring_about_the_wait_they_anticipate(table):
    done = table("equilibria")
    assert done.passed and done.flags == () and len(done.compared) >= 4 and has_figure(done)
    steps = [row for row in done.findings.tables["equilibria-map"] if row["servers"] == 10]
    # H is w = 1 / (N (1 - rho)) up to m(1) = 1, and is above w at N = 4 everywhere
    assert (steps[0]["from"], steps[0]["to"], steps[0]["induced_wait"]) == pytest.approx((0, 1, 0.5))
    assert all(r["induced_wait"] > r["to"] for r in done.findings.tables["equilibria-map"] if r["servers"] == 4)
    rows = done.findings.tables["equilibria"]
    assert [row["wait"] for row in rows if row["servers"] == 4] == ["none found"]
    assert {row["least_servers"] for row in rows if row["phi"] == 0.8} == {5}
    assert [row["wait"] for row in rows if row["servers"] == 5][0] == pytest.approx(1.0)


def test_unlike_servers_share_the_cost_by_what_they_bring(table, monkeypatch):
    done = table("unlike-servers")
    assert done.passed and done.flags == () and has_figure(done)
    along, best = done.findings.tables["unlike-servers-deviations"]
    assert 0.5 < best["lower"] < best["cost"] < along["cost"] < along["upper"]  # c lambda_1 = .5
    for row in done.findings.tables["unlike-servers"]:
        assert row["mechanism"] == row["arrival_rate"] and row["processing_cost"] == pytest.approx(
            row["arrival_rate"], rel=0.01
        )
    total = done.findings.tables["unlike-servers-total"][0]
    assert total["simulated"] > 1.2 * total["centralised"] and 1.2 < total["ratio"] < total["bound"]
    monkeypatch.setattr(unlike, "deviation_bound", lambda *at: 0.1 * deviation_bound(*at))
    assert not table("unlike-servers").passed


def test_a_cap_costs_what_the_lemmas_allow(table, monkeypatch):
    done = table("token-cap")
    assert done.passed and done.flags == () and has_figure(done)
    assert {point.relation for point in done.findings.points} == {"equals", "at most", "at least"}
    # the bounds are sharp at phi = lambda: half of them is too small at C = 8 (1.54 jobs of 2.5 allowed)
    monkeypatch.setattr(cap, "cap_constants", lambda *at: CapConstants(*[0.5 * x for x in cap_constants(*at)]))
    failed = table("token-cap").failures
    assert any("own_queue" in words and "at most" in words for words in failed)


def test_the_pool_is_bounded_and_costs_lie_between_the_bounds(table, monkeypatch):
    monkeypatch.setattr(large_markets, "QUICK_MARKETS", (20,))
    done = table("large-markets")
    assert done.passed and done.flags == () and has_figure(done)
    names = {(point.name, point.relation) for point in done.findings.points}
    assert names >= {("pool_queue", "at most"), ("cost", "at most"), ("deviator_cost", "at least")}
    assert large_markets.constants(0.7)[0] == pytest.approx(7 / 3)
    # N = 1 keeps lambda / (1 - lambda) jobs in all; q(.5) = (.7 - .5) / (1 - .5), by Eq. (11) with k = 1
    assert large_markets.constants(0.5)[0] == pytest.approx(7 / 3 - 0.4)
    monkeypatch.setattr(large_markets, "constants", lambda phi: (0.9, 0.5))
    found = [point for result in done.findings.results[:-1] for point in large_markets.judged(result, 20)]
    broken = {point.name for point in found if point.excess is not None and point.excess > 5}
    assert broken >= {"pool_queue", "pool_wait"}


def test_a_bound_is_judged_on_one_side():
    def point(mean, relation):
        return Point.of_difference({"mean": mean, "half_width": 0.1, "level": 0.95}, {}, "x", 1.0, relation)

    assert point(2.0, "at most").excess > 19 and point(0.0, "at most").excess < -19
    assert point(0.0, "at least").excess > 19 and point(2.0, "equals").excess == -point(0.0, "at least").metric.z
    exact = Point({}, "x", Metric(2.0, 0.0, 0.95, 0.0, 1.0, "bound", None), (), "at most")
    assert exact.differs and not Point({}, "x", exact.metric, (), "at least").differs
