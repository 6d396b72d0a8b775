"""Bad input: one line that names the field, the value and the rule, exit code 2, no traceback, nothing compiled."""

import pytest

MMC = ["run", "mmc", "--arrival-rate", "0.5"]
POOL = ["run", "token-pool", "--servers", "3", "--arrival-rate", "0.5"]
BAD = {
    "negative rate": (["run", "mmc", "--arrival-rate", "-1"], ["arrival_rate", "-1", "> 0"]),
    "probability of one": ([*POOL, "--phi", "1"], ["phi = 1", "> 0 and < 1"]),
    "probability of zero": ([*POOL, "--phi", "0"], ["phi = 0", "> 0 and < 1"]),
    "two and a half servers": ([*MMC, "--servers", "2.5"], ["servers = 2.5", "a whole number >= 1"]),
    "no server": ([*MMC, "--servers", "0"], ["servers = 0", ">= 1"]),
    "nan": (["run", "mmc", "--arrival-rate", "nan"], ["arrival_rate = nan", "a number > 0"]),
    "infinity": (["run", "mmc", "--arrival-rate", "inf"], ["arrival_rate = inf", "a number > 0"]),
    "no number": (["run", "mmc", "--arrival-rate", "fast"], ["arrival_rate = fast", "a number > 0"]),
    "unstable": (["run", "mmc", "--arrival-rate", "2"], ["arrival_rate = 2", "must be <", "stationary"]),
    "unstable in a sweep": (["sweep", "mmc", "--arrival-rate", "1.5:2.5:3"], ["arrival_rate", "must be <"]),
    "fields that disagree": ([*MMC, "--servers", "5", "--capacity", "3"], ["capacity = 3", ">= servers"]),
    "unknown law": (["run", "mg1", "--arrival-rate", ".5", "--service-law", "x"], ["service_law", "x", "lognormal"]),
    "unknown option": ([*MMC, "--servrs", "3"], ["--servrs", "did you mean --servers"]),
    "unknown system": (["run", "tokn-pool"], ["unknown system tokn-pool; did you mean token-pool?"]),
    "unknown verb": (["rnu", "mmc"], ["rnu", "run"]),
    "no system": (["run"], ["mmc", "token-pool", ".toml"]),
    "option before the system": (["run", "--replicas", "5", "mmc"], ["--replicas", "after the system"]),
    "an option twice": ([*MMC, "--servers", "3", "--servers=5"], ["--servers", "2 times (3, 5)"]),
    "an option of the run twice": ([*MMC, "--seed", "1", "--seed", "1"], ["--seed", "2 times (1, 1)"]),
    "an option of another verb twice": (["staffing", "--n=1", "--n", "2"], ["--n", "2 times (1, 2)"]),
    "option without value": (["run", "mmc", "--arrival-rate"], ["--arrival-rate", "argument"]),
    "stray argument": ([*MMC, "7"], ["7"]),
    "backwards": (["sweep", "mmc", "--arrival-rate", "0.9:0.1:5"], ["arrival_rate = 0.9:0.1:5", "backwards", "<="]),
    "broken sweep": (["sweep", "mmc", "--arrival-rate", "0.1:0.9"], ["arrival_rate = 0.1:0.9", "start:stop:count"]),
    "count of a half": (["sweep", "mmc", "--arrival-rate", ".1:.9:2.5"], ["arrival_rate", "whole count >= 1"]),
    "servers between": (["sweep", *MMC[1:], "--servers", "1:10:5"], ["servers = 1:10:5", "whole numbers", "3.25"]),
    "swept out of bounds": (["sweep", "mmc", "--arrival-rate", "-1:0.9:3"], ["arrival_rate = -1", "> 0"]),
    "swept law": (["sweep", "mg1", "--arrival-rate", ".5", "--service-law", "erlang:2"], ["no field is swept"]),
    "nothing swept": (["sweep", "mmc", "--arrival-rate", "0.9"], ["no field is swept", "arrival_rate"]),
    "nothing compared": (["compare", "mmc", "--arrival-rate", "0.9"], ["nothing to compare"]),
    "a range in a run": (["run", "mmc", "--arrival-rate", "0.1:0.9:5"], ["arrival_rate = 0.1:0.9:5", "sweep"]),
    "replicas in words": ([*MMC, "--replicas", "many"], ["replicas = many", "a whole number >= 1"]),
    "half an event": ([*MMC, "--events", "0.5"], ["events = 0.5", "a whole number >= 1"]),
    "precision of zero": ([*MMC, "--precision", "0"], ["precision = 0", "> 0"]),
    "level of two": ([*MMC, "--level", "2"], ["level = 2", "< 1"]),
    "seed of a half": ([*MMC, "--seed", "0.5"], ["seed = 0.5", "whole number"]),
    "warm-up in words": ([*MMC, "--warmup", "long"], ["warmup = long", "auto"]),
    "unknown metric": ([*MMC, "--metric", "wait"], ["metric = wait", "waiting_time"]),
    "metric of nothing": ([*MMC, "--metric", "waiting_time:0"], ["metric = waiting_time:0", "> 0"]),
    "unknown quantity": ([*MMC, "--quantiles", "wait"], ["quantiles = wait"]),
    "quantile of two": ([*MMC, "--quantiles", "queue:2"], ["quantiles = queue:2", "< 1"]),
    "too many devices": ([*MMC, "--devices", "99"], ["devices = 99", "between 1 and"]),
    "few replicas": ([*MMC, "--replicas", "5"], ["replicas = 5", "30"]),
    "replicas that do not fit": ([*MMC, "--replicas", "1e9"], ["replicas = 1000000000: ", "GB of memory, and there"]),
    "points that do not fit": (
        ["sweep", "mmc", "--arrival-rate", ".1:.9:1e12"],
        ["arrival_rate = .1:.9:1e12: ", "GB of"],
    ),
    "their product": (
        ["sweep", "mmc", "--arrival-rate", ".1:.9:1000", "--service-rate", "1:2:1000", "--replicas", "1e6"],
        ["arrival_rate, service_rate = 1000000 points: ", "GB of memory"],
    ),
    "points that nobody waits for": (["sweep", "mmc", "--arrival-rate", ".1:.9:1e7"], ["at most 1000000 values, not"]),
    "times that do not fit": (["paths", *MMC[1:], "--times", "0:10:1e12"], ["times = 0:10:1e12: ", "GB of memory"]),
    "times of replicas that do not fit": (
        ["paths", *MMC[1:], "--times", "0,1", "--replicas", "1e10"],
        ["times = 2 times: 10000000000 replicas seen at each", "GB of memory"],
    ),
    "out without ending": ([*MMC, "--out", "x"], ["out = x", ".json"]),
    "out in no folder": ([*MMC, "--out", "no/such/x.json"], ["out = no/such/x.json", "folder"]),
    "plot of another ending": ([*MMC, "--plot", "x.gif"], ["plot = x.gif", ".png"]),
    "plot in no folder": ([*MMC, "--plot", "no/such/x.png"], ["plot = no/such/x.png", "folder"]),
    "checkpoint of another ending": ([*MMC, "--checkpoint", "x.json"], ["checkpoint = x.json", ".npz"]),
    "no such file": (["run", "none.toml"], ["none.toml", "No such file"]),
    "list of nothing": (["list", "mcm"], ["mcm", "mmc"]),
    "validate nothing": (["validate", "mcm"], ["mcm", "mmc"]),
    "paths without times": (["paths", *MMC[1:]], ["--times"]),
    "times that are none": (["paths", *MMC[1:], "--times", ","], ["times = ,: must be increasing numbers"]),
    "times backwards": (["paths", *MMC[1:], "--times", "3,2"], ["times = 3,2", "increasing"]),
    "more paths than replicas": (
        ["paths", *MMC[1:], "--times", "1,2", "--replicas", "5", "--keep-paths", "9"],
        ["keep_paths = 9", "<= 5"],
    ),
    "exact of no chain": (["exact", "mg1", "--arrival-rate", "0.5"], ["MG1", "JumpProcess"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line(jaxq, monkeypatch, kind):
    args, words = BAD[kind]
    monkeypatch.setattr("jaxq.engine.stack.Stack.__init__", lambda *_: pytest.fail("a run was started"))
    code, out, err = jaxq(*args)
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    for word in words:
        assert word in err


@pytest.mark.parametrize("kind", ["negative rate", "unknown system", "unstable"])
def test_bad_input_in_a_process_of_its_own(shell, kind):
    args, words = BAD[kind]
    code, out, err = shell(*args)
    assert code == 2 and out == "" and err.count("\n") == 1 and "Traceback" not in err
    assert all(word in err for word in words)


def test_a_bug_keeps_its_traceback(jaxq, monkeypatch, short):
    def broken(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr("jaxq.simulate", broken)
    with pytest.raises(ValueError, match="a bug"):
        jaxq("run", "mmc", "--arrival-rate", "0.5", *short)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('system = ["mmc"]\n', "system: unknown system ['mmc']"),
        ("[system]\n", "system: unknown system {}"),
        ("system = 'mmc'\n[parameters]\nservers = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_a_file_of_another_shape_is_one_line(jaxq, tmp_path, text, words):
    (tmp_path / "x.toml").write_text(text)
    code, _, err = jaxq("run", str(tmp_path / "x.toml"))
    assert code == 2 and err.count("\n") == 1 and words in err


def test_a_list_that_nobody_can_mean_is_refused_while_it_is_read(jaxq):
    code, _, err = jaxq("run", "token-pool", "--servers", "3", "--arrival-rate", "0.5*300000000")
    assert code == 2 and "arrival_rate = 0.5*300000000: must be a list of at most 1000000 numbers, not of 3e+08" in err


def test_the_limit_of_a_policy_is_said(jaxq):
    code, _, err = jaxq("run", "load-balancing", "--policy", "pod500", "--servers", "9")
    assert code == 2 and "from 1 to 99" in err


def test_a_long_line_loses_its_middle(jaxq):
    code, _, err = jaxq("run", "mmc", "--arrival-rate", "x" * 5000)
    assert code == 2 and len(err) < 320 and err.startswith("error: arrival_rate = xxx") and "a number > 0" in err
