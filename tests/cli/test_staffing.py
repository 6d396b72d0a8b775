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
        (
            ["--network", "qgym-n", "--diffusion"],
            "has .* left over once all others are even; the load must be critical",
        ),
        (["--diffusion", "--control", "best"], "control = best: must be constant, constant:u.c;u.s"),
        (["--diffusion", "--control", "constant:1,1;0,1"], "must have 2 shares >= 0 that sum to 1, one a class"),
        (["--diffusion", "--step", "1"], "step = 1: must be < 1/1.5, the fastest service rate"),
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
    code, out, err = jaxq("staffing", "--network", str(path))
    assert code == 0 and err == "" and "not positive recurrent" in out
    assert "class 2 - pool 2 closes a cycle with class 2 - pool 1 - class 1 - pool 2" in out
    path.write_text(
        "arrival_rates = [0.8, 0.88]\nservice_rates = [[1.5, 1], [0, 0.8]]\nservers = [0.6, 1]\nscale = 100"
    )
    code, out, _ = jaxq("staffing", "--network", str(path))
    assert code == 0 and "fails at class 1 - pool 2, whose share of the pool is -0.1" in out


def test_what_can_be_said_of_a_network_that_is_not_critically_loaded(jaxq):
    # class 2 fits into server 2 and 47 % of server 1, and class 1 takes 38 %: what is spare serves either at rate 1 or .5
    code, out, err = jaxq("staffing", "--network", "qgym-n", "--json")
    found = json.loads(out)
    assert code == 0 and err == "" and found["verdict"] == "stabilisable: load 0.95"
    assert found["capacity"]["headroom"] == pytest.approx([0.15, 0.075]) and found["spare"] == pytest.approx(0.075)
    assert "the load must be critical" in found["why"]
    code, out, _ = jaxq("staffing", "--network", "x-model")
    assert code == 0 and "the theory of safety staffing is for networks without abandonment" in out
    # 850 customers, 800 servers' worth at the most
    assert "1.0625" in out and " 50 " in out and "stable: everybody abandons" in out


def test_a_network_that_is_overloaded_names_its_classes(jaxq, tmp_path):
    path = tmp_path / "over.toml"
    path.write_text("arrival_rates = [12, 6]\nservice_rates = [[1, 0], [1, 2]]\nservers = [10, 5]")
    code, out, _ = jaxq("staffing", "--network", str(path), "--json")
    found = json.loads(out)
    assert code == 0 and found["verdict"] == "transient: load 1.2"
    assert found["capacity"]["bound"] == [True, False] and found["capacity"]["growth"] == pytest.approx(2)
    args = (
        "staffing",
        "--network",
        str(path),
        "--simulate",
        "--policy",
        "lqfs",
        "--replicas",
        "32",
        "--horizon",
        "200",
    )
    code, out, _ = jaxq(*args)
    assert code == 0 and "queues grow" in out


def test_the_steps_of_the_elimination(jaxq):
    code, out, _ = jaxq("staffing", "--steps")
    # by hand, z*_12 = .4, z*_22 = .6: a_1 = .1 - .1 x .6 + .2 x .4 = .12 and pool 1 gives -.5 at rate 1.5, so .87 is left
    assert code == 0 and "elimination of leaves" in out and "0.87 + 0.5 theta" in out and "0.8425 - 1.125 theta" in out
    found = json.loads(jaxq("staffing", "--json")[1])
    last = found["steps"][-1]
    assert last["leaf"] == "class 2" and last["neighbour"] == "pool 2"
    assert -last["left"][0] / last["left"][1] == pytest.approx(found["theta"]["lp"], abs=1e-12)


def test_renewal_arrivals_change_the_covariance(jaxq):
    code, out, _ = jaxq("staffing", "--arrival-laws", "erlang:2,hyperexponential:4", "--json")
    found = json.loads(out)
    # lambda (1 + c^2)
    assert code == 0 and found["covariance"] == pytest.approx([1.3 * 1.5, 0.48 * 5])
    code, out, _ = jaxq(
        "theory", "parallel-servers", "--network", "n", "--policy", "lqfs", "--arrival-laws", "erlang:4"
    )
    assert code == 0 and "1.625, 0.6" in out and "Remark 4.6" in out
    code, _, err = jaxq("staffing", "--arrival-laws", "lognormal:2")
    assert code == 2 and "arrival_laws = lognormal:2: must be of phase type" in err


def test_the_diffusion_under_a_control(jaxq):
    args = ("staffing", "--diffusion", "--control", "constant:0.5,0.5;0,1", "--replicas", "64", "--step", "0.1")
    code, out, _ = jaxq(*args, "--json")
    found = json.loads(out)["diffusion"]
    assert code == 0 and found["control"] == "constant:0.5,0.5;0,1"
    assert found["metrics"]["weighted_idle"]["oracle"] == pytest.approx(0.8425) and not found["flags"]
    code, out, _ = jaxq(*args)
    assert code == 0 and "weighted_idle" in out
    few = ("--staffing", "-0.5,0.2", "--diffusion", "--replicas", "64", "--horizon", "200")
    code, out, _ = jaxq("staffing", *few)
    assert code == 0 and "constant control of the diffusion" in out and "0.606" in out and "queues grow" in out
