"""A run derives everything once, and the contract stays small."""

import collections

import pytest

from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.process import Process
from jaxq.systems.parallel_servers.model import ParallelServers


@pytest.mark.parametrize(
    ("given", "points"),
    [
        (("run", "--policy", "shadow-rm"), 1),
        (("compare", "--policy", "shadow-rm,c-mu"), 2),
        (("sweep", "--policy", "shadow-rm", "--eta", "0.02,0.04"), 2),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_run_derives_everything_once(jaxq, monkeypatch, given, points):
    counts = collections.Counter()

    def counted(name):
        method = getattr(ParallelServers, name)

        def call(self):
            counts[name] += 1
            return method(self)

        return call

    for name in ("process", "oracle", "_check_load"):
        monkeypatch.setattr(ParallelServers, name, counted(name))
    verb, *fields = given
    outcome = jaxq(verb, "parallel-servers", *fields, "--replicas", "64", "--events", "300", "--json", "--quiet")
    assert outcome.code in (0, 3) and outcome.out
    assert counts == {name: points for name in ("process", "oracle", "_check_load")}


def members(kind: type) -> set[str]:
    """Public names that a class adds to those of its bases."""
    return {
        name for base in kind.__mro__ if base.__module__.startswith("jaxq.") for name in vars(base) if name[0] != "_"
    }


def test_the_contract_fits_on_a_page():
    assert len(members(Process)) <= 10
    assert len(members(MarkovProcess) - members(Process)) <= 11
    assert len(members(Model)) <= 11
    assert not members(Process) & members(Model)  # no name means two things
