"""Several processes on 127.0.0.1 are one: bit for bit, interrupted, and after one of them was killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jaxq
from jaxq.engine.files import read_npz
from tests.compiled import quickly
from tests.engine.process_runs import GONE_ON, QUEUE, RUNS, counted, numbers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
THREE = "uneven", "few"
TWO = tuple(name for name in RUNS if name != "few")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def started(*commands, variables=None, folder=ROOT):
    """Processes of Python with these arguments, and more variables in the environment of each; none is left behind."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
    processes = [
        subprocess.Popen([sys.executable, *map(str, command)], **pipes, env={**environ, **more})
        for command, more in zip(commands, variables or [{}] * len(commands), strict=True)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ended(processes):
    """(exit code, stdout, stderr) of each."""
    said = [process.communicate(timeout=200) for process in processes]
    return [(process.returncode, *each) for process, each in zip(processes, said, strict=True)]


def command(count, number, port, *words):
    """The arguments of one of ``count`` processes of the command line."""
    at = ("--coordinator", f"127.0.0.1:{port}", "--processes", count, "--process-id", number)
    return ("-m", "jaxq", *words, *(at if count > 1 else ()), "--devices", 1)


@pytest.mark.parametrize(("count", "names"), [(2, TWO), (3, THREE)])
def test_several_processes_are_one(tmp_path, monkeypatch, count, names):
    """Quantiles go on from the checkpoint of a shorter run, which one process made."""
    monkeypatch.chdir(tmp_path)
    port, script = free_port(), HERE / "process_runs.py"
    files = [tmp_path / f"{number}.json" for number in range(count)]
    together = tmp_path / "together"
    together.mkdir()
    if "quantiles" in names:
        with quickly():
            counted(2000)
        shutil.copy(GONE_ON, together)
    commands = [(script, port, count, number, file, *names) for number, file in enumerate(files)]
    with started(*commands, folder=together) as processes:
        with quickly():
            alone = {name: numbers(RUNS[name]()) for name in names}
        outcomes = ended(processes)
    assert [code for code, *_ in outcomes] == [0] * count, outcomes
    for number, file in enumerate(files):
        found, place = json.loads(file.read_text())
        assert place == [number, count, number == 0]
        assert [name for name in names if found[name] != alone[name]] == []
    if "quantiles" in names:
        monkeypatch.chdir(together)
        assert numbers(counted(4000)) == alone["quantiles"]  # runs nothing: the file has all


LONG = ("run", "mmc", "--arrival-rate", 0.8, "--events", 2e7, "--warmup", 1000, "--replicas", 64)
LONG_RUN = {"events": 20_000_000, "warmup": 1000, "replicas": 64}


@pytest.fixture(scope="module")
def uninterrupted():
    return numbers(jaxq.simulate(QUEUE, **LONG_RUN))


def until(condition, processes):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline and all(p.poll() is None for p in processes), ended(processes)
        time.sleep(0.02)


def until_saved_twice(file, processes):
    """All processes know of the first save when the second one is written."""
    saves = set()

    def twice():
        if file.exists():
            saves.add(file.stat().st_mtime_ns)
        return len(saves) > 1

    until(twice, processes)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_ends_the_others(tmp_path, uninterrupted, killed):
    file, port = tmp_path / "run.npz", free_port()
    words = (*LONG, "--checkpoint", file, "--checkpoint-every", 0.1)
    with started(*[command(2, number, port, *words) for number in range(2)]) as processes:
        until_saved_twice(file, processes)
        processes[killed].kill()
        began = time.monotonic()
        code, out, err = ended([processes[1 - killed]])[0]
    assert time.monotonic() - began < 60
    assert (code, out) == (4, "") and len(err.splitlines()) == 1, err
    assert err.startswith(f"error: process {killed} of 2 has ended, or its connection was lost; {file} has the run of ")
    before = read_npz(file)
    blocks = int(before["0/blocks"])
    assert before["0/windows"].shape[-1] == 64 and blocks > 0
    found = jaxq.simulate(QUEUE, **LONG_RUN, checkpoint=file)
    assert numbers(found) == uninterrupted and int(read_npz(file)["0/blocks"]) > blocks


def test_sigterm_in_any_process_saves_all(tmp_path, uninterrupted):
    file, result, port = tmp_path / "run.npz", tmp_path / "result.json", free_port()
    words = (*LONG, "--checkpoint", file, "--checkpoint-every", 0.1, "--out", result)
    with started(*[command(2, number, port, *words) for number in range(2)]) as processes:
        until(file.exists, processes)
        processes[1].send_signal(signal.SIGTERM)
        outcomes = ended(processes)
    assert [code for code, *_ in outcomes] == [130, 130], outcomes
    found = jaxq.Result.load(result)
    assert found.flags == ("unfinished",) and found.run["processes"] == 2
    assert numbers(jaxq.simulate(QUEUE, **LONG_RUN, checkpoint=file)) == uninterrupted


def test_processes_that_are_asked_other_things_are_refused():
    port, words = free_port(), ("run", "mmc", "--arrival-rate", 0.8, "--events", 1000)
    with started(*[command(2, number, port, *words, "--seed", number) for number in range(2)]) as processes:
        outcomes = ended(processes)
    sentence = "error: processes: process 1 was asked with other seed than process 0; must be the same in all\n"
    assert outcomes == [(2, "", sentence)] * 2


@pytest.mark.parametrize(("count", "wrong"), [(2, 0), (3, 1)])
def test_a_process_whose_input_is_refused_ends_the_others_at_once(tmp_path, count, wrong):
    """The file that all run is missing on one machine: they waited for it for five minutes."""
    (tmp_path / "queue.toml").write_text('system = "mmc"\n[parameters]\narrival_rate = 0.8\n[run]\nevents = 1000\n')
    files = [tmp_path / ("nowhere.toml" if number == wrong else "queue.toml") for number in range(count)]
    port, began = free_port(), time.monotonic()
    with started(*[command(count, number, port, "run", file) for number, file in enumerate(files)]) as processes:
        outcomes = ended(processes)
    assert time.monotonic() - began < 60
    sentence = f"{files[wrong]}: No such file or directory\n"
    told = f"error: process {wrong} of {count} has ended: {sentence}"
    assert outcomes == [(2, "", f"error: {sentence}") if number == wrong else (4, "", told) for number in range(count)]
