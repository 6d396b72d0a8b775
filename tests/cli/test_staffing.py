"""`jaxq staffing`: the theory of a tree network on the command line."""

import json

import pytest

TREE = """
arrival_rates = [0.8, 0.6]
service_rates = [[1.0], [1.5]]
servers = [1.2]
staffing = [0.3]
classes = ["gold", "silver"]
scale = 64
"""


def test_everything_is_printed(jaxq):
    code, out, err = jaxq("staffing", "--network", "n", "--n", "400")
    assert code == 0 and err == ""
    for text in ("0.748888889", "0.737041841", "-0.794", "0.8425", "gains G(j, j')", "B1, root pool 2", "stabilisable"):
        assert text in out
    assert "growth" not in out


def test_json_and_file(jaxq, tmp_path):
    path = tmp_path / "s.json"
    code, out, _ = jaxq("staffing", "--n", "100", "--staffing", "-0.5,0.2", "--root", "1", "--json", "--out", str(path))
    found = json.loads(out)
    assert code == 0 and json.loads(path.read_text()) == found
    assert found["verdict"] == "transient" and found["root"] == "1" and found["order"] == ["2", "1"]
    assert found["theta_n"] == pytest.approx(-0.68929412, abs=1e-8)
    assert set(found["theta"]) == {"lp", "gains", "elimination", "drift"}
    assert found["worth"] == pytest.approx([1, 2 / 3])
    assert found["balanced_growth"] == pytest.approx(6.965, abs=1e-9)
    assert found["lone_growth"] == pytest.approx([7.642, 6.277], abs=6e-4)


def test_a_network_from_a_file(jaxq, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TREE)
    code, out, _ = jaxq("staffing", "--network", str(path), "--safety", "0.25,0.75", "--json")
    found = json.loads(out)
    assert code == 0 and found["classes"] == ["gold", "silver"] and found["scale"] == 64
    assert found["theta"]["gains"] == pytest.approx(0.3 / (0.25 + 0.75 / 1.5), abs=1e-12)


@pytest.mark.parametrize(("staffing", "seen"), [("-0.5,0.2", "queues grow"), ("-0.5,1.8", "no growth seen")])
def test_the_slope_stands_next_to_its_prediction(jaxq, staffing, seen):
    args = ("staffing", "--staffing", staffing, "--simulate", "--replicas", "64", "--horizon", "400", "--seed", "2")
    code, out, _ = jaxq(*args)
    assert code == 0 and seen in out and "predicted" in out
    code, out, _ = jaxq(*args, "--json")
    slope = json.loads(out)["growth"]["total_queue"]
    prediction = 6.965 if seen == "queues grow" else 0
    assert slope["half_width"] < 0.7 and abs(slope["slope"] - prediction) < 2.3 * slope["half_width"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--network", "q"], "network = q: must be one of"),
        (["--network", "qgym-n"], "has .* left over once all others are even; the load must be critical"),
        (["--network", "x-model"], "must be without abandonment"),
        (["--n", "0"], "n = 0.0: must be a number > 0"),
        (["--root", "3"], "root = 3: must be one of the pools 1, 2"),
        (["--safety", "0.5,0.6"], "safety = .*: must be a list of numbers > 0 that sum to 1"),
        (["--safety", "0.2,0.3,0.5"], "safety = .*: must be 2 numbers"),
        (["--staffing", "1,2,3"], "staffing = .*: must be 2 numbers, one a pool"),
        (["--staffing", "-99,0"], "scale = 100: must leave pool 1 from 1"),
        (["--simulate", "--replicas", "1"], "replicas = 1: must be a whole number >= 2"),
        (["--simulate", "--horizon", "no"], "horizon = no: must be a number > 0"),
        (["--simulate", "--policy", "bsp"], "policy = bsp: must be one of"),
        (["--out", "x.csv"], "out = x.csv: must end in .json"),
    ],
)
def test_bad_input(jaxq, args, message):
    import re

    code, out, err = jaxq("staffing", *args)
    assert code == 2 and out == "" and re.search(message, err)


def test_a_cycle_and_an_idle_edge_are_named(jaxq, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("arrival_rates = [1, 1]\nservice_rates = [[1, 1], [1, 1]]\nservers = [1, 1]")
    code, _, err = jaxq("staffing", "--network", str(path))
    assert code == 2 and "class 2 - pool 2 closes a cycle with class 2 - pool 1 - class 1 - pool 2" in err
    path.write_text("arrival_rates = [0.8, 0.88]\nservice_rates = [[1.5, 1], [0, 0.8]]\nservers = [0.6, 1]")
    code, _, err = jaxq("staffing", "--network", str(path))
    assert code == 2 and "fails at class 1 - pool 2, whose share of the pool is -0.1" in err
