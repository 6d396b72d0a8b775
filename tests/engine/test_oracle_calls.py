"""An oracle may take long: it is asked for once, where its values are shown."""

import pytest

import jaxq
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


def test_what_shows_no_oracle_asks_for_none(asked):
    check_model(jaxq.MMc(0.5), Options(**RUN))
    assert asked == []


def test_bad_input_is_refused_without_compiling(asked):
    with pytest.raises(ValueError, match="metric = jobs"):
        jaxq.simulate(jaxq.MMc(0.5), metric="jobs", **RUN)
