"""`jaxq sweep` and `jaxq compare`."""

import json

import pytest


def test_sweep_runs_every_point_on_one_line_each(jaxq, short, tmp_path):
    plot = tmp_path / "s.png"
    code, out, err = jaxq("sweep", "mmc", "--arrival-rate", "0.2:0.8:4", *short, "--plot", str(plot))
    assert code == 0 and err == "" and plot.exists()
    rows = [line.split() for line in out.splitlines() if line.strip()[:2] == "0."]
    assert [row[0] for row in rows[:4]] == ["0.2", "0.4", "0.6", "0.8"]
    assert "number_in_system" in out and "oracle" in out and "agrees" in out


def test_sweep_of_two_fields_is_their_product(jaxq, short):
    args = ["--arrival-rate", "0.2,0.4", "--servers", "1:2:2"]
    code, out, _ = jaxq("sweep", "mmc", *args, *short, "--json")
    data = json.loads(out)
    assert code == 0 and set(data) == {"schema", "results"}
    points = [(r["point"]["arrival_rate"], r["point"]["servers"]) for r in data["results"]]
    assert points == [(0.2, 1), (0.2, 2), (0.4, 1), (0.4, 2)]


def test_sweep_of_one_point(jaxq, short):
    code, out, _ = jaxq("sweep", "mmc", "--arrival-rate", "0.4:0.2:1", *short, "--json")
    assert code == 0 and [r["point"] for r in json.loads(out)["results"]] == [{"arrival_rate": 0.4}]


def test_compare_pairs_the_systems(jaxq, short, tmp_path):
    plot = tmp_path / "c.png"
    args = ["--arrival-rate", "0.5", "--servers", "1,2"]
    code, out, _ = jaxq("compare", "mmc", *args, *short, "--plot", str(plot))
    assert code == 0 and plot.exists()
    assert "servers=1" in out and "servers=2" in out and "paired differences to servers=1" in out
    code, out, _ = jaxq("compare", "mmc", *args, *short, "--json")
    data = json.loads(out)
    difference = next(d for d in data["differences"] if d["metric"] == "number_in_system")
    means = [r["metrics"]["number_in_system"]["mean"] for r in data["results"]]
    assert difference["mean"] == pytest.approx(means[1] - means[0])


def test_compared_values_are_written_alike_above_and_below(jaxq, short):
    code, out, _ = jaxq("compare", "mmc", "--arrival-rate", "0.5", "--service-rate", "1,2", *short)
    assert code == 0 and out.count("service_rate=2") == 2 and "service_rate=2.0" not in out


def test_compare_of_many_systems_has_a_row_each(jaxq, short):
    code, out, _ = jaxq("compare", "mmc", "--arrival-rate", "0.5", "--servers", "1,2,3,4,5", *short)
    assert code == 0 and out.count("number_in_system") == 5 and "5 systems" in out


def test_laws_can_be_compared(jaxq, short):
    laws = "deterministic,lognormal:2"
    code, out, _ = jaxq("compare", "mg1", "--arrival-rate", "0.5", "--service-law", laws, *short)
    assert code == 0 and "service_law=deterministic" in out and "service_law=lognormal:2" in out
