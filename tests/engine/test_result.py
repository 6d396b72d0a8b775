"""The machine-readable result: exact keys, nothing that JSON has not, and a round trip through every format."""

import csv
import json

import numpy as np
import pytest

import jaxq
from jaxq.engine.metric import Metric
from jaxq.engine.plain import describe, number
from jaxq.stats.estimate import Estimate

KEYS = {"schema", "system", "parameters", "point", "metrics", "run", "growth", "flags", "primary", "units"}
METRIC_KEYS = {"mean", "half_width", "level", "standard_error", "oracle", "kind", "z", "quantiles", "unit"}
RUN_KEYS = {"replicas", "events", "time", "warmup", "method", "seed", "seconds"}
RUN_KEYS |= {"compile_seconds", "ns_per_event", "devices", "versions"}


class Growing(jaxq.MMc):
    """M/M/c run at any load."""

    name = "growing"

    def stationarity(self):
        return jaxq.Stationarity()

    def oracle(self):
        return {"number_in_system": 1.0}

    def tails(self):
        return {}


@pytest.fixture(scope="module")
def result():
    return jaxq.simulate(
        jaxq.MMc(0.5), events=4000, replicas=64, warmup=500, quantiles="number_in_system:0.5,0.9", level=0.9, seed=2
    )


@pytest.fixture(scope="module")
def withheld():
    return jaxq.simulate(Growing(1.3), events=4000, replicas=64, warmup=0, quantiles="number_in_system")


@pytest.fixture(scope="module")
def results():
    return jaxq.compare([jaxq.MMc(0.5), jaxq.MMc(0.6)], events=3000, replicas=64, warmup=0)


def strict(text):
    def refuse(name):
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


def test_schema(result):
    data = result.to_dict()
    assert set(data) == KEYS | {"histograms", "quantiles"}
    assert data["quantiles"] == {"number_in_system": data["metrics"]["number_in_system"]["quantiles"]}
    assert data["schema"] == 1 and data["system"] == "mmc" and data["point"] == {} and data["flags"] == []
    assert data["growth"] == {}
    assert set(data["parameters"]) == {"arrival_rate", "service_rate", "servers", "abandonment_rate", "capacity"}
    assert set(data["run"]) >= RUN_KEYS
    for metric in data["metrics"].values():
        assert {"mean", "half_width", "level"} <= set(metric) <= METRIC_KEYS
    number_in_system = data["metrics"]["number_in_system"]
    assert set(number_in_system) == METRIC_KEYS
    assert number_in_system["kind"] == "exact" and number_in_system["level"] == 0.9
    assert set(number_in_system["quantiles"]) == {"0.5", "0.9"}
    assert set(number_in_system["quantiles"]["0.5"]) == {"value", "half_width", "low", "high", "oracle", "z"}
    assert data["run"]["seed"] == 2 and data["run"]["replicas"] == 64 and data["run"]["method"] == "replica-t"
    assert {"jaxq", "jax", "jaxlib", "numpy", "python"} <= set(data["run"]["versions"])


def test_no_histograms_unless_asked_for(results):
    assert set(results[0].to_dict()) == KEYS
    assert "quantiles" not in results[0].to_dict()["metrics"]["number_in_system"]


def test_names_are_snake_case(result):
    names = [*result.metrics, *result.run, *result.parameters]
    assert all(name == name.lower() and name.isidentifier() for name in names)


def test_values_are_plain(result, results, withheld):
    for x in (result, results, withheld):
        assert strict(json.dumps(x.to_dict(), allow_nan=False)) == x.to_dict()


def test_z_is_the_distance_in_standard_errors(result):
    metric = result["number_in_system"]
    assert metric.z == pytest.approx((metric.mean - metric.oracle) / metric.standard_error)


@pytest.mark.parametrize(("kind", "has_z"), [("exact", True), ("identity", True), ("limit", False), ("bound", False)])
def test_only_exact_and_identity_have_a_z(kind, has_z):
    estimate = Estimate.of(np.random.default_rng(0).normal(3, 1, 100))
    metric = Metric.of(estimate, 0.95, jaxq.Reference(3.0, kind, 0.1))
    assert (metric.z is not None) == has_z
    if has_z:
        assert metric.z == pytest.approx((estimate.value - 3) / np.hypot(estimate.standard_error, 0.1))
    assert (metric.oracle, metric.kind) == (3.0, kind)


def test_rounding_is_no_evidence():
    """A difference without spread is judged by what float32 can hold, and by what the sums it comes from may have lost."""
    assert abs(Metric.of(Estimate(1 + 1e-8, np.zeros(50)), 0.95, 1.0).z) < 0.1
    lost = Estimate(1e4, np.zeros(50), 1e-3) - Estimate(1e4 - 1 - 4e-4, np.zeros(50), 1e-3)
    assert lost.rounding == 2e-3
    assert abs(Metric.of(lost, 0.95, 1.0).z) < 0.21


@pytest.mark.parametrize("value", [0.0, 3.0, -34942.0])
def test_a_constant_that_is_wrong_has_a_large_z(value):
    assert abs(Metric.of(Estimate(value, np.zeros(50)), 0.95, 5.0).z) > 1e6


def test_what_was_never_seen_has_a_bound_and_no_interval():
    nothing = Estimate(0.0, np.zeros(50), grain=1e-6, episode=1e-6)
    metric = Metric.of(nothing, 0.95, 1e-3, upper=3e-6)  # seen 1000 times, if 1e-3 is right
    assert (metric.mean, metric.half_width, metric.upper) == (0.0, None, 3e-6)
    assert metric.z == pytest.approx(-np.sqrt(1000))
    assert metric.to_dict()["upper"] == 3e-6
    assert abs(Metric.of(nothing, 0.95, 9e-13, upper=3e-6).z) < 1e-3
    assert Metric.of(nothing, 0.95, 0.0, upper=3e-6).z == 0


def test_withheld_metrics_are_null(withheld):
    assert "unstable" in withheld.flags
    data = strict(json.dumps(withheld.to_dict(), allow_nan=False))
    for metric in data["metrics"].values():
        assert metric["mean"] is None and metric["half_width"] is None
        assert not set(metric) & {"z", "standard_error", "quantiles"}
    assert data["metrics"]["number_in_system"]["oracle"] == 1.0
    assert set(data["growth"]["number_in_system"]) == {"rate", "half_width", "level"}
    assert "FLAG unstable: the system grows" in str(withheld)


def test_json_round_trip(result, tmp_path):
    result.save(tmp_path / "x.json")
    assert jaxq.Result.load(tmp_path / "x.json") == result
    assert strict((tmp_path / "x.json").read_text()) == result.to_dict()
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_results_round_trip(results, tmp_path):
    results.save(tmp_path / "x.json")
    again = jaxq.Results.load(tmp_path / "x.json")
    assert list(again) == list(results) and again.differences == results.differences
    data = strict((tmp_path / "x.json").read_text())
    assert set(data) == {"schema", "results", "differences"}
    assert set(data["differences"][0]) == {"metric", "system", "minus", "mean", "half_width", "level"}
    assert data["results"][1]["point"] == {"arrival_rate": 0.6}


def test_csv_has_a_row_a_metric(result, results, tmp_path):
    result.save(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    quantiles = ["number_in_system:0.5", "number_in_system:0.9"]
    assert [row["metric"] for row in rows] == [*result.metrics, *quantiles]
    assert float(rows[0]["mean"]) == result["number_in_system"].mean
    assert float(rows[0]["half_width"]) == result["number_in_system"].half_width
    results.save(tmp_path / "y.csv")
    with (tmp_path / "y.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    means = [row for row in rows if not row["minus"]]
    assert [row["arrival_rate"] for row in means[:1] + means[-1:]] == ["0.5", "0.6"]
    assert len(means) == sum(len(r.metrics) for r in results) and len(rows) == len(means) + len(results.differences)


def test_csv_of_withheld_metrics_is_empty(withheld, tmp_path):
    withheld.save(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["mean"] == "" and "unstable" in row["flags"].split() for row in rows)


def test_npz_keeps_the_replicas(result, tmp_path):
    result.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        for name, metric in result.metrics.items():
            values = file[f"replicas/{name}"]
            assert values.shape == (64,)
            assert values.mean() == pytest.approx(metric.mean, rel=1e-12, abs=1e-12)
        assert strict(str(file["result"])) == result.to_dict()
    again = jaxq.Result.load(tmp_path / "x.npz")
    assert again == result
    for name, estimate in again.estimates.items():
        assert estimate.value == result.estimates[name].value
        assert estimate.standard_error == pytest.approx(result.estimates[name].standard_error, rel=1e-9, abs=1e-15)


def test_npz_of_several(results, tmp_path):
    results.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        for i, result in enumerate(results):
            assert file[f"{i}/replicas/number_in_system"].mean() == pytest.approx(result["number_in_system"].mean)


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_a_withheld_result_round_trips(withheld, tmp_path, ending):
    withheld.save(tmp_path / f"x.{ending}")
    again = jaxq.Result.load(tmp_path / f"x.{ending}")
    assert again == withheld
    assert not again.estimates


@pytest.mark.parametrize("name", ["x.txt", "x", "x.json.gz", "x.pkl", ".json"])
def test_other_endings_are_refused(result, results, tmp_path, name):
    for x in (result, results):
        with pytest.raises(ValueError, match=r"out = .*: must end in \.json, \.csv or \.npz"):
            x.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist_is_named(result, tmp_path):
    with pytest.raises(ValueError, match=r"out = .*: the folder .* must exist"):
        result.save(tmp_path / "nowhere" / "x.json")


def test_an_existing_file_is_replaced(result, results, tmp_path):
    results.save(tmp_path / "x.json")
    result.save(tmp_path / "x.json")
    assert jaxq.Result.load(tmp_path / "x.json") == result


def test_another_schema_is_refused(result, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({**result.to_dict(), "schema": 2}))
    with pytest.raises(ValueError, match="schema = 2: must be 1"):
        jaxq.load(tmp_path / "x.json")


def test_an_unknown_metric_names_those_there_are(result):
    with pytest.raises(KeyError, match="queue: mmc has the metrics number_in_system, queue_length"):
        result["queue"]


def test_laws_and_policies_are_text():
    assert describe(jaxq.MG1(0.5, 1.0, "erlang:3"))["service_law"] == "erlang:3"
    text = describe(jaxq.TokenPool(3, 0.5, 0.5, 4, policy=jaxq.ThresholdPolicy(2, 0.5)))["policy"]
    policy = jaxq.TokenPool(3, 0.5, 0.5, 4, policy=text).policy
    assert (policy.threshold, policy.mix, policy.offer) == (2, 0.5, 1.0)


def test_lists_are_lists():
    described = describe(jaxq.TokenPool(3, [0.1, 0.2, 0.3], 0.5, 4))
    assert described["arrival_rate"] == [0.1, 0.2, 0.3] and described["token_cap"] == 4
    assert type(described["token_cap"]) is int


def test_the_table_shows_every_metric(result):
    lines = str(result).splitlines()
    assert lines[0].startswith("mmc  arrival_rate=0.5")
    names = [line.split()[0] for line in lines[2:]]
    assert names == [*result.metrics, "quantity", "number_in_system", "number_in_system"]


def test_numbers_of_tables():
    assert number(None) == "" and number("x") == "x" and number(1 / 3) == "0.333333"


def test_quantiles_of_whole_numbers_are_whole(result):
    """M/M/1 at 0.5: P(N <= 0) = 0.5, P(N <= 3) = 0.9375; whole numbers up to 128 have a bin each."""
    value = result["number_in_system"].quantiles["0.9"]["value"]
    assert value == 3.0


def test_a_reference_under_the_least_number_has_a_z():
    never = Estimate.of(np.zeros(30))
    assert Metric.of(never, 0.95, 1e-320).z == 0 and Metric.of(never, 0.95, 1e-300).z < -1e6
