"""Every test runs with two CPU devices, so that sharding is always on."""

from typing import NamedTuple

import pytest

import jaxq

jaxq.use_all_cores(2)

LONG = ("tests/test_notebooks.py", "tests/test_readme.py", "tests/experiments/", "tests/systems/")
"""Files of long tests, which begin first in this order, or one of them ends alone."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: next((i for i, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))


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
