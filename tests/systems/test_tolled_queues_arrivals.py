"""Arrival streams: their rates, their text, what is refused, and a trace followed by hand."""

from math import exp, factorial

import jax
import numpy as np
import pytest

import jaxq
from jaxq.systems.tolled_queues.arrivals import Modulated, Trace, parse_arrivals
from jaxq.systems.tolled_queues.model import TolledQueues
from tests.agreement import check_agreement

MODULATED = "modulated:2,0.5;-0.1,0.1;0.3,-0.3"
ALL = {"arrival_rates": 0.8, "rewards": 1e4, "tolls": 1.0}
"""Nobody balks."""


@pytest.mark.parametrize("text", ["poisson", "erlang:3", "deterministic", MODULATED, "trace:0.5,1.25,2"])
def test_a_stream_is_its_text(text):
    assert str(parse_arrivals(text)) == text


def test_exponential_gaps_are_poisson():
    assert str(parse_arrivals("exponential")) == "poisson"


@pytest.mark.parametrize("text", ["poisson", "gamma:0.5", MODULATED])
def test_customers_come_at_the_rate_asked_for(text):
    """All of them join, so that server 1 is busy for lambda/mu of the time."""
    result = jaxq.simulate(TolledQueues(**ALL, arrivals=text), replicas=256, events=60_000, warmup=20_000)
    check_agreement(result["utilisation_1"], 0.8, 6e-3)
    assert result["throughput"].mean == pytest.approx(0.8, rel=1e-6)


def test_customers_of_a_trace_come_at_the_rate_asked_for():
    result = jaxq.simulate(TolledQueues(**ALL, arrivals="trace:0.5,1.25,2,7"), replicas=64, events=20_000, warmup=2000)
    assert result["utilisation_1"].mean == pytest.approx(0.8, rel=1e-5)


def test_phases_that_do_not_differ_are_poisson():
    fields = {"arrival_rates": 0.9, "rewards": 10, "tolls": 4}
    same = TolledQueues(**fields, arrivals="modulated:3,3;-0.5,0.5;2,-2")
    result = jaxq.simulate(same, replicas=256, events=100_000, warmup=2000)
    # M/D/1 with room 5: T = rho G/(1 + rho G)
    g = sum(exp(-0.9 * (k - 5)) * (0.9 * (k - 5)) ** k / factorial(k) for k in range(6))
    check_agreement(result["throughput"], 0.9 * g / (1 + 0.9 * g), 1e-3)


def test_a_modulated_stream_starts_in_and_keeps_its_stationary_phases():
    stream = parse_arrivals("modulated:4,0,1;-2,1,1;0.5,-1,0.5;0,3,-3")
    assert isinstance(stream, Modulated)
    share = stream.phases()
    assert share @ np.array(stream.generator) == pytest.approx(0, abs=1e-12) and share.sum() == pytest.approx(1)
    words = np.random.default_rng(1).integers(0, 2**32, (1 << 16, 1), dtype=np.uint32)
    phases, customers = jax.vmap(stream.init)(tuple(words.T))
    found = np.bincount(phases, minlength=3) / phases.size
    assert np.all(np.abs(found - share) < 4.5 * np.sqrt(share * (1 - share) / phases.size))
    assert not customers.any()


def test_a_trace_is_followed_and_repeated():
    """Unit sizes, room for work 1 before joining: worked out here from every starting place, in float64."""
    times = np.array([0.25, 0.5, 0.75, 2.0, 2.25, 4.0, 4.5])
    gaps = np.diff(times, append=times[-1] + times[0])
    work, joins, laps = 0.0, 0, 40
    for k in range(laps * 7):
        if work + 1 <= 2:
            work, joins = work + 1, joins + (k >= 7 * 20)
        work = max(work - gaps[k % 7], 0.0)
    system = TolledQueues(7 / 4.5, 3.0, 1.0, 1.0, 1.0, arrivals=Trace(times))
    result = jaxq.simulate(system, replicas=64, events=7 * 2048, warmup=700)
    # a run ends inside a lap
    assert result["join_1"].mean == pytest.approx(joins / (7 * 20), abs=2e-3)
    assert 0 < joins < 7 * 20


def test_replicas_start_at_different_places_of_a_trace():
    trace = Trace(np.arange(1, 11))
    words = np.random.default_rng(2).integers(0, 2**32, (20_000, 1), dtype=np.uint32)
    counts = np.bincount(jax.vmap(trace.init)(tuple(words.T)), minlength=10)
    assert np.all(np.abs(counts - 2000) < 4.5 * np.sqrt(1800))


def test_a_trace_is_read_from_a_file(tmp_path):
    path = tmp_path / "arrivals.txt"
    path.write_text("# minutes\n0.5 1.25\n2, 7 # the last\n")
    trace = parse_arrivals(f"trace:{path}")
    assert isinstance(trace, Trace)
    assert trace.times == (0.5, 1.25, 2.0, 7.0) and str(trace) == f"trace:{path}" and trace.rate == 4 / 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trace:1,3,2", "trace with 2 after 3: times must be > 0 and increasing"),
        ("trace:1,1", "trace with 1 after 1: times must be"),
        ("trace:0,1", "trace with 0 first: times must be"),
        ("trace:1,nan", "times must be > 0 and increasing"),
        ("trace:no-such-file", "must be trace:FILE or trace:NUMBER,NUMBER"),
        ("trace:", "must be trace:FILE or|must have 1 to"),
        ("bursts", "arrivals = bursts: must be poisson, modulated"),
        ("erlang:0", "phases"),
        ("modulated:1;-1", "must have 2 to 8 phases"),
        ("modulated:1,2;-1,1", "the generator must have 2 rows of 2 rates"),
        ("modulated:1,-2;-1,1;1,-1", "rates must be >= 0"),
        ("modulated:0,0;-1,1;1,-1", "rates must be >= 0 and not all 0"),
        ("modulated:1,2;-1,2;1,-1", "with rows that sum to 0"),
        ("modulated:1,2;0,0;1,-1", "every phase must be reached"),
        ("modulated:1,x;-1,1;1,-1", "numbers with commas between"),
    ],
)
def test_what_is_not_allowed_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        TolledQueues(arrivals=text)
