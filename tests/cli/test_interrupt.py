"""Ctrl-C, as a terminal sends it, and SIGTERM, as a scheduler does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxq.engine import interrupt
from jaxq.engine.interrupt import PATIENCE, Interrupt
from tests import compiled

ENDLESS = ["run", "mmc", "--arrival-rate", "0.99", "--precision", "1e-6", "--warmup", "500", "--replicas", "64"]
MARKED = """
import sys
from jaxq.cli import run
from jaxq.engine.progress import Silent
class Marked(Silent):
    def update(self, progress):
        print("running", file=sys.stderr, flush=True)
run.make_meter = lambda quiet: Marked()
from jaxq.__main__ import main
sys.argv[1:] = {args}
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_middle_it_writes_what_there_is(tmp_path, number):
    """Twice, 20 ms apart: the second changes nothing."""
    path, saved = tmp_path / "partial.json", tmp_path / "run.npz"
    code = MARKED.format(args=[*ENDLESS, "--json", "--out", str(path), "--checkpoint", str(saved)])
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "running\n"
    process.send_signal(number)
    time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and set(err.splitlines()) <= {"running"}
    data = json.loads(path.read_text())
    assert "unfinished" in data["flags"] and data["run"]["events"] > 0
    assert data["metrics"]["number_in_system"]["mean"] is not None
    assert json.loads(out) == data
    assert data["run"]["checkpoint"] == "written" and saved.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_during_the_imports_it_is_one_line(tmp_path, number):
    """A file of Python's own that is imported by JAX, here one that waits to be interrupted."""
    (tmp_path / "jax.py").write_text("import sys, time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxq", "run", "mmc"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "error: interrupted; there is no result to save\n"


def test_a_library_keeps_its_users_handlers():
    code = (
        "import signal; before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]; import jaxq;"
        "assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@pytest.fixture
def clock(monkeypatch):
    """The time of `jaxq.engine.interrupt`, in a list of one."""
    now = [1000.0]
    monkeypatch.setattr(interrupt.time, "monotonic", lambda: now[0])
    interrupt.forget()
    yield now
    interrupt.forget()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_counts_after_a_second(clock, number):
    before = signal.getsignal(number)
    with Interrupt() as heard:
        assert not heard.heard
        signal.raise_signal(number)
        assert heard.heard
        clock[0] += 0.9 * PATIENCE
        signal.raise_signal(number)
        clock[0] += 0.2 * PATIENCE
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before
    # what follows within a second, as in the report of the result, hears nothing of it
    interrupt.note()
    with Interrupt() as heard:
        signal.raise_signal(number)
        assert not heard.heard


def test_in_another_thread_nothing_is_heard_and_nothing_breaks():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Interrupt() as heard:
            seen.append(heard.heard)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False] and signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_the_result_is_written_changes_nothing(jaxq, monkeypatch, short, tmp_path):
    from jaxq.engine.result import Result

    save = Result.save

    def interrupted(self, path):
        signal.raise_signal(signal.SIGINT)
        save(self, path)

    interrupt.forget()
    monkeypatch.setattr(Result, "save", interrupted)
    code, out, err = jaxq("run", "mmc", "--arrival-rate", "0.5", *short, "--out", str(tmp_path / "x.json"))
    interrupt.forget()
    assert code == 0 and "number_in_system" in out and err == "" and (tmp_path / "x.json").exists()


def test_ctrl_c_that_is_lost_in_a_callback_is_heard_again(jaxq, monkeypatch):
    class Fragile:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def compute(*_, **__):
        del Fragile.there  # KeyboardInterrupt cannot leave a __del__
        time.sleep(60)

    Fragile.there = Fragile()
    interrupt.forget()
    monkeypatch.setattr("jaxq.cli.run.run_plan", compute)
    code, out, err = jaxq(*ENDLESS)
    interrupt.forget()
    assert code == 130 and out == "" and err == "error: interrupted; there is no result to save\n"


def test_killed_at_random_moments_a_run_ends_with_the_same_numbers():
    """A few of the kills of benchmarks/faults.py."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "benchmarks/faults.py", "--kills", "2", "--terms", "1", "--case", "precision"]
    environment = {**os.environ, "PYTHONPATH": ".", "XLA_FLAGS": compiled.flags()}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "WRONG" not in done.stdout, done.stdout + done.stderr


def test_ctrl_c_before_the_first_launch_is_one_line():
    code = """
import os, signal, time
import jaxq.engine.ensemble as ensemble
from jaxq.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may have inherited none

def compile_and_be_interrupted(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)  # until it arrives

ensemble.choose_program = compile_and_be_interrupted
main(None)
"""
    done = subprocess.run([sys.executable, "-c", code, *ENDLESS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and done.stderr == "error: interrupted; there is no result to save\n"


def test_a_second_ctrl_c_is_one_line(jaxq, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxq.cli.run.run_plan", interrupted)
    code, out, err = jaxq(*ENDLESS)
    assert code == 130 and out == "" and err == "error: interrupted; there is no result to save\n"
