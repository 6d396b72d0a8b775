"""Experiments written down as TOML."""

import json

import pytest

GOOD = """
system = "mmc"
[parameters]
arrival_rate = 0.5
servers = 2
[run]
replicas = 64
events = "2e3"
warmup = 500
seed = 3
[sweep]
arrival_rate = "0.2:0.4:2"
[compare]
servers = [1, 2]
"""
BAD = {
    "malformed": ("system = ]", ["at line 1"]),
    "not text": ("system = 3", ["system", "unknown system 3"]),
    "no system": ("[parameters]\nservers = 2", ["system", "missing", "mmc"]),
    "unknown system": ('system = "mcm"', ["mcm", "mmc"]),
    "unknown table": (GOOD + "[runs]\n", ["runs", "did you mean run?"]),
    "unknown key": (GOOD.replace("seed", "sed"), ["[run] sed", "did you mean seed?"]),
    "unknown field": (GOOD.replace("servers = 2", "servrs = 2"), ["[parameters] servrs", "did you mean servers?"]),
    "not a table": ('system = "mmc"\nrun = 3', ["run = 3", "table"]),
    "half a server": (GOOD.replace("servers = 2", "servers = 2.5"), ["servers = 2.5", "a whole number >= 1"]),
    "true servers": (GOOD.replace("servers = 2", "servers = true"), ["servers = True", "a whole number >= 1"]),
    "a table as rate": (GOOD.replace("_rate = 0.5", "_rate = {a = 1}"), ["arrival_rate", "a number > 0"]),
    "bad option": (GOOD.replace("replicas = 64", "replicas = 0.5"), ["[run]: replicas = 0.5", "whole number"]),
    "metric of a number": (GOOD.replace("seed = 3", "metric = 3"), ["[run]: metric = 3", "text"]),
    "json in words": (GOOD.replace("seed = 3", 'json = "yes"'), ["json = yes", "true or false"]),
}


@pytest.fixture
def write(tmp_path):
    def written(text: str) -> str:
        path = tmp_path / "experiment.toml"
        path.write_text(text)
        return str(path)

    return written


@pytest.mark.parametrize("kind", BAD)
def test_errors_name_the_file_and_the_key(jaxq, write, kind):
    text, words = BAD[kind]
    path = write(text)
    code, out, err = jaxq("run", path)
    assert code == 2 and out == "" and err.count("\n") == 1 and err.startswith(f"error: {path}: ")
    assert all(word in err for word in words)


@pytest.mark.parametrize("sweep", ["arrival_rate = 0.3", "arrival_rate = []", 'arrival_rate = "0.9:0.2:3"'])
def test_errors_in_a_sweep(jaxq, write, sweep):
    path = write(GOOD.replace('arrival_rate = "0.2:0.4:2"', sweep))
    code, _, err = jaxq("sweep", path)
    assert code == 2 and path in err and "arrival_rate" in err and err.count("\n") == 1


def test_run(jaxq, write):
    code, out, _ = jaxq("run", write(GOOD), "--json")
    data = json.loads(out)
    assert code == 0 and data["parameters"]["servers"] == 2
    assert data["run"]["seed"] == 3 and data["run"]["options"]["events"] == 2000 and data["run"]["warmup"] > 0


def test_the_command_line_comes_first(jaxq, write):
    code, out, _ = jaxq("run", write(GOOD), "--seed", "4", "--servers", "3", "--json")
    data = json.loads(out)
    assert code == 0 and data["run"]["seed"] == 4 and data["parameters"]["servers"] == 3
    code, _, err = jaxq("run", write(GOOD), "--seed", "0.5")
    assert code == 2 and err.startswith("error: seed = 0.5")


def test_sweep_and_compare_have_their_own_tables(jaxq, write):
    path = write(GOOD)
    code, out, _ = jaxq("sweep", path, "--json")
    assert code == 0 and [r["point"] for r in json.loads(out)["results"]] == [{"arrival_rate": x} for x in (0.2, 0.4)]
    code, out, _ = jaxq("compare", path, "--json")
    assert code == 0 and [r["point"] for r in json.loads(out)["results"]] == [{"servers": 1}, {"servers": 2}]


def test_help_shows_what_the_file_gives(jaxq, write):
    code, out, _ = jaxq("run", write(GOOD), "--help")
    assert code == 0 and "experiment.toml: 0.5" in " ".join(out.split())
