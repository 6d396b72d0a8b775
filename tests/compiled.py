"""Compiling in less time, for tests that run their programs for less time than it takes to compile them."""

import contextlib
import os

import pytest

from jaxq.engine import compiling

FIRST = {**compiling.ONCE, "xla_backend_optimization_level": 1}
"""The first level of optimisation: compiled in two thirds of the time, and, unlike the least, hardly slower to run."""


def flags() -> str:
    """``XLA_FLAGS`` by which a process that begins compiles so."""
    asked = os.environ.get("XLA_FLAGS")
    own = (f"--{name}={str(value).lower()}" for name, value in FIRST.items())
    return " ".join([*own, *filter(None, [asked])])


@contextlib.contextmanager
def sooner():
    """JAX, which must begin here, compiles so. Commands that a test starts, `jaxq validate` and the main job do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", flags())
        yield


@contextlib.contextmanager
def quickly():
    """Loops are compiled as what runs once is, at the price of slower runs; such programs are not kept."""
    from jaxq.engine import program, real_clock

    caches = program.program, real_clock.sampler
    for kept in caches:
        kept.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in compiling.ONCE.items():
            patch.setitem(compiling.LOOPS, name, value)
        yield
    for kept in caches:
        kept.cache_clear()
