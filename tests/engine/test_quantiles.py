"""Quantiles through a whole run: every quantity that was asked for is shown under its own name, over the same events as
the means, or refused by name."""

import csv
import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq

RUN = {"replicas": 32, "events": 512, "warmup": 0}


class Clockwork(jaxq.System):
    """No randomness: customer k has the value ``at(k)``."""

    def init(self, words):
        return 0

    def next_event(self, state, words):
        return 0, jnp.float32(1)

    def update(self, state, event):
        return state + 1


class Ramp(Clockwork):
    """1 for the first half of 1024 events, then 2."""

    def tally(self, state, event):
        return {"value": jnp.where(state < 512, 1.0, 2.0)}


class Never(Clockwork):
    """A wait that no customer has."""

    scan = jaxq.Scan(measured_at={"wait": ("waited",)})

    def tally(self, state, event):
        return {"wait": 0.0 * state, "waited": state < 0}

    def metrics(self, sums):
        return {"waiting": sums["waited"] / sums.events}


class Nanoseconds(Clockwork):
    """2.3 seconds, in nanoseconds."""

    def observe(self, state):
        return {"time": jnp.float32(2.3e9), "count": jnp.where(state % 2 == 0, 1027, 1416)}


def test_no_warm_up_uses_all_events():
    """``warmup=0`` was taken for an undetermined warm-up: quantiles of the second half only, .25 -> 2."""
    result = jaxq.simulate(Ramp(), **{**RUN, "events": 1024}, quantiles="value:0.25,0.75")
    assert result["value"].mean == pytest.approx(1.5)
    assert [q["value"] for q in result.quantiles["value"].values()] == [1, 2]


def test_a_cut_is_in_events():
    """After 512 events only 2 is left, for the quantiles as for the mean."""
    result = jaxq.simulate(Ramp(), **{**RUN, "warmup": 512}, quantiles="value:0.01,0.99")
    assert result["value"].mean == 2
    assert [q["value"] for q in result.quantiles["value"].values()] == [2, 2]


def test_a_long_warm_up_of_many_points():
    """The cut was a window number of another store: all quantiles were 0. M/M/1 at .5: .9 -> 3, at .9: .5 -> 6."""
    options = {"events": 4000, "replicas": 64, "warmup": 6000, "quantiles": "number_in_system:0.5,0.9"}
    results = jaxq.sweep(jaxq.MMc(0.5), {"arrival_rate": np.linspace(0.5, 0.9, 12).tolist()}, **options)
    first, last = (result.quantiles["number_in_system"] for result in (results[0], results[-1]))
    assert first["0.9"]["value"] == 3 and first["0.5"]["low"] == 0
    assert last["0.5"]["low"] <= 6 <= last["0.5"]["high"] and last["0.9"]["value"] > 12


def test_a_quantity_that_is_no_metric_is_shown_under_its_name(tmp_path):
    """`own` of a token pool is no metric: its quantiles were nowhere."""
    result = jaxq.simulate(jaxq.TokenPool(4, 0.8, 0.6, 3), **RUN, quantiles=("own:0.5", "tokens"))
    assert "own" not in result.metrics
    assert list(result.quantiles) == ["own", "tokens"] and list(result.quantiles["own"]) == ["0.5"]
    assert "own " in str(result)
    result.save(tmp_path / "x.json")
    data = json.loads((tmp_path / "x.json").read_text())
    assert data["quantiles"] == result.quantiles and jaxq.Result.load(tmp_path / "x.json") == result
    result.save(tmp_path / "x.csv")
    rows = {row["metric"]: row for row in csv.DictReader((tmp_path / "x.csv").read_text().splitlines())}
    assert float(rows["own:0.5"]["mean"]) == result.quantiles["own"]["0.5"]["value"]


def test_customers_who_balk_have_no_sojourn():
    """Two thirds balk; counted as 0 they made the median 0. Nobody is served in less than the unit of work."""
    system = jaxq.TolledQueues(0.8, 5, 1, 1, 1)
    result = jaxq.simulate(system, **RUN, quantiles="sojourn_1:0.01,0.5,0.99")
    assert result.quantiles["sojourn_1"]["0.01"]["value"] >= 1


@pytest.mark.parametrize("quantity", ["workload", "busy_1"])
def test_parts_of_a_sum_are_no_quantities(quantity):
    """What is added up over the gap between customers is not a value of its own."""
    with pytest.raises(ValueError, match=f"quantiles = {quantity}: .* has .*sojourn_1"):
        jaxq.simulate(jaxq.TolledQueues(0.8, 5, 1, 1, 1), **RUN, quantiles=quantity)


def test_what_never_happened_is_flagged_and_not_0():
    result = jaxq.simulate(Never(), **RUN, quantiles="wait:0.5")
    assert "nan" in result.flags
    assert result.quantiles["wait"]["0.5"] == dict.fromkeys(("value", "half_width", "low", "high"))


def test_any_unit_and_whole_numbers():
    result = jaxq.simulate(Nanoseconds(), **RUN, quantiles=("time:0.5", "count:0.4,0.6"))
    assert result.quantiles["time"]["0.5"]["value"] == np.float32(2.3e9)
    assert [q["value"] for q in result.quantiles["count"].values()] == [1027, 1416]


def test_waits_in_nanoseconds():
    """M/M/1, load .8, a service of 1 s in nanoseconds: median ln(.8/.5)/2e-10 = 2.35e9; it was 1.07e9 +- 0."""
    options = {"replicas": 64, "events": 4000, "warmup": 1000}
    result = jaxq.simulate(jaxq.MG1(0.8e-9, 1e-9), **options, quantiles="waiting_time:0.5")
    found, true = result.quantiles["waiting_time"]["0.5"], math.log(1.6) / 0.2e-9
    assert found["half_width"] < 0.1 * true, "no power"
    assert abs(found["value"] - true) < 2.2 * found["half_width"]


def test_service_level():
    """P(W <= 5) of M/M/1 at .8 is 1 - .8 exp(-1)."""
    result = jaxq.simulate(jaxq.MG1(0.8), replicas=64, events=4000, warmup=1000, quantiles="waiting_time")
    share, width = result.probability_below("waiting_time", 5.0)
    assert width < 0.03, "no power"
    assert abs(share - (1 - 0.8 * math.exp(-1))) < 2.2 * width
    with pytest.raises(ValueError, match="^value = '5': must be a number$"):
        result.probability_below("waiting_time", "5")
    with pytest.raises(KeyError, match="no distribution was kept"):
        result.probability_below("waited", 0)


def test_a_resumed_run_has_the_same_quantiles(tmp_path):
    options = {"replicas": 32, "warmup": 0, "quantiles": "waiting_time"}
    jaxq.simulate(jaxq.MG1(0.5), events=600, checkpoint=tmp_path / "x.npz", **options)
    again = jaxq.simulate(jaxq.MG1(0.5), events=600, checkpoint=tmp_path / "x.npz", **options)
    assert again.quantiles == jaxq.simulate(jaxq.MG1(0.5), events=600, **options).quantiles


def test_a_quantile_beyond_what_was_seen_is_not_given():
    """P(W > x) = .5 exp(-x/2) in M/M/1 at .5: the quantile of 1 - 1e-7 is 30.9; it was 22.9, between 14.6 and 22.9."""
    result = jaxq.simulate(jaxq.MG1(0.5), replicas=64, events=2000, warmup=200, quantiles="waiting_time:0.9,0.9999999")
    found = result.quantiles["waiting_time"]
    assert found["0.9"]["low"] < 2 * math.log(5) < found["0.9"]["high"] < 4, "no power"
    assert result.flags == ("not_seen",) and found["0.9999999"]["value"] is None
    assert 9 < found["0.9999999"]["low"] < 30.9 and found["0.9999999"]["high"] is None
