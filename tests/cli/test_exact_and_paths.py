"""`jaxq exact` and `jaxq paths`."""

import csv
import json

import numpy as np
import pytest

SMALL = ["mmc", "--arrival-rate", "0.9", "--capacity", "5"]


def test_exact_agrees_with_the_oracle(jaxq):
    code, out, _ = jaxq("exact", *SMALL, "--json")
    data = json.loads(out)
    assert code == 0 and data["number_of_states"] == 6
    for metric in data["metrics"].values():
        assert metric["value"] == pytest.approx(metric["oracle"], rel=1e-10)
    code, out, _ = jaxq("exact", *SMALL)
    assert code == 0 and "6 states" in out and "probability_block" in out


def test_a_law_is_written(jaxq, tmp_path):
    files = [str(tmp_path / f"law.{ending}") for ending in ("json", "csv", "npz")]
    code, out, err = jaxq("exact", *SMALL, *[x for file in files for x in ("--out", file)], "--json")
    assert code == 0 and err == "" and json.loads((tmp_path / "law.json").read_text()) == json.loads(out)
    rows = list(csv.DictReader((tmp_path / "law.csv").read_text().splitlines()))
    metrics = json.loads(out)["metrics"]
    assert {row["metric"]: float(row["exact"]) for row in rows} == {name: m["value"] for name, m in metrics.items()}
    assert {row["kind"] for row in rows} == {"exact"}
    law = np.load(tmp_path / "law.npz")
    weights = 0.9 ** np.arange(6)
    assert np.allclose(law["probabilities"][np.argsort(law["states/0"])], weights / weights.sum())


def test_a_law_cannot_be_written_where_there_is_no_folder(jaxq, tmp_path):
    code, out, err = jaxq("exact", *SMALL, "--out", str(tmp_path / "none" / "law.json"))
    assert code == 2 and out == "" and "out = " in err


def test_paths_start_empty(jaxq, tmp_path):
    files = [str(tmp_path / name) for name in ("p.json", "p.png")]
    args = ["--times", "0:20:41", "--replicas", "64", "--out", files[0], "--plot", files[1]]
    code, out, err = jaxq("paths", *SMALL, *args)
    assert code == 0 and err == "" and "21 of 41 times" in out and (tmp_path / "p.png").exists()
    data = json.loads((tmp_path / "p.json").read_text())
    assert len(data["times"]) == 41 and data["observables"]["number_in_system"]["mean"][0] == 0
