"""`jaxq tune`."""

import json

import pytest

POOL = ["token-pool", "--parameter", "phi"]
SHORT = ["--replicas", "64", "--events", "2e4"]


def test_tune_prints_what_it_found_and_whether_the_simulation_agrees(jaxq, tmp_path):
    files = [str(tmp_path / name) for name in ("t.json", "t.csv", "t.png")]
    args = ["--start", "0.3", "--out", files[0], "--out", files[1], "--plot", files[2]]
    code, out, err = jaxq("tune", *POOL, *args, *SHORT)
    assert code == 0 and err == ""
    for words in ("objective large_market", "gradient_norm", "simulated total_jobs", "gain, paired", "excludes 0"):
        assert words in out
    data = json.loads((tmp_path / "t.json").read_text())
    assert data["parameters"]["best"]["phi"] == pytest.approx(0.8, abs=1e-3)
    assert data["verification"]["gain"]["mean"] > 10 and data["flags"] == []
    table = out.partition("gradient_norm")[2].partition("simulated")[0]
    steps = [int(cells[0]) for cells in map(str.split, table.splitlines()) if cells and cells[0].isdigit()]
    assert steps[0] == 0 and steps[-1] == 600 and 8 <= len(steps) <= 12
    assert (tmp_path / "t.csv").read_text().startswith("step,phi,") and (tmp_path / "t.png").stat().st_size > 1e4


def test_single_numbers_with_bounds(jaxq):
    routing = ["--network", "x-model", "--policy", "random", "--routing", ".7,.3;.3,.7", "--json", "--quiet"]
    numbers = ["--parameter", "routing[0,0]", "--parameter", "routing[1,1]", "--bounds", ".1,.8", "--bounds", ".5,.9"]
    code, out, err = jaxq("tune", "parallel-servers", *routing, *numbers, "--start", ".6", *SHORT)
    assert code == 0 and err == ""
    data = json.loads(out)
    assert data["parameters"]["start"] == {"routing[0,0]": 0.6, "routing[1,1]": 0.7}
    assert data["parameters"]["best"]["routing[0,0]"] <= 0.8 and data["bounds"] == {"routing[0,0]": 0.8}
    code, out, err = jaxq("tune", "parallel-servers", *routing, "--parameter", "routing[0,0]", "--bounds", ".9,.8")
    assert code == 2 and "bounds" in err and "must be in order" in err
    code, out, err = jaxq("tune", "parallel-servers", *routing, "--parameter", "routing[0,0]", "--bounds", ".1:.8")
    assert code == 2 and "bounds = .1:.8: must be two numbers with a comma between" in err


def test_unlike_servers_and_json(jaxq):
    args = ["--servers", "4", "--arrival-rate", "0.5,0.6,0.7,0.8", "--start", "0.95", "--json", "--quiet"]
    code, out, err = jaxq("tune", *POOL, *args, *SHORT)
    data = json.loads(out)
    assert code == 0 and err == "" and data["parameters"]["best"]["phi"] == pytest.approx(0.8, abs=1e-3)
    assert data["verification"]["run"]["replicas"] == 64


def test_the_parameter_is_the_objectives_unless_named(jaxq):
    code, out, _ = jaxq("tune", "token-pool", "--phi", "0.3", "--steps", "400", "--rate", "0.2", "--json", *SHORT)
    data = json.loads(out)
    assert code == 0 and data["parameters"]["start"] == {"phi": 0.3} and len(data["trace"]) == 401


def test_too_few_steps_are_flagged(jaxq):
    code, out, _ = jaxq("tune", *POOL, "--start", "0.05", "--steps", "4", *SHORT)
    assert code == 3 and "FLAG not_converged" in out


BAD = {
    "above": (["--start", "1.2"], "phi = 1.2: must be a number > 0 and < 1"),
    "no number": (["--start", "high"], "phi = high: must be a number > 0 and < 1"),
    "a range": (["--start", "0.1:0.2:3"], "phi = 0.1:0.2:3: must be a number"),
    "missing": ([], "start: phi is none and needs a start"),
    "two starts": (["--start", "0.3", "--start", "0.4"], "start = 0.3, 0.4: must be one for each parameter, phi"),
    "unknown parameter": (["--parameter", "mu", "--start", "0.3", "--start", "1"], "parameter = mu: token-pool has no"),
    "objective": (["--start", "0.3", "--objective", "best"], "objective = best: token-pool has large_market,"),
    "steps": (["--start", "0.3", "--steps", "1.5"], "steps = 1.5: must be a whole number >= 1"),
    "rate": (["--start", "0.3", "--rate", "fast"], "rate = fast: must be a number > 0"),
    "file": (["--start", "0.3", "--out", "t.npz"], "out = t.npz: must end in .json or .csv"),
    "option": (["--start", "0.3", "--stesp", "4"], "unknown option --stesp; did you mean --steps?"),
    "seed": (["--start", "0.3", "--seed", "0.5"], "seed = 0.5"),
    "replicas": (["--start", "0.3", "--replicas", "4", "--events", "9"], "replicas = 4: a paired comparison needs"),
    "unstable": (["--start", "0.3", "--arrival-rate", "2"], "arrival_rate = 2: must be < service_rate"),
    "phases": (["--start", "0.05", "--objective", "finite"], "phi = 0.05: with servers = 10 there are"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line(jaxq, kind):
    args, message = BAD[kind]
    code, out, err = jaxq("tune", *POOL, *args)
    assert code == 2 and out == "" and err.startswith(f"error: {message}") and err.count("\n") == 1


def test_a_system_without_objectives(jaxq):
    code, _, err = jaxq("tune", "mmc", "--parameter", "arrival_rate", "--start", "0.5")
    assert code == 2 and err == (
        "error: objective: mmc has no objective for this configuration; give simulated:METRIC, the mean of a metric itself\n"
    )


FILE = """
system = "token-pool"
[parameters]
servers = 10
arrival_rate = 0.5
[run]
replicas = 64
events = "2e4"
[tune]
parameter = "phi"
start = 0.3
steps = 500
"""


def test_an_experiment_file(jaxq, tmp_path):
    path = tmp_path / "tune.toml"
    path.write_text(FILE)
    code, out, _ = jaxq("tune", str(path), "--json")
    data = json.loads(out)
    assert code == 0 and data["parameters"]["best"]["phi"] == pytest.approx(0.5, abs=1e-3)
    assert len(data["trace"]) == 501 and data["verification"]["run"]["replicas"] == 64
    code, out, _ = jaxq("tune", str(path), "--json", "--start", "0.4", "--steps", "450")
    assert code == 0 and json.loads(out)["trace"][0]["parameters"] == {"phi": 0.4}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("steps = 500", "steps = 0"), "[tune]: steps = 0: must be a whole number >= 1"),
        (("steps = 500", "stpes = 5"), "[tune] stpes: unknown key; did you mean steps?"),
        (("start = 0.3", "start = [0.3, 0.4]"), "[tune]: start = 0.3, 0.4: must be one for each parameter"),
        (('parameter = "phi"', "parameter = 3"), "[tune]: parameter = 3: must be a text or a list of texts"),
    ],
)
def test_errors_in_the_file(jaxq, tmp_path, change, words):
    path = tmp_path / "tune.toml"
    path.write_text(FILE.replace(*change))
    code, _, err = jaxq("tune", str(path))
    assert code == 2 and str(path) in err and words in err and err.count("\n") == 1


SPLIT = [
    *["tolled-queues", "--arrival-rates", "0.3,2", "--rewards", "20,3", "--waiting-costs", "5,0.02"],
    *["--service-rates", "0.5,0.5", "--tolls", "4,4"],
]


def test_a_search_prints_its_starts_and_what_may_be_claimed(jaxq, tmp_path):
    files = [str(tmp_path / name) for name in ("s.json", "s.csv", "s.png")]
    args = ["--starts", "2", "--steps", "30", "--replicas", "64", "--events", "4000"]
    code, out, err = jaxq("tune", *SPLIT, *args, "--out", files[0], "--out", files[1], "--plot", files[2])
    assert code == 0 and err == ""
    for words in ("service_rates_2", "gain, paired", "best", "against  service_rates=1  tolls=15", "together at 99 %"):
        assert words in out
    data = json.loads((tmp_path / "s.json").read_text())
    assert data["objective"] == "split" and len(data["climbs"]) == 2
    assert ("no gain found" in out) != data["found"]
    assert data["climbs"][0]["gain"]["level"] == pytest.approx(0.995)
    assert (tmp_path / "s.csv").read_text().startswith("start,") and (tmp_path / "s.png").stat().st_size > 5e3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--starts", "0"], "starts = 0: must be a whole number >= 1"),
        (["--objective", "best"], "objective = best: tolled-queues has"),
        (["--objective", "split", "--start", "2"], "start: the objective split takes none"),
        (["--objective", "smooth_revenue", "--starts", "2"], "starts = 2: only a search has random starts"),
        (["--capacity", "2"], "must sum to capacity = 2"),
    ],
)
def test_a_search_refuses_bad_input(jaxq, args, message):
    code, out, err = jaxq("tune", *SPLIT, *args)
    assert code == 2 and out == "" and message in err
