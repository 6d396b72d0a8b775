"""Tests run with two CPU devices, so that sharding is on, but for those of `ONE_DEVICE`, and check the annotations of
numerical code."""

import contextlib
import gc
import os
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its threads spin where others wait for the cores

import jax
import pytest

import jaxq
from tests import annotations, compiled

annotations.install()
with compiled.sooner():
    jaxq.use_all_cores(2)


LONG = "test_notebooks.py", "experiments/", "systems/", "test_readme.py"
"""Files that take minutes: they begin first, so that no worker is left with one at the end."""


QUICK = (
    "analytic/",
    "laws/",
    "stats/",
    "plotting/",
    "engine/test_f",
    "test_checks.py",
    "test_layering.py",
    "test_unused.py",
)
"""Where nearly nothing is simulated; all else is marked slow, for ``-m "not slow"``."""


SHORT_RUNS = (
    "cli/test_data_files.py",
    "cli/test_exact_and_paths.py",
    "cli/test_own_system.py",
    "cli/test_plot.py",
    "cli/test_sweep_and_compare.py",
    "engine/test_check.py",
    "engine/test_checkpoint.py",
    "engine/test_customers.py",
    "engine/test_group_sums.py",
    "engine/test_indices.py",
    "engine/test_initial.py",
    "engine/test_kernel.py",
    "engine/test_merge.py",
    "engine/test_progress.py",
    "engine/test_quantiles.py",
    "engine/test_tabular.py",
    "engine/test_transitions.py",
    "test_mistakes.py",
)
"""Files whose runs are over sooner than they are compiled."""


ONE_DEVICE = (
    "experiments/",
    "systems/",
    "tuning/",
    "engine/test_check.py",
    "engine/test_controls.py",
    "engine/test_gradient",
    "engine/test_indices.py",
    "engine/test_quantiles.py",
    "engine/test_score.py",
    "test_docstrings.py",
    "test_notebooks.py",
    "test_readme.py",
    "test_tutorials.py",
)
"""Files that are not of how a run is shared out, which takes XLA a seventh of compiling; that every system is the same on
two devices is tested in engine/test_invariance.py, gradients are in engine/test_processes.py and test_group_sums.py."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Long files first; the order within a file, and of the others, is kept."""
    items.sort(key=lambda item: next((i for i, name in enumerate(LONG) if name in item.nodeid), len(LONG)))
    for item in items:
        if not any(name in item.nodeid for name in QUICK):
            item.add_marker("slow")


def pytest_collection_finish():
    """What is there now stays, and JAX makes and drops millions of small objects: collected less often, 6 % of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


@pytest.fixture(autouse=True, scope="module")
def short_runs(request):
    """The files of `SHORT_RUNS` are compiled quickly."""
    short = any(name in request.node.nodeid for name in SHORT_RUNS)
    with compiled.quickly() if short else contextlib.nullcontext():
        yield


@pytest.fixture(autouse=True, scope="module")
def one_device(request):
    """The runs of `ONE_DEVICE` are on the first device."""
    with pytest.MonkeyPatch.context() as patch:
        if any(name in request.node.nodeid for name in ONE_DEVICE):
            first = jax.local_devices()[:1]
            patch.setattr(jax, "local_devices", lambda: first)
            patch.setattr("jaxq.engine.devices._warned", True)
        yield


@pytest.fixture(autouse=True)
def annotations_checked(request):
    """Where wrong input is given on purpose, the sentences of `jaxq.checks` are tested instead."""
    names = request.function.__code__.co_names
    annotations.begin("raises" not in names or "TypeCheckError" in names)


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
