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


@pytest.mark.parametrize("text", ["poisson", "weibull:1.5", MODULATED])
def test_customers_come_at_the_rate_asked_for(text):
    """All of them join, so that server 1 is busy for lambda/mu of the time."""
    result = jaxq.simulate(TolledQueues(**ALL, arrivals=text), replicas=256, events=60_000, warmup=20_000)
    check_agreement(result["utilisation_1"], 0.8, 6e-3)
    assert result["throughput"].mean == pytest.approx(0.8, rel=1e-6)


def test_customers_of_a_trace_come_at_the_rate_asked_for():
    """Work by customer times the rate: the end of the window cuts a cycle, which is off by a part of one customer in n."""
    result = jaxq.simulate(TolledQueues(**ALL, arrivals="trace:0.5,1.25,2,7"), replicas=64, events=40_000, warmup=2000)
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
    times = 1.7e9 + np.array([0.0, 0.25, 0.5, 0.75, 2.0, 2.0, 4.0, 4.5])  # two come together
    gaps = np.array([0.25, 0.25, 0.25, 1.25, 0.0, 2.0, 0.5])
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
    trace = Trace(np.arange(11))
    words = np.random.default_rng(2).integers(0, 2**32, (20_000, 1), dtype=np.uint32)
    counts = np.bincount(jax.vmap(trace.init)(tuple(words.T)), minlength=10)
    assert np.all(np.abs(counts - 2000) < 4.5 * np.sqrt(1800))


def test_a_trace_is_read_from_a_file(tmp_path):
    path = tmp_path / "arrivals.txt"
    path.write_text("# minutes\n0.5\n1.25\n2\n\n7 # the last\n")
    trace = parse_arrivals(f"trace:{path}")
    assert isinstance(trace, Trace)
    assert trace.times == (0.5, 1.25, 2.0, 7.0) and str(trace) == f"trace:{path}" and trace.rate == 3 / 6.5


def test_a_trace_is_a_column_of_a_table(tmp_path):
    """Seconds since 1970, of which float32 knows one in 128: gaps keep their digits."""
    path = tmp_path / "calls.csv"
    path.write_text("id,time\n1,1700000000\n2,1700000000\n3,1700000001.5\n4,1700000004\n")
    trace = parse_arrivals(f"trace:{path}#time")
    assert (
        isinstance(trace, Trace)
        and str(trace) == f"trace:{path}#time"
        and trace == jaxq.Trace(trace.times, trace.source)
    )
    assert trace.rate == 3 / 4
    gaps = [float(trace.next(np.int32(i), ())[0]) / trace.rate for i in range(3)]
    assert gaps == pytest.approx([0, 1.5, 2.5], rel=1e-6)
    assert [int(trace.next(np.int32(i), ())[1]) for i in range(3)] == [1, 2, 0]


def test_a_column_of_times_that_is_no_trace(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("id;time;when\n1;5.5;2024-01-01 08:00\n2;5.25;2024-01-01 08:01\n")
    for column, words in {
        "time": "line 3 has 5.25: must be >= 5.5, the time before",
        "when": "line 2 has 2024-01-01 08:00: must be a finite number such as 1.5 (dates,",
    }.items():
        with pytest.raises(ValueError) as error:
            parse_arrivals(f"trace:{path}#{column}")
        assert f"arrivals = trace:{path}#{column}: {words}" in str(error.value)
    with pytest.raises(ValueError, match="the file has the columns id, time, when: must be FILE#COLUMN"):
        parse_arrivals(f"trace:{path}")


def test_only_the_gaps_of_a_trace_count():
    laps = [
        jaxq.simulate(
            TolledQueues(**ALL, arrivals=Trace(start + np.array([0, 1, 1, 7, 8.5]))),
            replicas=32,
            events=2000,
            warmup=200,
        )
        for start in (-5.0, 28800.0)
    ]
    assert laps[0]["waiting_time"].mean == laps[1]["waiting_time"].mean > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trace:1,3,2", "trace with 2 after 3: times must not decrease"),
        ("trace:1,1", "trace from 1 to 1: must last a time > 0"),
        ("trace:7", "trace of 1 times: must have 2 to"),
        ("trace:1,nan", "trace with nan: times must be finite numbers"),
        ("trace:no-such-file", r"must be trace:FILE\[#COLUMN\] or trace:NUMBER,NUMBER \(No such file"),
        ("trace:", r"must be trace:FILE\[#COLUMN\] or"),
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


@pytest.mark.parametrize("information", ["workload", "workload-only"])
def test_a_customer_of_size_zero_joins_and_pays(information):
    """Half of the sizes are 0, nobody balks: M/G/1, with a mean wait lambda E S^2 / (2 (1 - rho)) = .8 x 2 / .4 = 4."""
    system = TolledQueues(**ALL, size_law="empirical:0,2", information=information)
    result = jaxq.simulate(system, replicas=256, events=30_000, warmup=4000)
    assert result["join_1"].mean == 1.0 and result["throughput"].mean == pytest.approx(0.8, rel=1e-6)
    assert result["revenue"].mean == pytest.approx(0.8, rel=1e-6)
    check_agreement(result["waiting_time"], 4.0, 0.02)


def test_equal_times_of_a_trace_are_seen_one_after_the_other():
    """Pairs every 4, unit sizes, room for work 1.5: of each pair the second finds work 1 and balks."""
    system = TolledQueues(0.5, 2.5, 1.0, 1.0, 1.0, arrivals="trace:10,10,14,14,18")
    assert system.arrivals.rate == 0.5
    result = jaxq.simulate(system, replicas=32, events=4000, warmup=400)
    assert result["join_1"].mean == pytest.approx(0.5, abs=1e-3)


def wait_of_who_joins(gaps, size, most):
    """Mean wait of those who join, in minutes, where one who finds work w joins if ``most(w)``; by iteration."""
    law = np.eye(1, 30)[0]
    for _ in range(600):
        moved = np.zeros_like(law)
        for w, p in enumerate(law):
            for gap in gaps:
                moved[max(w + size * most(w) - gap, 0)] += p / len(gaps)
        law = moved
    joins = law * [most(w) for w in range(len(law))]
    return joins @ np.arange(len(law)) / joins.sum()


@pytest.mark.parametrize(("rule", "information"), [("weak", "workload"), ("strict", "workload"), ("strict", "lengths")])
def test_whole_minutes_decide_and_not_rounding(rule, information):
    """Gaps of 2, 7 and 4 minutes, services of 7: work of 14 minutes leaves a utility of exactly 0. As float32 rounds tenths
    of a minute, the strict rule let those in."""
    minute, limit = 0.1, 14 if rule == "weak" else 13
    found = jaxq.simulate(
        jaxq.TolledQueues(
            arrival_rates=3 / 13 / minute,
            rewards=23 * minute,
            waiting_costs=1.0,
            tolls=2 * minute,
            mean_sizes=7 * minute,
            arrivals="empirical:2,7,4",
            information=information,
            rule=rule,
        ),
        replicas=64,
        events=2000,
        warmup=500,
    )
    exact = wait_of_who_joins([2, 7, 4], 7, lambda w: w <= (7 if information == "lengths" else limit))
    check_agreement(found["waiting_time"], minute * exact, 0.01)
