"""The README's Python and shell lines work as they stand."""

import re
import shlex
from pathlib import Path

import pytest

import jaxq
from jaxq.__main__ import main
from tests.pages import steps

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(name: str) -> str:
    """The code block after ``<!-- test:name -->``."""
    return next(step.text for step in steps(README) if (step.kind, step.what) == ("test", name))


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jaxq, "use_all_cores", lambda: 2)
    names = {}
    exec(block("example").replace("events=100_000", "events=20_000"), names)
    assert names["result"].flags == () and len(names["curve"]) == 11
    difference = names["staffed"].differences[2]
    assert difference["metric"] == "waiting_time" and difference["mean"] < 0
    assert (tmp_path / "staffing.csv").read_text().count("waiting_time") == 11
    assert (tmp_path / "staffing.png").stat().st_size > 10_000
    assert "probability_wait" in capsys.readouterr().out


def test_the_derivatives_are_right(capsys, monkeypatch):
    monkeypatch.setattr(jaxq, "use_all_cores", lambda: 2)
    names = {}
    exec(block("gradient"), names)
    slope = names["slopes"]["queue_length", "service_rate"]
    assert names["slopes"].flags == () and slope.half_width < 0.02 * abs(slope.oracle) and abs(slope.z) < 4.5
    assert "unbiased" in capsys.readouterr().out


def test_a_users_own_jump_process_works_with_everything(capsys, monkeypatch):
    monkeypatch.setattr(jaxq, "use_all_cores", lambda: 2)
    names = {}
    exec(block("tandem"), names)
    system = names["tandem"]
    result = jaxq.simulate(system, precision=0.01)
    assert all(m.half_width < 0.02 * m.oracle and abs(m.z) < 4.5 for m in result.metrics.values())
    exact = jaxq.exact(system, keep=lambda x: (x[0] < 40) & (x[1] < 60))
    assert exact.metrics["first_queue"] == pytest.approx(1.0, abs=1e-6)
    assert exact.metrics["second_queue"] == pytest.approx(0.5 / 0.3, abs=1e-6)
    assert "first_queue" in capsys.readouterr().out


def test_the_step_functions_go_into_a_scan_of_ones_own(capsys, monkeypatch):
    monkeypatch.setattr(jaxq, "use_all_cores", lambda: 2)
    exec(block("scan"), {})
    *watched, own = map(float, capsys.readouterr().out.split())
    # 10,000 uniformised events from an empty queue: a transient of some 6 units of time in 6,667
    assert watched and abs(watched[-1] - 0.5) < 0.05 and abs(own - 0.5) < 0.05


def test_the_tandem_is_short():
    lines = [x for x in block("tandem").split("class Tandem")[1].split("tandem = ")[0].splitlines() if x.strip()]
    assert len(lines) <= 22


def test_the_first_two_blocks_set_up():
    first, second, *others = steps(README)
    assert [(step.kind, step.what) for step in (first, second)] == [("ci", "main"), ("ci", "test")]
    assert first.text.startswith("python3 -m venv") and ".venv/bin/jaxq run mmc " in first.text
    assert second.text.startswith("python3 -m venv") and second.text.strip().endswith("pytest -q")
    assert not any(step.kind == "ci" for step in others)


SHELL = {
    line.split("#")[0].strip()
    for step in steps(README)
    if step.kind == "sh"
    for line in step.text.splitlines()
    if line.startswith("jaxq ") and not line.startswith("jaxq tutorial")  # test_tutorial runs it
}


@pytest.mark.parametrize("line", sorted(x for x in SHELL if not x.startswith("jaxq validate")))
def test_the_shell_lines_run(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    toml = re.search(r"```toml\n(.*?)```", README, re.S)[1]
    (tmp_path / "experiment.toml").write_text(toml)
    _, *arguments = shlex.split(re.sub(r" --(replicas|precision|events|warmup) \S+", "", line))  # shorter ones below
    if arguments[0] in ("plot", "report"):
        jaxq.sweep(jaxq.MMc(), {"arrival_rate": [0.3, 0.6]}, replicas=64, events=1000, warmup=500).save(arguments[1])
    if arguments[0] == "reproduce":
        arguments += ["--quick", "--quiet"]
    if arguments[0] == "tune":
        arguments += ["--replicas", "64", "--events", "3000", "--warmup", "1000", "--quiet"]
    if arguments[0] in ("run", "sweep", "compare", "gradient") and "fluid" not in arguments:
        many = any(name in arguments for name in ("load-balancing", "parallel-servers", "97:107:11", "100"))  # servers
        length = ["--events", "100000", "--warmup", "300000"] if many else ["--events", "3000", "--warmup", "1000"]
        arguments += ["--replicas", "64", *length, "--quiet"]
        if "experiment.toml" in arguments or "sweep" in arguments:
            arguments += ["--precision", "0.5"]
    code = main(arguments)
    assert code in (0, None), capsys.readouterr().err
