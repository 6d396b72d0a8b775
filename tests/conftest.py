"""Every test runs with two CPU devices, so that sharding is always on."""

import atexit
import os
import shutil
import tempfile
from importlib.metadata import version
from typing import NamedTuple

import pytest


def compile_less() -> None:
    """Let workers, and processes that tests start, share one folder of compiled programs, and compile these faster.

    XLA's older emitter of fused loops compiles in .72 of the time (notebooks/architecture.md).
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="jaxq-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if version("jaxlib").startswith("0.10."):  # an unknown key aborts the process
        flags = os.environ.get("XLA_FLAGS", "")
        if "fusion_emitters" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false".strip()


compile_less()  # before JAX is imported

import jaxq  # noqa: E402

jaxq.use_all_cores(2)


LONG = "test_notebooks.py", "experiments/", "systems/", "test_readme.py"
"""Files that take minutes: they begin first, so that no worker is left with one at the end."""


QUICK = "analytic/", "laws/", "stats/", "plotting/", "engine/test_f", "test_checks.py", "test_layering.py"
"""Where nearly nothing is simulated; all else is marked slow, for ``-m "not slow"``."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Long files first; the order within a file, and of the others, is kept."""
    items.sort(key=lambda item: next((i for i, name in enumerate(LONG) if name in item.nodeid), len(LONG)))
    for item in items:
        if not any(name in item.nodeid for name in QUICK):
            item.add_marker("slow")


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(name="jaxq")
def command(capsys):
    """Call ``jaxq``, the command, in this process."""
    from jaxq.__main__ import main

    def call(*args: str) -> Outcome:
        code = main(list(args))
        return Outcome(code, *capsys.readouterr())

    return call
