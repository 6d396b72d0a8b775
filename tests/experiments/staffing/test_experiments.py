"""The staffing experiments, in their quick versions: what is judged, and that the verdict can fail."""

import numpy as np
import pytest

from jaxq.experiments.catalogue import EXPERIMENTS, select
from jaxq.experiments.experiment import Run
from jaxq.experiments.reproduction import reproduce
from jaxq.experiments.staffing import any_control, critical, diffusion, fits, tails, theorem
from jaxq.experiments.staffing.assessment import NULL, STABILISABLE, TRANSIENT, assess
from jaxq.experiments.staffing.growth import growth
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.network.network import Network
from tests.experiments.drawn import has_figure


def test_names():
    wanted = ["theorem", "diffusion", "critical", "tails", "any-control"]
    assert [e.stem for e in select(["staffing"])] == wanted


def test_theorem(tmp_path, monkeypatch):
    monkeypatch.setattr(theorem, "QUICK_SCALES", (100,))
    monkeypatch.setattr(theorem, "QUICK_REPLICAS", 32)
    found = reproduce(EXPERIMENTS["staffing/theorem"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 5
    rows = found.findings.tables["theorem"]
    last = {name: [r["mean"] for r in rows if r["staffing"] == name][-1] for name in theorem.STAFFINGS}
    assert last["enough"] < 3 < 100 < last["too few"]
    assert [path.suffix for path in found.save(tmp_path)] == [".png", ".svg", ".csv", ".csv"]
    # a prediction that is a fifth off is seen
    system, points = ParallelServers(theorem.NETWORK, **theorem.WRONG), []
    theorem.slope(Run(quick=True), system, {"n": 100}, 0.8 * theorem.starved(system), 30.0, points)
    assert points[0].excess > 10


def test_diffusion(monkeypatch):
    monkeypatch.setattr(diffusion, "QUICK_TIME", 10_000.0)
    monkeypatch.setattr(diffusion, "CONTROLS", ("balanced",))
    found = reproduce(EXPERIMENTS["staffing/diffusion"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 5
    assert found.findings.points[-1].where["n"] == "infinity"
    assert has_figure(found)


def test_fits_find_what_is_there():
    rng, times = np.random.default_rng(1), np.array([10.0, 100.0, 1000.0])
    noise = rng.normal(size=(640, 1))
    for statistic, samples, value in (
        (fits.exponent(times), 2 * times**0.5 * np.exp(0.1 * noise), 0.5),
        (fits.root_coefficient(times), 7 + 2 * times**0.5 * (1 + 0.1 * noise), 2.0),
        (fits.tail_rate(1.0, False), rng.exponential(1 / 0.7, size=(640, 20)), 0.7),
        (fits.tail_rate(3, True), rng.geometric(1 - np.exp(-0.2), size=(640, 20)) - 1, 0.2),
    ):
        row = fits.jackknife(samples, statistic)
        # of the first the noise is common to all times, and none is left in the slope
        assert abs(row["mean"] - value) < 2 * row["half_width"] + 1e-9 and row["half_width"] < 0.05 * value


def test_growth_without_safety_staffing(monkeypatch):
    monkeypatch.setattr(critical, "FIRST", 100.0)
    monkeypatch.setattr(critical, "QUICK_LAST", 800.0)
    assert assess(critical.NETWORK, 100).theta_n == pytest.approx(0, abs=1e-12)
    found = reproduce(EXPERIMENTS["staffing/critical"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 8
    assert has_figure(found)
    # v = (1, 1.25): sum v^2 lambda = 1.3 + .75
    assert critical.coefficient(0) == pytest.approx((4 * 2.05 / np.pi) ** 0.5)
    monkeypatch.setattr(critical, "coefficient", lambda queued: 3.0)
    assert "coefficient" in reproduce(EXPERIMENTS["staffing/critical"], Run(quick=True)).failures[0]


def test_tails(monkeypatch):
    every = tails.systems()
    # Halfin and Whitt: rate beta/s^2 = .6/1.78; one pool at n = 100: N = 184, lambda = 178
    assert every["one pool, diffusion"][1] == pytest.approx(0.6 / 1.78)
    assert every["one pool, n = 100"][1] == pytest.approx(10 * np.log(184 / 178))
    chosen = {name: every[name] for name in ("one pool, n = 100", "N, diffusion, constant control")}
    monkeypatch.setattr(tails, "systems", lambda: chosen)
    found = reproduce(EXPERIMENTS["staffing/tails"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 6
    assert has_figure(found)


def test_every_control_keeps_what_has_spare_capacity(monkeypatch):
    monkeypatch.setattr(any_control, "NETWORKS", {"W, rates by class": any_control.BY_CLASS})
    monkeypatch.setattr(any_control, "QUICK_POLICIES", ("longest queue",))
    found = reproduce(EXPERIMENTS["staffing/any-control"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 8
    assert assess(any_control.BY_CLASS).theta["gains"] > 0
    assert has_figure(found)
    monkeypatch.setattr(any_control, "starved", lambda system: 0.0)
    assert "growth" in reproduce(EXPERIMENTS["staffing/any-control"], Run(quick=True)).failures[0]


def test_extrapolation_finds_a_line():
    rows = [{"n": n, "total_queue": 1 + 3 * n**-0.5, "half_width": 0.1} for n in (100, 400, 900)]
    value, error = diffusion.extrapolate(rows)
    assert value == pytest.approx(1) and 0 < error < 0.2


def test_verdicts():
    network = NETWORKS["n"]
    assert assess(network).verdict == STABILISABLE
    assert assess(network, 100, [-0.5, 0.2]).verdict == TRANSIENT
    found = assess(Network([0.5], [[1.0]], [0.5], scale=100))
    assert found.verdict == NULL and found.predicted("balanced-saturation") is None
    assert assess(network).predicted("lqfs") is None


def test_growth_refuses():
    system = ParallelServers("n", policy="lqfs")
    with pytest.raises(ValueError, match="horizon = -1: must be a number > 0"):
        growth(system, -1)
    with pytest.raises(ValueError, match="replicas = 1: must be a whole number >= 2"):
        growth(system, 10, 1)


def test_an_interrupted_run_draws_what_there_is():
    for experiment in select(["staffing"]):
        findings = experiment.compute(Run(quick=True, interrupted=True))
        assert not findings.results and experiment.draw(findings).axes
