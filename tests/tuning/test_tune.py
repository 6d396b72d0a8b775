"""`jaxq.tune`: the paper's phi from any start, the check by simulation, and what is refused."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.fields import real, rules
from jaxq.engine.planned import plan_of

SHORT = {"replicas": 64, "events": 20_000, "warmup": 5_000}
"""A check that takes no time."""


class Shop(jaxq.JumpProcess):
    """M/M/1 whose price is what a descent may move, with one objective of each kind."""

    arrival_rate: float = jaxq.positive("arrival rate", default=0.5)
    price: float = jaxq.probability("share of customers kept away", default=0.5)
    shares: object = real("shares", low=0.0, simplex=True, default=(0.5, 0.5))
    servers: int = jaxq.whole("servers", default=1)

    def init(self, words):
        return (0,)

    def rates(self, state):
        return self.arrival_rate * (1 - self.price), 1.0 * (state[0] > 0)

    def jump(self, state, k):
        return (state[0] + 1 - 2 * k,)

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def observe(self, state):
        return {"queue": state[0]}

    def objectives(self):
        return {
            "income": jaxq.Objective(lambda v: v["price"] * (1 - v["price"]), None, "income", maximise=True),
            "queue": jaxq.Objective(self._queue, "queue", "queue", parameters=("price",)),
            "longest": jaxq.Objective(self._queue, "queue", "queue", maximise=True, parameters=("price",)),
            "even": jaxq.Objective(lambda v: jnp.sum(v["shares"] ** 2), None, "even", parameters=("shares",)),
            "pole": jaxq.Objective(lambda v: 1 / (v["price"] - 0.5), None, "infinite at a half"),
        }

    def _queue(self, v):
        rho = self.arrival_rate * (1 - v["price"])
        # a bowl around .6, far from where the queue itself is least
        return (rho - 0.2) ** 2


@pytest.mark.parametrize("start", [0.05, 0.95])
@pytest.mark.parametrize(("servers", "rate"), [(10, 0.5), (4, 0.8)])
def test_phi_is_tuned_to_the_utilisation_from_any_start(servers, rate, start):
    found = jaxq.tune(jaxq.TokenPool(servers, rate), "phi", start=start, verify=False)
    assert found.best.values["phi"] == pytest.approx(rate, abs=1e-3)
    assert found.average.values["phi"] == pytest.approx(rate, abs=1e-3)
    assert found.converged and found.verification is None and found.objective == "large_market"
    assert found.start.values == {"phi": start} and found.tuned.phi == found.best.values["phi"]


@pytest.mark.parametrize(("rates", "start"), [([0.5, 0.6, 0.7, 0.8], 0.05), ([0.9, 0.2, 0.9], 0.95)])
def test_unlike_servers_meet_at_the_largest_utilisation(rates, start):
    found = jaxq.tune(jaxq.TokenPool(len(rates), rates), "phi", start=start, verify=False)
    assert found.best.values["phi"] == pytest.approx(max(rates), abs=1e-3)


@pytest.mark.parametrize("objective", ["finite", "mean_field", "smooth"])
def test_the_other_objectives_find_it_too(objective):
    found = jaxq.tune(jaxq.TokenPool(10, 0.8), start=0.72, objective=objective, steps=150, verify=False)
    assert found.best.values["phi"] == pytest.approx(0.8, abs=1e-3)


def test_the_simulation_confirms_the_gain_with_the_right_sign():
    """Exact: 9 jobs at phi = .9, 4 at .8 (phi / (1 - phi)): a gain of 5."""
    found = jaxq.tune(jaxq.TokenPool(10, 0.8), start=0.9, replicas=256, events=60_000, warmup=20_000, seed=5)
    check = found.verification
    assert check.metric == "total_jobs" and check.sure and not found.flags
    assert check.gain.half_width < 0.2, "no power"
    assert abs(check.gain.mean - 5) < 3 * check.gain.half_width
    assert check.start["total_jobs"].mean == pytest.approx(9, abs=0.5)
    assert check.best["total_jobs"].mean == pytest.approx(4, abs=0.2)
    assert check.gain.mean == pytest.approx(check.start["total_jobs"].mean - check.best["total_jobs"].mean)
    assert check.start.run["seed"] == check.best.run["seed"] == 5
    apart = np.hypot(check.start["total_jobs"].half_width, check.best["total_jobs"].half_width)
    assert check.gain.half_width != pytest.approx(apart, rel=1e-3), "not paired"


def test_an_objective_that_misleads_is_flagged():
    """N = 4: the mean field's minimum .64 is worse than .75 in truth, by .617 (exact)."""
    found = jaxq.tune(jaxq.TokenPool(4, 0.8), start=0.75, objective="mean_field", replicas=256, events=40_000)
    assert found.best.values["phi"] == pytest.approx(0.64, abs=1e-3)
    assert found.flags == ("worse_in_simulation",) and found.converged
    assert abs(found.verification.gain.mean + 0.6174) < 3 * found.verification.gain.half_width < 0.1


def test_a_start_at_the_optimum_gains_nothing():
    found = jaxq.tune(jaxq.TokenPool(10, 0.8), start=0.8, **SHORT)
    assert abs(found.best.values["phi"] - 0.8) < 1e-4 and not found.flags
    assert found.verification.gain.mean == pytest.approx(0, abs=0.05)


def test_maximising():
    found = jaxq.tune(Shop(), "price", start=0.1, verify=True, steps=300)
    assert found.best.values["price"] == pytest.approx(0.5, abs=1e-3)
    assert found.start.objective == pytest.approx(0.09) and found.best.objective == pytest.approx(0.25)
    assert found.trace[0].objective == pytest.approx(0.09)
    assert found.verification is None, "income stands for no metric"


def test_the_gain_of_a_maximum_is_best_minus_start():
    """rho = .5 (1 - price) moves up from .25, so that the simulated queue is longer at best."""
    found = jaxq.tune(Shop(), "price", start=0.5, objective="longest", steps=200, **SHORT)
    check = found.verification
    assert found.best.values["price"] < 0.01
    assert check.sure and check.gain.mean > 0
    assert check.gain.mean == pytest.approx(check.best["queue"].mean - check.start["queue"].mean)


def test_a_list_on_the_simplex():
    found = jaxq.tune(Shop(), start=[0.9, 0.1], objective="even")
    np.testing.assert_allclose(found.best.values["shares"], [0.5, 0.5], atol=1e-3)
    data = found.to_dict()
    assert data["parameters"]["start"] == {"shares": pytest.approx([0.9, 0.1])}
    assert set(found.rows()[0]) == {"step", "shares_1", "shares_2", "objective", "gradient_norm"}


def test_the_result_as_data(tmp_path):
    found = jaxq.tune(jaxq.TokenPool(10, 0.8), start=0.3, steps=100, **SHORT)
    for name in ("t.json", "t.csv"):
        found.save(tmp_path / name)
    data = json.loads((tmp_path / "t.json").read_text())
    assert data == json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["schema"] == 1 and data["system"] == "token-pool" and data["fixed"]["servers"] == 10
    assert "phi" not in data["fixed"] and data["parameters"]["start"] == {"phi": 0.3}
    assert data["objective"]["name"] == "large_market" and data["objective"]["best"] < data["objective"]["start"]
    assert set(data["verification"]) == {"metric", "gain", "start", "best", "run"}
    assert set(data["verification"]["gain"]) == {"mean", "half_width", "level"}
    assert len(data["trace"]) == 101
    assert set(data["trace"][0]) == {"step", "parameters", "objective", "gradient_norm"}
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "step,phi,objective,gradient_norm" and len(lines) == 102
    assert "gain in simulated total_jobs" in str(found) and "best" in str(found)
    again = jaxq.load(tmp_path / "t.json")
    assert again.to_dict() == data and again.rows() == found.rows() and again.tuned is None
    assert str(again) == str(found) and again.verification.sure == found.verification.sure
    with pytest.raises(ValueError, match=r"must end in \.json or \.csv"):
        found.save(tmp_path / "t.npz")


def test_precision_is_of_the_metric_alone():
    """At the optimum no job is in an own queue: a relative precision of it would never be reached."""
    pool, first = jaxq.TokenPool(10, 0.8), ("own_queue", "pool_queue")
    assert plan_of(jaxq.tune)(pool, start=0.3).options.targets(first) == [
        jaxq.engine.options.Target("total_jobs", 0.01)
    ]
    options = plan_of(jaxq.tune)(pool, start=0.3, precision=0.03, metric="own_queue").options
    assert {t.metric: t.size for t in options.targets(first)} == {"total_jobs": 0.03, "own_queue": 0.01}
    assert not plan_of(jaxq.tune)(pool, start=0.3, events=100).options.wants_precision


BAD = {
    "unknown parameter": (Shop(), "rho", {"start": 1}, r"parameter = rho: shop has no such field; it has arrival_rate"),
    "whole": (Shop(), "servers", {"start": 2}, r"parameter = servers: must be a field of real numbers"),
    "text": (
        jaxq.TokenPool(),
        "policy",
        {"start": 2},
        r"parameter = policy: a threshold jumps, and the mix and the offer .* follow from phi",
    ),
    "not in it": (
        jaxq.TokenPool(),
        "wait",
        {"start": 0.3},
        r"parameter = wait: servers answer it with the threshold of Lemma 4.2",
    ),
    "twice": (Shop(), ["price", "price"], {}, r"parameter = price, price: must be one or more fields, each once"),
    "none": (Shop(), [], {}, r"parameter: must be one or more fields"),
    "above": (jaxq.TokenPool(), "phi", {"start": 1.2}, r"phi = 1.2: must be a number > 0 and < 1 \("),
    "on a bound": (jaxq.TokenPool(), "phi", {"start": 1}, r"phi = 1.0: must be a number > 0 and < 1 \("),
    "no number": (jaxq.TokenPool(), "phi", {"start": "high"}, r"phi = high: must be a number > 0 and < 1 \("),
    "missing": (jaxq.TokenPool(), "phi", {}, r"start: phi is none and needs a start; it must be a number > 0 and < 1"),
    "of another": (
        Shop(),
        "price",
        {"start": {"prize": 0.2}},
        r"start = prize: must be one of the tuned fields, price",
    ),
    "by name": (Shop(), ["price", "shares"], {"start": 0.3}, r"start = 0.3: must give values by name"),
    "objective": (Shop(), "price", {"objective": "outcome"}, r"objective = outcome: shop has income, queue"),
    "no objective": (jaxq.MMc(0.5), "arrival_rate", {}, r"objective: mmc has no objective for this configuration"),
    "steps": (Shop(), "price", {"steps": 0}, r"steps = 0: must be a whole number >= 1"),
    "half a step": (Shop(), "price", {"steps": 2.5}, r"steps = 2.5: must be a whole number >= 1"),
    "rate": (Shop(), "price", {"rate": 0}, r"rate = 0: must be a number > 0"),
    "not finite": (Shop(), "price", {"objective": "pole"}, r"start = price 0.5: the objective pole is .* there"),
    "replicas": (Shop(), "price", {"objective": "queue", "replicas": 4, "events": 10}, r"replicas = 4: a paired"),
    "metric": (Shop(), "price", {"objective": "queue", "metric": "length"}, r"metric = length: shop has"),
    "precision": (Shop(), "price", {"objective": "queue", "precision": -1}, r"precision = -1: must be a number > 0"),
    "phases": (jaxq.TokenPool(10), "phi", {"start": 0.05, "objective": "finite"}, r"phi = 0.05: with servers = 10"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named(kind):
    system, parameters, options, message = BAD[kind]
    with pytest.raises(ValueError, match=message):
        jaxq.tune(system, parameters, **options)


def test_which_fields_can_be_tuned():
    found = rules(jaxq.TokenPool)
    assert [name for name, rule in found.items() if rule.tunable] == [
        *("arrival_rate", "phi", "service_rate", "wait", "processing_cost")
    ]


def test_the_figure(tmp_path):
    from matplotlib.figure import Figure

    found = jaxq.tune(Shop(), start=[0.9, 0.1], objective="even", steps=10)
    figure = Figure()
    ax = jaxq.plot(found, figure=figure)
    figure.canvas.draw()
    below = figure.axes[1]
    drawn = [line.get_ydata() for line in below.lines if len(line.get_xdata()) == 11]
    np.testing.assert_allclose(drawn, [[row[f"shares_{i}"] for row in found.rows()] for i in (1, 2)])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [step.objective for step in found.trace])
    assert below.get_xlabel() == "step" and "even" in ax.get_ylabel() and "shares" in below.get_ylabel()
    alone = Figure().subplots()
    assert jaxq.plot(found, alone) is alone and alone.get_xlabel() == "step"
