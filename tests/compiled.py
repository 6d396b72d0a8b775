"""Compiling in the least time, for tests whose runs are over sooner than they are compiled."""

import contextlib

import pytest


@contextlib.contextmanager
def quickly():
    """Loops are compiled as what runs once is, at the price of slower runs; such programs are not kept."""
    from jaxq.engine import compiling, program, real_clock

    caches = program.program, real_clock.sampler
    for kept in caches:
        kept.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in compiling.ONCE.items():
            patch.setitem(compiling.LOOPS, name, value)
        yield
    for kept in caches:
        kept.cache_clear()
