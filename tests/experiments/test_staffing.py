"""The staffing experiments, in their quick versions: what is judged, and that the verdict can fail."""

import pytest

from jaxq.experiments.catalogue import EXPERIMENTS, select
from jaxq.experiments.experiment import Run
from jaxq.experiments.reproduction import reproduce
from jaxq.experiments.staffing import diffusion, theorem
from jaxq.experiments.staffing.assessment import NULL, STABILISABLE, TRANSIENT, assess
from jaxq.experiments.staffing.growth import growth
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.named import NETWORKS
from jaxq.systems.parallel_servers.network import Network


def test_names():
    assert [e.stem for e in select(["staffing"])] == ["theorem", "diffusion"]


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


def test_diffusion(tmp_path, monkeypatch):
    monkeypatch.setattr(diffusion, "QUICK_TIME", 10_000.0)
    found = reproduce(EXPERIMENTS["staffing/diffusion"], Run(quick=True))
    assert found.passed and found.flags == () and len(found.compared) == 7
    assert found.findings.points[-1].where["n"] == "infinity"
    assert [path.suffix for path in found.save(tmp_path)] == [".png", ".svg", ".csv"]


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
    with pytest.raises(ValueError, match="replicas = 1: must be at least 2"):
        growth(system, 10, 1)
