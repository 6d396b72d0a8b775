"""`jaxq new` writes a system that runs as it is, and agrees with its oracle."""

import json


def test_what_is_written_runs(jaxq, short, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = jaxq("new", "mine.py")
    assert (code, err) == (0, "") and "jaxq run mine.py --arrival-rate 0.8" in out
    text = (tmp_path / "mine.py").read_text()
    assert "jaxq sweep mine.py " in text and "FILE.py" not in text
    code, out, _ = jaxq("run", "mine.py", "--arrival-rate", "0.9", "--room", "2", *short, "--quiet", "--json")
    metrics = json.loads(out)["metrics"]
    assert code == 0 and all(abs(metric["z"]) < 4 and metric["half_width"] < 0.1 for metric in metrics.values())
    # M/M/1/3 at .9: p_3 = .9^3 / (1 + .9 + .81 + .729) = .212
    assert abs(metrics["loss_rate"]["oracle"] - 0.9 * 0.729 / 3.439) < 1e-12
    # M/M/1/5 at .8: weights .8^n add up to 3.68928, n .8^n to 6.8928
    code, out, _ = jaxq("exact", "mine.py", "--json")
    assert code == 0 and abs(json.loads(out)["metrics"]["customers"]["value"] - 6.8928 / 3.68928) < 1e-5


def test_a_file_that_is_there_is_kept(jaxq, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("mine")
    code, out, err = jaxq("new", str(file))
    assert (code, out) == (2, "") and "is there already; must be a new file" in err and file.read_text() == "mine"
    code, _, err = jaxq("new", str(tmp_path / "mine.txt"))
    assert code == 2 and err.startswith("error: file = ")
