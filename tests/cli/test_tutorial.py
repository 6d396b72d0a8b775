"""`jaxq tutorial`: its commands work as they are printed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxq.cli import tutorial


def test_all_steps_run(tmp_path):
    command = [sys.executable, "-m", "jaxq", "tutorial", "--yes"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert all(step.command in done.stdout for step in tutorial.STEPS) and "differences" in done.stdout
    sweep = json.loads((tmp_path / tutorial.FOLDER / "staffing.json").read_text())
    assert len(sweep["results"]) == 6 and not any(result["flags"] for result in sweep["results"])
    assert (tmp_path / tutorial.FOLDER / "staffing.html").stat().st_size > 10_000


def test_a_step_explains_itself_in_two_lines():
    assert len(tutorial.STEPS) == 5
    assert all(len(step.explanation.splitlines()) == 2 for step in tutorial.STEPS)


@pytest.mark.parametrize(("answers", "run"), [(["", "q"], 1), (["q"], 0), (["", EOFError], 1)])
def test_it_stops_when_asked_to(jaxq, tmp_path, monkeypatch, answers, run):
    monkeypatch.chdir(tmp_path)
    done = []

    class Done:
        returncode = 0

    def answer(_):
        found = answers.pop(0)
        if found is EOFError:
            raise EOFError
        return found

    monkeypatch.setattr(tutorial.subprocess, "run", lambda args, **_: done.append(args) or Done())
    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert jaxq("tutorial")[0] == 0 and len(done) == run


def test_without_a_terminal_it_must_be_told_to(jaxq, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, out, err = jaxq("tutorial")
    assert code == 2 and out == ""
    assert "yes: must be given where nobody can press Enter (no terminal): jaxq tutorial --yes" in err
    assert not list(tmp_path.iterdir())


def test_a_step_that_fails_is_named(jaxq, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tutorial, "STEPS", (tutorial.Step("jaxq run nothing", "x"),))
    code, _, err = jaxq("tutorial", "--yes")
    assert code == 2 and "step 1 ended with exit code 2" in err


def test_a_closed_stdin_is_no_terminal(jaxq, tmp_path, monkeypatch):
    """It was a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    code, _, err = jaxq("tutorial")
    assert code == 2 and "must be given where nobody can press Enter" in err
