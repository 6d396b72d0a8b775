"""The token pool's figures, in their quick versions: what is in the tables, and that the verdict can fail."""

import csv
import dataclasses

import pytest

from jaxq.analytic.token_pool.best_response import best_deviation
from jaxq.analytic.token_pool.mean_field_equilibrium import fluid_queue, fluid_rates
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.engine.result import Results
from jaxq.experiments.catalogue import EXPERIMENTS, select
from jaxq.experiments.experiment import Experiment, Findings, Run
from jaxq.experiments.reproduction import reproduce
from jaxq.experiments.token_pool import figures
from tests.experiments.once import once


@pytest.fixture(scope="module", autouse=True)
def simulated_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "results", once(Run.results))
        yield


@pytest.fixture(scope="module")
def rates():
    return reproduce(EXPERIMENTS["token-pool/figure-1a"], Run(quick=True))


@pytest.fixture(scope="module")
def gaps():
    return reproduce(EXPERIMENTS["token-pool/figure-2"], Run(quick=True))


def test_rates_agree_with_the_captions_formulas(rates):
    assert rates.passed and rates.flags == () and len(rates.compared) == 10
    assert 3.2 < rates.bound < 3.4 and rates.widest < 0.01
    free = [point for point in rates.findings.points if point.where["token_cap"] == "none"]
    assert {point.where["phi"] for point in free} == {0.4, 0.8, 0.9}
    for point in free:
        phi = point.where["phi"]
        offers = 0.2 / (1 - phi) if phi < 0.8 else 0.8 / phi
        wanted = {"offer_rate": offers, "request_rate": phi * offers}[point.name]
        assert point.metric.oracle == pytest.approx(wanted, rel=1e-12)


def test_curves_are_those_of_the_analytic_side(rates):
    curves = rates.findings.tables["figure-1a-curves"]
    assert {row["token_cap"] for row in curves} == {"none", 5} and len(curves) == 2 * len(figures.CURVE)
    for row in curves[::7]:
        if row["token_cap"] == "none":
            assert (row["request_rate"], row["offer_rate"]) == fluid_rates(0.8, row["phi"])
        else:
            assert row["request_rate"] == token_server(0.8, row["phi"], 5)["request_rate"]


def test_own_queues_agree(tmp_path):
    done = reproduce(EXPERIMENTS["token-pool/figure-1b"], Run(quick=True, seed=3))
    assert done.passed and done.flags == ()
    # for phi >= lambda every job goes to the pool: the simulated queue is zero on every path, without error
    empty = [point for point in done.findings.points if point.metric.oracle == 0]
    assert len(empty) == 2 and all(point.metric.mean == 0 and not point.differs for point in empty)
    done.save(tmp_path)
    with (tmp_path / "figure-1b-curves.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["token_cap"] == "none"]
    assert [float(row["own_queue"]) for row in rows] == [fluid_queue(0.8, float(row["phi"])) for row in rows]


def test_a_wrong_curve_fails(monkeypatch):
    right = figures.curve
    monkeypatch.setattr(figures, "curve", lambda *at: {name: 1.02 * value for name, value in right(*at).items()})
    done = reproduce(EXPERIMENTS["token-pool/figure-1a"], Run(quick=True))
    assert not done.passed and "standard errors off" in done.failures[0]
    assert abs(done.to_dict()["worst"]["z"]) > done.bound


def test_a_wrong_value_without_error_fails(monkeypatch):
    right = figures.curve
    monkeypatch.setattr(
        figures, "curve", lambda cap, phi: {**right(cap, phi), "own_queue": right(cap, phi)["own_queue"] or 0.01}
    )
    done = reproduce(EXPERIMENTS["token-pool/figure-1b"], Run(quick=True, seed=3))
    assert not done.passed and done.failures[0] == "token_cap none, phi 0.8: own_queue is 0, not 0.01"


def test_published_gaps_to_the_printed_digits(gaps):
    assert len(gaps.findings.published) == 4
    for row in gaps.findings.published:
        assert round(row["gap_percent_here"], 2) == row["gap_percent_paper"]
    costly = best_deviation(18, 0.9)
    assert round(100 * costly.gap, 2) == figures.PUBLISHED[0.9, 18]


def test_gap_table(gaps, tmp_path):
    files = gaps.save(tmp_path)
    assert [path.name for path in files] == ["figure-2.png", "figure-2.svg", "figure-2.csv"]
    with (tmp_path / "figure-2.csv").open() as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["arrival_rate", "servers", "v_crp", "v_opt", "gap"]
        rows = [{name: float(value) for name, value in row.items()} for row in reader]
    for row in rows:
        rate, servers = row["arrival_rate"], row["servers"]
        assert row["v_crp"] == pytest.approx(rate * (1 + 1 / (servers * (1 - rate))), rel=1e-12)
        assert row["gap"] == pytest.approx(row["v_crp"] / row["v_opt"] - 1, rel=1e-12)
    assert [row["gap"] for row in rows[:4]] == sorted((row["gap"] for row in rows[:4]), reverse=True)


def test_figures_name_their_axes_and_the_text_is_the_same_twice(rates, gaps, tmp_path):
    figure = figures.draw_rates(rates.findings)
    assert [ax.get_ylabel() for ax in figure.axes[:2]] == ["rate per server (1/time)"] * 2
    assert "phi" in figure.axes[2].get_xlabel()
    assert figures.draw_gaps(gaps.findings).axes[0].get_xlabel() == "servers N"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        rates.save(tmp_path / folder)
    texts = [(tmp_path / folder / "figure-1a.svg").read_bytes() for folder in ("a", "b")]
    assert texts[0] == texts[1] and b"<dc:date>" not in texts[0]


def test_an_interrupted_run_keeps_what_there_is(monkeypatch, tmp_path):
    from jaxq.engine.simulate import sweep

    def interrupted(*args, **options):
        found = sweep(*args, **options)
        return Results(dataclasses.replace(result, flags=("unfinished",)) for result in found)

    monkeypatch.setattr(figures, "sweep", interrupted)
    run = Run(quick=True)
    done = reproduce(EXPERIMENTS["token-pool/figure-1a"], run)
    assert run.interrupted and done.flags == ("unfinished",)
    assert {row["token_cap"] for row in done.findings.tables["figure-1a"]} == {"none"}
    done.save(tmp_path)
    assert b"unfinished" in (tmp_path / "figure-1a.csv").read_bytes()


def test_an_interrupted_program_keeps_what_there_is(monkeypatch, tmp_path):
    def impatient(servers, rate):
        if servers > 10:
            raise KeyboardInterrupt
        return best_deviation(servers, rate)

    monkeypatch.setattr(figures, "best_deviation", impatient)
    done = reproduce(EXPERIMENTS["token-pool/figure-2"], Run(quick=True))
    assert done.interrupted and [row["servers"] for row in done.findings.tables["figure-2"]] == [8, 10]
    assert len(done.save(tmp_path)) == 3
    monkeypatch.setattr(figures, "MARKETS", (12,))
    with pytest.raises(KeyboardInterrupt):
        reproduce(EXPERIMENTS["token-pool/figure-2"])


def test_a_table_has_no_figure(tmp_path):
    table = Experiment("x/table-1", "", "", lambda run: Findings({"table-1": [{"a": run.seed}]}))
    assert [path.name for path in reproduce(table, Run(seed=7)).save(tmp_path)] == ["table-1.csv"]
    assert (tmp_path / "table-1.csv").read_text().split() == ["a", "7"]


def test_names():
    assert [e.name for e in select(["token-pool"])] == [name for name in EXPERIMENTS if name.startswith("token-pool/")]
    assert [e.stem for e in select(["token-pool/figure-2", "token-pool/figure-2"])] == ["figure-2"]
    with pytest.raises(ValueError, match=r"unknown experiment token-pool/figure2; did you mean token-pool/figure-2\?"):
        select(["token-pool/figure2"])
