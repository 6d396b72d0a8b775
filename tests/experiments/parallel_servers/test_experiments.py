"""The experiments on networks in overload, in their quick versions: what is judged, and that the verdict can fail."""

import numpy as np
import pytest

from jaxq.analytic.parallel_servers.planning import load_balancing, static_planning
from jaxq.experiments.catalogue import EXPERIMENTS, select
from jaxq.experiments.experiment import Findings, Run
from jaxq.experiments.parallel_servers import (
    balance,
    change,
    companion,
    paper,
    qgym_n,
    random_networks,
    scaling,
    virtual_queues,
)
from jaxq.experiments.reproduction import reproduce
from tests.experiments.drawn import has_figure
from tests.experiments.once import once


@pytest.fixture(scope="module", autouse=True)
def simulated_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "results", once(Run.results))
        patch.setattr(virtual_queues, "follow", once(virtual_queues.follow))
        patch.setattr(change, "follow", once(change.follow))
        patch.setattr(random_networks, "tuned", once(random_networks.tuned))
        yield


def done(name: str):
    return reproduce(EXPERIMENTS[f"parallel-servers/{name}"], Run(quick=True))


def values(found, table: str, key: str, value: str) -> dict:
    return {row[key]: row[value] for row in found.findings.tables[table]}


def test_names():
    wanted = ["companion", "shadow-scaling", "virtual-queues", "balance", "change", "random-networks", "qgym-n"]
    assert [e.stem for e in select(["parallel-servers"])] == wanted


def test_the_companion_and_the_honest_loss(monkeypatch):
    found = done("companion")
    assert found.passed and found.flags == ()
    rows = {(row["set"], row["quantity"]): row for row in found.findings.published}
    # `python benchmarks/witnesses.py x-model`, a plain simulation, with 95 % half-widths; then a longer one,
    # notebooks/mathematics/parallel_servers.md, section 5
    for quantity, value, width in (
        ("busy_1_3", 13.4459, 0.045),
        ("busy_1_4", 38.0659, 0.076),
        ("queue_1", 158.176, 0.35),
        ("queue_2", 5.99672, 0.028),
        ("reward_rate", 1220.36, 0.58),
        ("busy_1_3", 13.427, 0.018),
        ("busy_1_4", 38.049, 0.030),
        ("queue_1", 158.30, 0.12),
        ("queue_2", 6.002, 0.011),
        ("reward_rate", 1220.54, 0.22),
    ):
        row = rows["A", quantity]
        assert abs(row["here"] - value) < 2.3 * np.hypot(row["half_width"], width)
    assert rows["slow", "loss"]["fluid"] == pytest.approx(0.14815, abs=1e-5)
    assert rows["slow", "loss"]["here"] == pytest.approx(0.214, abs=0.003)
    assert rows["slow", "queue_2"]["fluid"] == 0 and rows["slow", "queue_2"]["here"] > 40
    # printed: .9918, of one run of 5 million arrivals; SHADOW-RM and the planning problem know nothing of mu_14
    assert rows["B slow", "abandonment_1"]["here"] == pytest.approx(0.992, abs=6e-4)
    assert rows["B slow", "loss"]["here"] == pytest.approx(0.215, abs=0.004)
    assert has_figure(found)
    monkeypatch.setitem(companion.FLUID, "busy_1_3", 12.87)  # rounded, as it is not printed
    monkeypatch.setattr(companion, "LOSS", 0.23)
    failures = done("companion").failures
    assert len(failures) == 3 and "busy_1_3" in failures[0] and all("reward_rate" in text for text in failures[1:])


def test_shadow_routing_comes_closer_to_the_optimum_with_the_size(monkeypatch):
    found = done("shadow-scaling")
    assert found.passed and found.flags == ()
    for row in found.findings.published:
        assert abs(row["share_here"] - row["share_published"]) < 0.0005 + 2.3 * row["half_width"]
    for row in found.findings.tables["shadow-scaling-exponents"]:
        assert -0.75 < row["exponent"] < -0.45
    assert has_figure(found)
    right = scaling.rejected
    monkeypatch.setattr(scaling, "rejected", lambda system, plan: [1.1 * x for x in right(system, plan)])
    assert "tagged_1" in done("shadow-scaling").failures[0]


def test_an_exponent_is_found():
    servers = [25, 100, 400]
    slope, error = scaling.exponent(servers, [3 * n**-0.7 for n in servers], [0.01 * n**-0.7 for n in servers])
    assert slope == pytest.approx(-0.7) and 0 < error < 0.01


def test_virtual_queues_find_the_duals(monkeypatch):
    found = done("virtual-queues")
    assert found.passed and found.flags == ()
    rows = found.findings.tables["virtual-queues"]
    first = [(row["start"], row["price"]) for row in rows if row["time"] == 0 and row["pool"] == "3"]
    # replicas start up to eta/mu_14 above, each at its own place
    assert first == [("planned", pytest.approx(4.05, abs=0.05)), ("zero", pytest.approx(0.05, abs=0.05))]
    prices = values(found, "virtual-queues-eta", "eta", "price_3")
    assert 4 - prices[0.3] == pytest.approx(3 * (4 - prices[0.1]), rel=0.15)
    leaks = values(found, "virtual-queues-eta", "eta", "busy_1_4")
    assert leaks[0.1] == 0 and leaks[1.0] > 0.1
    assert has_figure(found)
    monkeypatch.setattr(virtual_queues, "SLACK", 0.5)
    assert all("price" in failure for failure in done("virtual-queues").failures)
    assert not done("virtual-queues").passed


def test_tandem_tells_overload_from_underload(monkeypatch):
    found = done("balance")
    assert found.passed and found.flags == ()
    tagged = [row for row in found.findings.tables["balance"] if row["policy"] == "shadow-tandem"]
    assert [row["load"] for row in tagged] == [0.7, 1.0, 1.2]
    assert tagged[0]["tagged_1"] == 0 and tagged[2]["tagged_1"] > 0.5
    assert has_figure(found)
    withheld = dict.fromkeys(("load_3", "load_3_half_width", "share", "share_half_width"))
    found.findings.tables["balance"][0].update(withheld)
    assert has_figure(found)
    monkeypatch.setattr(balance, "MOST_TAGGED", 0.0)
    monkeypatch.setattr(balance, "rejected", lambda system, plan: [0.5, 0.0])
    assert [failure.split(", load ")[1].split(":")[0] for failure in done("balance").failures] == ["0.7", "1.0", "1.2"]


def test_prices_follow_a_change(tmp_path, monkeypatch):
    found = done("change")
    assert found.passed and found.flags == ()
    phases = {(row["policy"], row["phase"]): row["share"] for row in found.findings.tables["change-phases"]}
    assert phases["c-mu-theta", 1] > 0.999 and phases["c-mu-theta", 2] < 0.84
    assert min(phases["shadow-rm", k] for k in (1, 2, 3)) > 0.97
    assert len(found.save(tmp_path)) == 5
    right = change.reward_paths
    monkeypatch.setattr(change, "reward_paths", lambda paths: 1.02 * right(paths))
    monkeypatch.setitem(change.STATIC, ("c-mu-theta", 2), 0.9)
    failures = done("change").failures
    assert any("less_stationary" in failure for failure in failures)
    assert any("phase 3: reward_rate is" in failure for failure in failures)


def test_random_networks_are_what_they_are_said_to_be():
    for network in random_networks.networks(20):
        rates = (network.arrival_rates, network.service_rates, network.servers)
        assert load_balancing(*rates).load == pytest.approx(random_networks.OVERLOAD)
        assert 2 <= min(network.service_rates.shape) and max(network.service_rates.shape) <= 4
    first, again = random_networks.networks(1)[0], random_networks.networks(5)[0]
    assert first.to_dict() == again.to_dict()


def test_random_networks(monkeypatch):
    found = done("random-networks")
    assert found.passed and found.flags == ()
    assert all(0.85 < row["share"] < 1 for row in found.findings.tables["random-networks"])
    assert has_figure(found)
    monkeypatch.setattr(random_networks, "NEAR", 0.999)
    monkeypatch.setattr(random_networks, "TUNED", 1.0 + 1e-6)
    failures = done("random-networks").failures
    assert len(failures) == 2 and "at least" in failures[0] and "fluid_reward_rate" in failures[1]


def test_the_n_model_of_qgym(monkeypatch):
    found = done("qgym-n")
    assert found.passed and found.flags == ()
    rows = {row["policy"]: row for row in found.findings.published}
    assert rows["max-weight"]["exact"] == pytest.approx(48.4328, abs=1e-3) and rows["max-weight"]["published"] == 40.2
    assert rows["class 1 first"]["exact"] == pytest.approx(54.055, abs=1e-3)
    assert rows["class 2 first"]["verdict"] == "unstable" and rows["class 2 first"]["here"] is None
    monkeypatch.setattr(qgym_n, "exact_cost", lambda policy: (40.2, [14.9, 11.2]))
    assert "holding_cost" in done("qgym-n").failures[0]


def test_what_is_rejected_is_what_the_plan_leaves():
    system = change.system("shadow-rm", ((250.0, 600.0),))
    rates = system.rates()
    plan = static_planning(rates.arrival_rates, rates.service_rates, rates.servers, system.network.rewards)
    assert paper.rejected(system, plan) == pytest.approx([0.2, 0.0])


def test_an_interrupted_run_keeps_what_there_is():
    for experiment in select(["parallel-servers"]):
        stopped = Run(quick=True, interrupted=True)
        findings = experiment.compute(stopped)
        assert isinstance(findings, Findings) and not findings.results
        assert experiment.draw is None or experiment.draw(findings).axes
