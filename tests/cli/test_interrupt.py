"""Ctrl-C, as a terminal sends it."""

import json
import signal
import subprocess
import sys

ENDLESS = ["run", "mmc", "--arrival-rate", "0.99", "--precision", "1e-6", "--warmup", "500", "--replicas", "64"]
MARKED = """
import sys
from jaxq.cli import plan
from jaxq.engine.progress import Silent
class Marked(Silent):
    def update(self, progress):
        print("running", file=sys.stderr, flush=True)
plan.make_meter = lambda quiet: Marked()
from jaxq.__main__ import main
sys.argv[1:] = {args}
sys.exit(main())
"""


def test_ctrl_c_in_the_middle_writes_what_there_is(tmp_path):
    path = tmp_path / "partial.json"
    code = MARKED.format(args=[*ENDLESS, "--json", "--out", str(path)])
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    data = json.loads(path.read_text())
    assert "unfinished" in data["flags"] and data["run"]["events"] > 0
    assert data["metrics"]["number_in_system"]["mean"] is not None
    assert json.loads(out) == data


def test_ctrl_c_before_the_first_launch_is_one_line():
    code = """
import os, signal, time
import jaxq.engine.stack as stack
from jaxq.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may have inherited none

def compile_and_be_interrupted(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)  # until it arrives

compile_and_be_interrupted.cache_info = stack.program.cache_info
stack.program = compile_and_be_interrupted
main(None)
"""
    done = subprocess.run([sys.executable, "-c", code, *ENDLESS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and done.stderr == "error: interrupted; there is no result to save\n"


def test_a_second_ctrl_c_is_one_line(jaxq, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxq.simulate", interrupted)
    code, out, err = jaxq(*ENDLESS)
    assert code == 130 and out == "" and err == "error: interrupted; there is no result to save\n"
