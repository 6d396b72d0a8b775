"""``jaxq reproduce``: files, summary, exit codes and bad input."""

import dataclasses
import json

import pytest

from jaxq.engine.result import Results
from jaxq.experiments.catalogue import EXPERIMENTS, select
from jaxq.experiments.experiment import Run
from jaxq.experiments.token_pool import figures

FIGURE = "token-pool/figure-1b"


def test_list(jaxq):
    code, out, err = jaxq("reproduce", "--list")
    assert code == 0 and err == "" and "token-pool/figure-2" in out and "Section 6.3" in out
    names = [row["name"] for row in json.loads(jaxq("reproduce", "--list", "--json").out)["experiments"]]
    assert names[:3] == ["token-pool/figure-1a", "token-pool/figure-1b", "token-pool/figure-2"]
    assert len(names) == len(set(names)) > 6


def test_files_and_summary(jaxq, tmp_path):
    folder = tmp_path / "figures"
    code, out, err = jaxq("reproduce", FIGURE, "--out", str(folder), "--quick")
    assert code == 0 and "max |z| =" in out and out.rstrip().endswith("passed")
    names = ["figure-1b.png", "figure-1b.svg", "figure-1b.csv", "figure-1b-curves.csv"]
    assert err.splitlines() == [f"wrote: {folder / name}" for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_json_is_alone_and_a_seed_repeats(jaxq, tmp_path):
    arguments = ["reproduce", FIGURE, "--out", str(tmp_path), "--quick", "--json", "--seed", "5"]
    first, second = jaxq(*arguments), jaxq(*arguments)
    assert first.code == 0 and first.err == ""
    done = json.loads(first.out)["experiments"][FIGURE]
    assert done["passed"] and done["comparisons"] == 3 and done["quick"] and len(done["files"]) == 4
    assert done["results"][0]["run"]["seed"] == 5
    assert done["points"] == json.loads(second.out)["experiments"][FIGURE]["points"]


def test_several_papers_have_a_folder_each_and_a_line_each(jaxq, tmp_path):
    other = "load-balancing/figure-3-1"
    code, out, _ = jaxq("reproduce", FIGURE, other, "--out", str(tmp_path), "--quick", "--quiet")
    assert code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"token-pool", "load-balancing"}
    assert (tmp_path / "load-balancing" / "figure-3-1.png").exists()
    summary = [line.split() for line in out.splitlines()[-3:]]
    assert [line[0] for line in summary if line] == [FIGURE, other] and all(x[-1] == "passed" for x in summary if x)


def test_all_is_every_experiment():
    assert select(["all"]) == list(EXPERIMENTS.values())
    assert {e.name for e in select(["token-pool", FIGURE])} == {n for n in EXPERIMENTS if n.startswith("token-pool/")}


def test_a_wrong_curve_is_exit_code_one(jaxq, tmp_path, monkeypatch):
    right = figures.curve
    monkeypatch.setattr(figures, "curve", lambda *at: {name: 1.5 * value for name, value in right(*at).items()})
    code, out, _ = jaxq("reproduce", FIGURE, "--out", str(tmp_path), "--quick", "--quiet")
    assert code == 1 and "FAILED" in out and "standard errors off" in out


@pytest.mark.parametrize(("flag", "wanted"), [("truncated", 3), ("unfinished", 130)])
def test_flags_have_their_exit_codes(jaxq, tmp_path, monkeypatch, flag, wanted):
    real = Run.results

    def flagged(self, *args, **options):
        found = Results(dataclasses.replace(r, flags=(flag,)) for r in real(self, *args, **options))
        self.interrupted = flag == "unfinished"
        return found

    monkeypatch.setattr(Run, "results", flagged)
    code, out, err = jaxq("reproduce", FIGURE, "--out", str(tmp_path), "--quick", "--quiet")
    assert code == wanted and err == "" and f"FLAG {flag}" in out
    assert (tmp_path / "figure-1b.png").exists() and flag in (tmp_path / "figure-1b.csv").read_text()


def test_ctrl_c_before_anything_is_there(jaxq, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "sweep", interrupted)
    code, out, err = jaxq("reproduce", FIGURE, "--out", str(tmp_path))
    assert (code, out, err) == (130, "", "error: interrupted; there is no result to save\n")
    assert not list(tmp_path.iterdir())


BAD = {
    "no name": (["--out", "."], ["names", "token-pool/figure-1a"]),
    "no folder": ([FIGURE], ["out", "--out DIR"]),
    "unknown name": (["token-pool/figure-3", "--out", "."], ["token-pool/figure-3", "did you mean token-pool/figure-"]),
    "nothing like it": (["qqq", "--out", "."], ["unknown experiment qqq; there is token-pool/figure-1a"]),
    "folder in no folder": ([FIGURE, "--out", "no/such"], ["out = no/such", "must exist"]),
    "a file": ([FIGURE, "--out", "file"], ["out = file", "must be a folder"]),
    "seed of a half": ([FIGURE, "--out", ".", "--seed", "0.5"], ["seed = 0.5", "whole number"]),
    "unknown option": ([FIGURE, "--quik"], ["--quik", "did you mean --quick"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line(jaxq, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_: pytest.fail("a run was started"))
    args, words = BAD[kind]
    code, out, err = jaxq("reproduce", *args)
    assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert all(word in err for word in words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
