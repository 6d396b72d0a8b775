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


class Impatient(Clockwork):
    """Waits of .1, .7 and 1.3, in turn."""

    def tally(self, state, event):
        return {"wait": jnp.array([0.1, 0.7, 1.3])[state % 3]}

    def tails(self):
        return {"wait": lambda x: 1.0 if x < 0.1 else 2 / 3 if x < 0.7 else 1 / 3 if x < 1.3 else 0.0}


class Growing(jaxq.MMc):
    """M/M/1 at any load, said to be 3 in a quarter of the time, else 8."""

    def stationarity(self):
        return jaxq.Stationarity()

    def oracle(self):
        return {}

    def tails(self):
        return {"number_in_system": lambda x: 1.0 if x < 3 else 0.75 if x < 8 else 0.0}


class Misnamed(Impatient):
    def tails(self):
        return {"weight": lambda x: 0.0}


MM5 = jaxq.GGc(servers=5, arrival_rate=4.0)
LEVELS = {"replicas": 64, "events": 6000, "warmup": 1000}


def test_service_levels_beside_the_exact_law():
    """P(W <= x) of M/M/5 at load 4 is 1 - .5541 exp(-x), C(5, 4) = 512/924."""
    asked = {"quantiles": "waiting_time:0.3,0.9", "service_level": ("waiting_time:0,0.5", "waiting_time:3", "waited:0")}
    result = jaxq.simulate(MM5, **LEVELS, **asked)
    levels, waits = result.service_levels, 512 / 924
    assert list(levels) == ["waiting_time", "waited"] and list(levels["waiting_time"]) == ["0", "0.5", "3"]
    for x, row in levels["waiting_time"].items():
        assert row["oracle"] == pytest.approx(1 - waits * math.exp(-float(x)), abs=1e-12)
        assert row["half_width"] < 0.02 and abs(row["value"] - row["oracle"]) < 2.2 * row["half_width"], "no power"
        assert row["low"] == pytest.approx(row["value"] - row["half_width"]) and abs(row["z"]) < 4.5
        assert row["value"] == result.probability_below("waiting_time", float(x))[0]
    quantiles = result.quantiles["waiting_time"]
    assert quantiles["0.3"]["oracle"] == 0 and quantiles["0.3"]["z"] == levels["waiting_time"]["0"]["z"]
    assert quantiles["0.9"]["oracle"] == pytest.approx(math.log(waits / 0.1), rel=1e-10)
    assert levels["waited"]["0"]["z"] == pytest.approx(levels["waiting_time"]["0"]["z"])
    assert set(result.scores()) == {*result.metrics, "waiting_time:0.3", "waiting_time:0.9", "waited<=0"} | {
        f"waiting_time<={x}" for x in ("0", "0.5", "3")
    }
    shown = str(result)
    assert "threshold" in shown and "waited " in shown and "oracle" in shown


class Meetings(jaxq.System):
    """A meeting takes 1, 2 or 3, each as likely, or two meetings in a row do; a third of them start on the dot. So times are
    whole numbers of a probability of their own, in the middle of a density."""

    slot: float = jaxq.positive("length of a slot", default=1.0)
    name, words = "meetings", 2

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        slots, late = 1 + jnp.floor(3 * jaxq.random.uniform(words[0])), jaxq.random.uniform(words[1])
        time = self.slot * (slots + jnp.where(late < 1 / 3, 0.0, (late - 1 / 3) * 1.5))
        return time, time

    def update(self, state, event):
        return state + 1

    def tally(self, state, event):
        return {"time": event}

    def metrics(self, sums):
        return {"time": sums["time"] / sums.events}

    def tails(self):
        def tail(x):
            whole, part = np.divmod(x / self.slot, 1)
            return min(max(1 - (whole - 1 + 1 / 3 + 2 / 3 * part) / 3, 0.0), 1.0) if whole >= 1 else 1.0

        return {"time": tail}


@pytest.mark.parametrize("slot", [1.0, 0.7, 1 / 2.3, 3e-4])
def test_what_has_a_probability_of_its_own_is_counted_whole(slot):
    """A threshold at an atom counts all of it, whatever bin it is in and however float32 and the text of the threshold are
    rounded, and one before it none."""
    asked = ",".join(f"{x * slot:.12g}" for x in (0.999, 1, 1.5, 2, 3, 3.999))
    result = jaxq.simulate(
        Meetings(slot=slot), **LEVELS, service_level=f"time:{asked}", quantiles="time:0.05,0.1,0.5,0.75"
    )
    rows = list(result.service_levels["time"].values())
    expected = np.array([0, 1 / 9, 2 / 9, 4 / 9, 7 / 9, 1 - 2e-3 / 3 / 3])
    for row, right in zip(rows, expected, strict=True):
        assert abs(row["value"] - right) < 2.2 * row["half_width"] + 1e-6 and row["half_width"] < 0.01, "no power"
    assert not result.flags and all(abs(z) < 4.5 for z in result.scores().values())
    for p, row in result.quantiles["time"].items():
        assert row["oracle"] / slot == pytest.approx({"0.05": 1, "0.1": 1, "0.5": 2.25, "0.75": 3}[p], rel=1e-9)
        assert row["value"] == pytest.approx(row["oracle"], rel=0.01) and row["z"] is not None
        if p != "0.5":  # which is in the density
            assert row["low"] * (1 - 1e-6) <= row["oracle"] <= row["high"] * (1 + 1e-6)


def test_a_service_level_is_kept_in_files(tmp_path):
    result = jaxq.simulate(MM5, **LEVELS, service_level="waiting_time:1")
    assert "quantiles" not in result.to_dict() and result.quantiles == {} and result.flags == ()
    for name in ("x.json", "x.npz"):
        result.save(tmp_path / name)
        again = jaxq.Result.load(tmp_path / name)
        assert again.service_levels == result.service_levels and again.histograms == result.histograms
        assert again.scores() == result.scores()
    result.save(tmp_path / "x.csv")
    rows = {row["metric"]: row for row in csv.DictReader((tmp_path / "x.csv").read_text().splitlines())}
    assert float(rows["waiting_time<=1"]["oracle"]) == result.service_levels["waiting_time"]["1"]["oracle"]


def test_ends_of_a_service_level_are_probabilities():
    """Of 6000 x 64 waits of M/M/5 hardly any is above 12: .5541 exp(-12) = 3.4e-6."""
    rows = jaxq.simulate(MM5, **LEVELS, service_level="waiting_time:-1,12,99").service_levels["waiting_time"]
    assert rows["-1"] | {"z": 0.0} == {**rows["-1"], "value": 0.0, "low": 0.0, "oracle": 0.0, "z": 0.0}
    for x in ("12", "99"):
        assert 0.99 < rows[x]["low"] < rows[x]["high"] == 1.0 and abs(rows[x]["z"]) < 0.5


def test_a_wrong_law_is_seen():
    """The law of an M/M/5 with 5 % fewer arrivals."""

    class Wrong(jaxq.GGc):
        def tails(self):
            return jaxq.GGc(servers=5, arrival_rate=3.8).tails()

    run = {**LEVELS, "replicas": 1024, "service_level": "waiting_time:0,1"}
    result = jaxq.simulate(Wrong(servers=5, arrival_rate=4.0), **run)
    assert result.flags == ("disagrees",) and all(z < -6 for z in list(result.scores().values())[-2:])
    assert jaxq.simulate(MM5, **run).flags == ()


def test_a_law_of_another_quantity_is_refused():
    with pytest.raises(ValueError, match="tails: misnamed has no quantity weight"):
        jaxq.simulate(Misnamed(), **RUN, quantiles="wait")


def test_atoms_at_numbers_that_float32_rounds():
    """Float32 has .1 a little above, .7 and 1.3 a little below: a threshold there counts them."""
    result = jaxq.simulate(
        Impatient(), **{**RUN, "events": 510}, service_level="wait:0.05,0.1,0.7,1.3", quantiles="wait:0.5"
    )
    rows = result.service_levels["wait"]
    assert [row["value"] for row in rows.values()] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=2e-3)
    assert rows["1.3"]["value"] == 1.0 and result.quantiles["wait"]["0.5"]["oracle"] == pytest.approx(0.7, rel=1e-11)


def test_too_few_groups_are_not_judged():
    rows = jaxq.simulate(MM5, **{**LEVELS, "replicas": 29}, service_level="waiting_time:1").service_levels[
        "waiting_time"
    ]
    assert rows["1"]["oracle"] is not None and rows["1"]["z"] is None and rows["1"]["half_width"] > 0


def test_what_is_withheld_or_never_happened_has_no_service_level():
    nothing = dict.fromkeys(("value", "half_width", "low", "high"))
    never = jaxq.simulate(Never(), **RUN, service_level="wait:0")
    assert "nan" in never.flags and never.service_levels["wait"]["0"] == nothing
    run = {"replicas": 64, "events": 4000, "warmup": 0, "service_level": "number_in_system:3"}
    growing = jaxq.simulate(Growing(1.3), **run, quantiles="number_in_system:0.5")
    assert growing.flags == ("unstable",) and growing.histograms == {}
    assert growing.service_levels["number_in_system"]["3"] == {**nothing, "oracle": 0.25, "z": None}
    assert growing.quantiles["number_in_system"]["0.5"] == {**nothing, "oracle": 8.0, "z": None}


@pytest.mark.parametrize(
    "system",
    [
        jaxq.MG1(0.8),
        jaxq.MG1(0.7, 1.0, "erlang:3"),
        jaxq.GGc(4.0, servers=5),
        jaxq.GGc(1.6, servers=2, service_law="deterministic"),
        jaxq.GG1(0.7, arrival_law="erlang:2", batch_law="geometric:2"),
    ],
    ids=["M/M/1", "M/E3/1", "M/M/5", "M/D/2", "E2/M/1 in batches"],
)
def test_times_in_the_system_beside_their_exact_law(system):
    asked = {"quantiles": "sojourn_time:0.5,0.95", "service_level": "sojourn_time:2"}
    result = jaxq.simulate(system, replicas=256, events=16_000, warmup=2000, seed=3, **asked)
    assert not result.flags
    rows = [*result.quantiles["sojourn_time"].values(), *result.service_levels["sojourn_time"].values()]
    assert all(abs(row["z"]) < 4.5 and row["half_width"] < 0.02 * row["value"] for row in rows)


def test_who_leaves_has_waited_and_no_more():
    """Services and patience of one length: a customer is there for two if it is served at once at the end of its patience,
    else for one more than its wait, or for its patience alone."""
    system = jaxq.GGc(3.0, servers=2, service_law="deterministic", abandonment_rate=1.0, patience_law="deterministic")
    result = jaxq.simulate(
        system, replicas=64, events=8000, warmup=1000, service_level=("sojourn_time:0.9,1.05,2.05", "waiting_time:0.9")
    )
    times, waits = result.service_levels["sojourn_time"], result.service_levels["waiting_time"]
    assert times["0.9"]["value"] == 0 and times["2.05"]["value"] == 1
    leave = result["probability_abandon"].mean
    assert times["1.05"]["value"] > leave > 0.2 and waits["0.9"]["value"] < 1 - leave
