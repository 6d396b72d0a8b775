"""How the tests call the command line: in this process, or as a user's shell does."""

import subprocess
import sys
from typing import NamedTuple

import pytest

from jaxq.__main__ import main

SHORT = ["--replicas", "64", "--events", "2e3", "--warmup", "500"]
"""Options of a run that compiles once and takes no time."""


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def jaxq(capsys):
    """Call ``jaxq`` in this process."""

    def call(*args: str) -> Outcome:
        code = main(list(args))
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def shell():
    """Call ``jaxq`` in a process of its own."""

    def call(*args: str) -> Outcome:
        done = subprocess.run([sys.executable, "-m", "jaxq", *args], capture_output=True, text=True, timeout=120)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def short():
    """`SHORT`."""
    return SHORT
