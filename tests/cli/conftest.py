"""Options of short runs of the command line."""

import pytest

SHORT = ["--replicas", "64", "--events", "2e3", "--warmup", "500"]
"""Options of a run that compiles once and takes no time."""


@pytest.fixture
def short():
    """`SHORT`."""
    return SHORT
