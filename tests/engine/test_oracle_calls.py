"""What takes long is asked for once: an oracle, where its values are shown, and what a process adds up."""

import pytest

import jaxq
from jaxq.engine import outline
from jaxq.engine.options import Options
from jaxq.engine.plan import check_model

RUN = {"replicas": 32, "events": 500, "warmup": 100}


@pytest.fixture
def asked(monkeypatch):
    calls = []
    oracle = jaxq.MMc.oracle
    monkeypatch.setattr(jaxq.MMc, "oracle", lambda self: calls.append(float(self.arrival_rate)) or oracle(self))
    return calls


def test_a_run_asks_once_for_each_point(asked):
    jaxq.simulate(jaxq.MMc(0.5), **RUN)
    assert asked == [0.5]
    asked.clear()
    jaxq.sweep(jaxq.MMc(0.5), {"arrival_rate": [0.3, 0.4]}, **RUN)
    assert asked == [0.3, 0.4]


def test_the_sums_of_a_process_are_found_once(monkeypatch):
    calls = []
    shapes = outline._shapes
    outline._outline.cache_clear()
    monkeypatch.setattr(outline, "_shapes", lambda *args: calls.append(args) or shapes(*args))
    system = jaxq.MMc(0.5)
    jaxq.sweep(system, {"arrival_rate": [0.3, 0.4]}, **RUN)
    assert len(calls) == 1
    jaxq.simulate(system.replace(arrival_rate=0.2), **RUN)
    assert len(calls) == 1


def test_what_shows_no_oracle_asks_for_none(asked):
    check_model(jaxq.MMc(0.5), Options(**RUN))
    assert asked == []


def test_bad_input_is_refused_without_compiling(asked):
    with pytest.raises(ValueError, match="metric = jobs"):
        jaxq.simulate(jaxq.MMc(0.5), metric="jobs", **RUN)
