"""Every test runs with two CPU devices, so that sharding is always on."""

from typing import NamedTuple

import pytest

import jaxq

jaxq.use_all_cores(2)


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
