"""`jaxq gradient`."""

import json

import pytest

from tests.cli.test_own_system import SHORT as FIELDS
from tests.cli.test_own_system import TANDEM

QUEUE = ["mmc", "--arrival-rate", "12", "--servers", "10", "--abandonment-rate", "1"]
BOTH = ["--parameter", "arrival_rate", "--parameter", "abandonment_rate"]


def test_a_table_files_and_a_figure(jaxq, short, tmp_path):
    files = [str(tmp_path / name) for name in ("g.json", "g.csv", "g.npz", "g.png")]
    where = ["--out", files[0], "--out", files[1], "--out", files[2], "--plot", files[3]]
    where += ["--metric", "queue_length", "--method", "finite-difference"]
    code, out, err = jaxq("gradient", *QUEUE, *BOTH, *short, *where)
    assert code == 0 and err == ""
    for words in (
        "by abandonment_rate",
        "bias",
        "oracle",
        "steps of 1 % and twice that",
        "agrees",
        "9 points, each 64 replicas",
    ):
        assert words in out
    assert max(map(len, out.partition("paired")[0].splitlines())) <= 90
    slope = json.loads((tmp_path / "g.json").read_text())["metrics"]["queue_length"]["derivatives"]["arrival_rate"]
    assert slope["oracle"] == pytest.approx(0.7576, abs=1e-4) and abs(slope["z"]) < 4.5
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("g.csv", "g.npz", "g.png"))


def test_precision_is_that_of_the_derivatives(jaxq):
    code, out, _ = jaxq("gradient", *QUEUE, *BOTH[:2], "--metric", "queue_length:0.03", "--json", "--quiet")
    assert json.loads(out)["run"]["gradient"]["method"] == "coupling"
    slope = json.loads(out)["metrics"]["queue_length"]["derivatives"]["arrival_rate"]
    assert code == 0 and slope["half_width"] <= 0.03 * slope["mean"] and abs(slope["z"]) < 4.5


def test_a_score_with_the_bias_of_its_window(jaxq, short):
    code, out, err = jaxq("gradient", *QUEUE, *BOTH[:2], *short, "--method", "score", "--window", "64")
    assert code in (0, 3) and "bias" in out and "score of the last 64 events" in out, err
    code, _, err = jaxq("gradient", *QUEUE, *BOTH[:2], *short, "--method", "coupling", "--window", "64")
    assert code == 2 and err == "error: window = 64: method = coupling has no score; must not be given\n"


def test_an_experiment_file_and_a_system_of_ones_own(jaxq, short, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tandem.py").write_text(TANDEM)
    code, out, err = jaxq("gradient", "tandem.py:Tandem", *FIELDS, "--parameter", "arrival_rate", *short)
    assert code == 0 and "by arrival_rate" in out, err
    text = 'system = "mmc"\n[parameters]\narrival_rate = 8\nservers = 10\nabandonment_rate = 0\n[run]\nreplicas = 64\n'
    text += 'events = 2000\nwarmup = 500\n[gradient]\nparameter = ["abandonment_rate"]\n'
    (tmp_path / "e.toml").write_text(text)
    code, _, err = jaxq("gradient", "e.toml")
    assert code == 2 and err.startswith(
        "error: e.toml: [gradient]: parameter = abandonment_rate: there is no system at -"
    )
    code, out, err = jaxq("gradient", "e.toml", "--side", "right")
    assert code in (0, 3) and "coupled alternatives" in out and " bias " not in out, err
    code, out, err = jaxq("gradient", "e.toml", "--side", "right", "--method", "finite-difference")
    assert code in (0, 3) and "paired differences on the right" in out, err


def test_a_formula(jaxq):
    args = ["--servers", "10", "--phi", "0.7", "--parameter", "phi", "--method", "fluid"]
    code, out, err = jaxq("gradient", "token-pool", *args)
    assert code == 0 and err == "" and "large_market" in out and "stands for total_jobs" in out and "bias" not in out
