"""`jaxq tutorial`: its commands work as they are printed."""

import json
import sys
from typing import NamedTuple

import pytest

from jaxq.cli import tutorial


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int


def test_all_steps_run(jaxq, tmp_path, monkeypatch):
    """In this process; that it begins others: `test_a_step_that_fails_is_named`."""
    printed = []

    def here(words, cwd):
        python, option, program, *arguments = words
        assert (python, option, program) == (sys.executable, "-m", "jaxq")
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            code, out, err = jaxq(*arguments)
        assert err == ""
        printed.append(out)
        return Done(code)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tutorial.subprocess, "run", here)
    assert jaxq("tutorial", "--yes").code == 0
    told = "".join(printed)
    assert all(step.command in told for step in tutorial.STEPS) and "differences" in told
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

    def answer(_):
        found = answers.pop(0)
        if found is EOFError:
            raise EOFError
        return found

    monkeypatch.setattr(tutorial.subprocess, "run", lambda args, **_: done.append(args) or Done(0))
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
