"""The host loop: what ends a run, what is flagged, interrupts, determinism, sweeps and paired comparisons."""

import json
import math
import os
import pickle
import signal

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import interrupt
from jaxq.engine.flags import Flag
from jaxq.engine.program import program
from jaxq.engine.progress import Silent

QUICK = {"events": 3000, "replicas": 64, "warmup": 0}


class Unchecked(jaxq.MMc):
    """M/M/c that is run whatever its load."""

    name = "unchecked"

    def stationarity(self):
        return jaxq.Stationarity()

    def oracle(self):
        return {"number_in_system": 3.0}


class Bounded(jaxq.JumpProcess):
    """M/M/1 whose representation ends at ``room``."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")
    room: int = jaxq.whole("most customers")

    def init(self, words):
        return 0

    def rates(self, state):
        return (self.arrival_rate, jnp.where(state > 0, 1.0, 0.0))

    def jump(self, state, k):
        return state + 1 if k == 0 else state - 1

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def observe(self, state):
        return {"number": state}

    def overflow(self, state):
        return state >= self.room


class Never(Bounded):
    """A metric that is 0/0."""

    def observe(self, state):
        return {"number": state, "nothing": 0 * state}

    def metrics(self, sums):
        return {"number": sums["number"] / sums.time, "share": sums["nothing"] / sums["nothing"]}


# --- flags ------------------------------------------------------------------------------------------------------------


def test_growth_withholds_the_means_and_gives_the_rate():
    result = jaxq.simulate(Unchecked(1.2), max_events=20_000_000, replicas=256)
    assert result.flags == ("unstable", "precision_not_reached")[: len(result.flags)]
    assert all(m.mean is None and m.half_width is None and m.z is None for m in result.metrics.values())
    growth = result.growth["number_in_system"]
    assert growth["half_width"] < 0.05 * 0.2, "no power"
    assert abs(growth["rate"] - 0.2) < 2.3 * growth["half_width"]
    assert "utilisation" not in result.growth
    assert not result.estimates


def test_growth_is_found_when_the_warmup_is_given():
    result = jaxq.simulate(Unchecked(1.2), events=30_000, replicas=128, warmup=1000)
    assert "unstable" in result.flags
    assert result["number_in_system"].mean is None


def test_a_run_too_short_for_its_load_is_undetermined():
    result = jaxq.simulate(jaxq.MMc(0.999), max_events=2_000_000, replicas=256)
    assert set(result.flags) & {"warmup_undetermined", "unstable"}
    assert result["number_in_system"].mean is None
    assert result["number_in_system"].oracle == pytest.approx(999)
    assert result.run["warmup"] is None


def test_a_slow_relaxation_is_not_called_growth():
    """M/M/1 at 0.98 relaxes in some 10,000 time units; the run is about as long."""
    result = jaxq.simulate(jaxq.MMc(0.98), max_events=5_000_000, replicas=256)
    assert "unstable" not in result.flags
    assert "warmup_undetermined" in result.flags


def test_more_events_than_allowed_is_truncated():
    result = jaxq.simulate(jaxq.MMc(0.5), events=1_000_000, max_events=1_000_000, replicas=64, warmup=0)
    assert result.flags == ("truncated",)
    assert result.run["events"] <= 1_000_000
    assert result["number_in_system"].mean == pytest.approx(1, abs=0.05)


def test_a_horizon_that_is_not_reached_is_truncated():
    result = jaxq.simulate(jaxq.MMc(0.5), horizon=1e6, max_events=1_000_000, replicas=64, warmup=0)
    assert result.flags == ("truncated",)


def test_a_horizon_is_truncated_also_before_the_first_look():
    """8192 replicas at the full block: one launch is one block, the first look comes after 32."""
    result = jaxq.simulate(jaxq.MMc(0.5), horizon=1e9, time_limit=1e-9, replicas=8192, warmup=0)
    assert result.run["time"] < 1e9
    assert result.flags == ("truncated",)


def test_a_time_limit_truncates():
    result = jaxq.simulate(jaxq.MMc(0.5), events=10**9, time_limit=1e-9, replicas=64, warmup=0, max_events=10**12)
    assert result.flags == ("truncated",)
    assert 0 < result.run["events"] < 10**9


def test_precision_that_is_not_reached():
    result = jaxq.simulate(jaxq.MMc(0.5), precision=1e-6, max_events=2_000_000, replicas=64)
    assert result.flags == ("precision_not_reached",)
    assert result["number_in_system"].mean is not None


@pytest.mark.parametrize("metric", ["number_in_system:0.02", "queue_length:0.01abs", "probability_wait:0.01"])
def test_precision_that_is_reached(metric):
    result = jaxq.simulate(jaxq.MMc(0.5), metric=metric, replicas=64)
    name, size = metric.split(":")
    allowed = float(size.removesuffix("abs")) * (1 if size.endswith("abs") else result[name].mean)
    assert result.flags == ()
    assert result[name].half_width <= allowed


def test_overflow_withholds():
    result = jaxq.simulate(Bounded(0.9, 8), **QUICK)
    assert result.flags == ("overflow",)
    assert result["number"].mean is None
    assert jaxq.simulate(Bounded(0.1, 50), **QUICK).flags == ()


def test_a_process_that_falls_without_end_is_no_stationary_one():
    class Falling(Bounded):
        signed = True

        def rates(self, state):
            return (self.arrival_rate, 1.0)

    result = jaxq.simulate(Falling(0.5, 10**6), events=10_000, replicas=128, warmup=1000)
    assert result.flags == ("unstable",)
    growth = result.growth["number"]
    assert growth["half_width"] < 0.05, "no power"
    assert abs(growth["rate"] + 0.5) < 2.3 * growth["half_width"]


def test_growth_ends_a_run():
    result = jaxq.simulate(Unchecked(1.2), replicas=128)
    assert result.flags == ("unstable",)
    assert result.run["events"] < 10**8
    stable, unstable = jaxq.sweep(Unchecked(0.75), {"arrival_rate": [0.75, 1.2]}, replicas=128)
    assert stable.flags == () and unstable.flags == ("unstable",)
    assert stable.run["events"] < 10**9


@pytest.mark.parametrize("replicas", [1, 2, 4, 16])
def test_few_replicas_show_growth_by_their_increments(replicas):
    result = jaxq.simulate(Unchecked(1.2), replicas=replicas, events=200_000)
    assert "unstable" in result.flags
    growth = result.growth["number_in_system"]
    assert growth["half_width"] < 0.05, "no power"
    assert abs(growth["rate"] - 0.2) < 2.3 * growth["half_width"]


def test_two_replicas_that_drift_apart_are_not_called_unstable():
    """The slopes of two are 5 standard errors from 0 in an eighth of all cases, by Student's law with one degree."""
    for seed in range(12):
        assert "unstable" not in jaxq.simulate(Unchecked(0.9), replicas=2, events=10_000, seed=seed).flags


@pytest.mark.parametrize(("events", "rate"), [(3000, 0.999), (10_000, 0.99)])
def test_events_bound_a_run_that_does_not_warm_up(events, rate):
    result = jaxq.simulate(jaxq.MMc(rate), events=events, replicas=256)
    assert result.flags == ("warmup_undetermined",)
    assert result.run["events"] <= 20 * events * 256 * 33 / 32


def test_events_that_are_too_few_go_on_until_warm():
    result = jaxq.simulate(jaxq.MMc(0.9), events=2000, replicas=64)
    assert result.flags == ()
    assert result.run["events_per_replica"] >= 18 * result.run["correlation"]
    assert result.run["warmup"] >= 1.5 * result.run["correlation"]


def test_what_was_never_seen_is_not_precise():
    system = jaxq.MMc(0.1, capacity=12)
    asked = jaxq.simulate(system, metric="probability_block:0.1", replicas=64, max_events=2_000_000)
    assert set(asked.flags) == {"precision_not_reached", "not_seen"}
    metric = asked["probability_block"]
    assert metric.mean == 0 and metric.half_width is None and abs(metric.z) < 0.1
    seen = asked.run["events_per_replica"] * 64 / system.scan.stride
    assert metric.upper == pytest.approx(3 / seen, rel=1e-9)
    assert jaxq.simulate(system, metric="probability_block:0.1abs", replicas=64).flags == ("not_seen",)
    assert asked["probability_abandon"].half_width == 0  # always 0: nobody abandons


def test_what_hardly_any_replica_saw_is_no_disagreement():
    """E idle_1 = 5.69e-6 comes in rare long visits; of the 64 replicas one saw an instant of it, the others nothing."""
    system = jaxq.ParallelServers("n", policy="priority-preemptive", priorities="1 > 2")
    found = jaxq.simulate(system, replicas=64, events=240_000, warmup=20_000, seed=1)
    idle = found["idle_1"]
    assert found.flags == () and idle.oracle == pytest.approx(5.692e-6, rel=1e-3)
    assert 0 < idle.mean < 1e-6 and abs(idle.z) < 1 and idle.half_width == pytest.approx(3 * idle.mean, rel=1e-3)


class Environment(jaxq.JumpProcess):
    """M/M/1 whose arrival rate depends on an environment that switches at ``rate``, between .3 and .8, half of the time."""

    rate: float = jaxq.positive("switching rate, 1/time")

    def init(self, words):
        return 0, 0

    def rates(self, state):
        n, busy = state
        return self.rate, jnp.where(busy > 0, 0.8, 0.3), jnp.where(n > 0, 1.0, 0.0)

    def jump(self, state, k):
        n, busy = state
        return [(n, 1 - busy), (n + 1, busy), (n - 1, busy)][k]

    def total_rate_bound(self):
        return self.rate + 1.8

    def observe(self, state):
        return {"number": state[0], "environment": state[1]}


def test_a_transition_that_hardly_happens_is_flagged():
    short = jaxq.simulate(Environment(1e-7), replicas=64, events=20_000)
    assert set(short.flags) >= {"rare_transition"}
    long = jaxq.simulate(Environment(1e-3), replicas=256, precision=0.05)
    assert long.flags == ()
    metric = long["environment"]
    assert metric.half_width < 0.03, "no power"
    assert abs(metric.mean - 0.5) < 2 * metric.half_width


def test_a_difference_of_long_sums_is_not_taken_for_evidence():
    """Number less queue in overload: 100 less 90 in float32, all servers busy all the time."""
    result = jaxq.simulate(jaxq.MMc(20.0, 1.0, 10, abandonment_rate=0.1), replicas=64, precision=0.01)
    assert result["utilisation"].mean == pytest.approx(1, abs=1e-6)
    assert abs(result["utilisation"].z) < 2
    assert result.flags == ()


def test_a_mean_that_disagrees_with_its_exact_value_is_flagged():
    class Wrong(Unchecked):
        def oracle(self):
            return {"number_in_system": 4.2}

    result = jaxq.simulate(Wrong(0.8), precision=0.01, replicas=256)
    assert result.flags == ("disagrees",)
    assert result["number_in_system"].z < -5


def test_one_replica_that_is_too_short_has_no_interval():
    result = jaxq.simulate(jaxq.MMc(0.9), replicas=1, events=2000, warmup=2000)
    assert result.flags == ("no_interval",)
    assert result["number_in_system"].half_width is None and result["number_in_system"].mean is not None


@pytest.mark.parametrize("replicas", [1, 2, 4, 16])
def test_few_replicas_run_until_their_batches_are_long(replicas):
    result = jaxq.simulate(jaxq.MMc(0.9), replicas=replicas, events=100_000 // replicas)
    assert result.flags == ()
    samples = result.estimates["number_in_system"].residuals.size
    assert samples >= 40
    assert result.run["events_per_replica"] * replicas / samples >= 9 * result.run["correlation"]


def test_a_long_run_says_where_it_is(capsys):
    from jaxq.engine.progress import Patient, Progress

    meter = Patient()
    meter.start("3 points")
    for seconds in (1.0, 9.9, 10.5, 11.0, 19.0, 21.0, 30.0):
        meter.update(Progress(10**9, seconds, "queue 1 +- .1"))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2].split(" s,")[0] for line in lines] == ["10", "21"]
    assert lines[0].endswith("waiting for queue 1 +- .1")


def test_a_ratio_of_nothing_to_nothing_has_no_mean():
    result = jaxq.simulate(Never(0.5, 1000), **QUICK)
    assert result["share"].mean is None and result["share"].upper == math.inf
    assert result["number"].mean == pytest.approx(1.0, abs=0.2)
    asked = jaxq.simulate(Never(0.5, 1000), metric="share:0.1", max_events=10**6, replicas=64)
    assert set(asked.flags) == {"precision_not_reached", "not_seen"}


def test_a_ratio_to_what_was_never_seen_is_not_seen():
    """A toll above every reward: nobody joins, and the sojourn time of those who do is 0/0."""
    system = jaxq.TolledQueues(arrival_rates=[0.4, 0.5], rewards=[12.0, 4.0], waiting_costs=[2.0, 0.3], tolls=[5.0])
    result = jaxq.simulate(system, **QUICK)
    assert result.flags == () and result["sojourn_time_1"].mean > 0 and result["join_2"].mean == 0
    metric = result["sojourn_time_2"]
    assert metric.mean is None and metric.half_width is None and metric.z is None and metric.upper == math.inf
    asked = jaxq.simulate(system, metric="sojourn_time_2:0.1", replicas=64, max_events=10**6)
    assert set(asked.flags) == {"precision_not_reached", "not_seen"}


def test_every_flag_has_a_meaning():
    assert len(set(Flag)) == len({flag.meaning for flag in Flag}) and all(flag.meaning for flag in Flag)
    assert {flag for flag in Flag if flag.withholds} == {
        flag for flag in Flag if "; means are withheld" in flag.meaning
    } | {"unstable"}


def test_a_flag_is_its_name():
    for flag in Flag:
        assert repr(flag) == repr(str(flag)) and json.loads(json.dumps(flag)) == flag == Flag(str(flag))
        assert pickle.loads(pickle.dumps(flag)) is flag


# --- interrupts -------------------------------------------------------------------------------------------------------


class Interrupting(Silent):
    """Sends SIGINT to this very process when the ``at``-th launches have ended; keeps what it was told."""

    def __init__(self, *at):
        self.at, self.seen, self.log = at, 0, []

    def start(self, description):
        self.log.append(description)

    def update(self, progress):
        self.seen += 1
        self.last = progress
        for at in self.at:
            if at == self.seen:
                os.kill(os.getpid(), signal.SIGINT)

    def close(self):
        self.log.append("closed")


ENDLESS = {"precision": 1e-9, "replicas": 64, "max_events": 10**12}


@pytest.fixture(autouse=True)
def first_signal():
    """Signals of an earlier test are long past."""
    interrupt.forget()


def test_the_first_interrupt_returns_what_is_there():
    before = signal.getsignal(signal.SIGINT)
    meter = Interrupting(2)
    result = jaxq.simulate(jaxq.MMc(0.5), meter=meter, **ENDLESS)
    assert "unfinished" in result.flags
    assert meter.seen == 2 and meter.log[-1] == "closed"
    assert result.run["events"] == meter.last.events
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_marks_a_run_that_just_ended():
    result = jaxq.simulate(jaxq.MMc(0.5), meter=Interrupting(1), **QUICK)
    assert result.flags == ("unfinished",)
    assert result["number_in_system"].mean == pytest.approx(1, abs=0.2)


def test_a_second_interrupt_at_once_changes_nothing():
    result = jaxq.simulate(jaxq.MMc(0.5), meter=Interrupting(2, 2), **ENDLESS)
    assert "unfinished" in result.flags


def test_a_later_second_interrupt_raises(monkeypatch):
    monkeypatch.setattr(interrupt, "PATIENCE", 0.0)
    before = signal.getsignal(signal.SIGINT)
    meter = Interrupting(2, 2)
    with pytest.raises(KeyboardInterrupt):
        jaxq.simulate(jaxq.MMc(0.5), meter=meter, **ENDLESS)
    assert meter.log[-1] == "closed"
    assert signal.getsignal(signal.SIGINT) is before


def test_the_meter_hears_of_points_replicas_and_events():
    meter = Interrupting()
    jaxq.sweep(jaxq.MMc(0.5), {"arrival_rate": [0.2, 0.5]}, meter=meter, **QUICK)
    assert meter.log[0].startswith("2 point(s) x 64 replicas on 2 cpu device(s)")
    assert meter.last.events >= 2 * 64 * 3000
    assert meter.last.seconds > 0


# --- lengths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [1, 3000, 20_000])
def test_events_are_rounded_up_by_little(events):
    result = jaxq.simulate(jaxq.MMc(0.5), events=events, replicas=64, warmup=0)
    assert events <= result.run["events_per_replica"] <= max(events * 33 / 32, 3)
    assert result.run["events"] == 64 * result.run["events_per_replica"]


def test_events_come_after_the_warmup():
    given = jaxq.simulate(jaxq.MMc(0.5), events=20_000, replicas=64, warmup=5000)
    assert given.run["warmup"] >= 5000
    assert given.run["events_per_replica"] >= 20_000
    found = jaxq.simulate(jaxq.MMc(0.9), events=20_000, replicas=64)
    assert found.run["events_per_replica"] >= 20_000
    assert found.run["events"] == 64 * (found.run["warmup"] + found.run["events_per_replica"])


@pytest.mark.parametrize("system", [jaxq.MMc(0.5), jaxq.MG1(0.7)], ids=["chain", "customers"])
def test_a_horizon_is_reached_in_model_time(system):
    result = jaxq.simulate(system, horizon=200_000.0, replicas=64)
    assert not result.flags
    assert 200_000 <= result.run["time"] < 400_000


# --- determinism and common random numbers ----------------------------------------------------------------------------


def means(result):
    return {name: (m.mean, m.half_width) for name, m in result.metrics.items()}


@pytest.mark.parametrize("system", [jaxq.MMc(0.8), jaxq.MG1(0.7)])
def test_the_same_seed_gives_the_same_numbers(system):
    one = jaxq.simulate(system, replicas=64, precision=0.05, seed=3)
    assert means(one) == means(jaxq.simulate(system, replicas=64, precision=0.05, seed=3))
    other = jaxq.simulate(system, replicas=64, precision=0.05, seed=4)
    assert all(means(one)[name] != means(other)[name] for name in one.metrics if means(one)[name][1] != 0)


def test_seeds_beyond_32_bits_differ():
    assert means(jaxq.simulate(jaxq.MMc(0.8), seed=1, **QUICK)) != means(
        jaxq.simulate(jaxq.MMc(0.8), seed=1 + 2**32, **QUICK)
    )


def test_paired_differences_are_narrow():
    systems = [jaxq.MMc(8.0, 1.0, n) for n in (10, 11)]
    results = jaxq.compare(systems, events=20_000, replicas=128)
    row = next(d for d in results.differences if d["metric"] == "number_in_system")
    one, other = (r["number_in_system"] for r in results)
    assert (row["system"], row["minus"]) == ("servers=11", "servers=10")
    assert row["mean"] == pytest.approx(other.mean - one.mean, abs=1e-12)
    assert row["half_width"] < 0.6 * np.hypot(one.half_width, other.half_width)
    exact = systems[1].oracle()["number_in_system"].value - systems[0].oracle()["number_in_system"].value
    assert row["half_width"] < 0.1 * abs(exact), "no power"
    assert abs(row["mean"] - exact) < 2.3 * row["half_width"]


def test_paired_differences_are_those_of_the_replicas():
    results = jaxq.compare([jaxq.MMc(0.5), jaxq.MMc(0.6)], **QUICK)
    alone = [jaxq.simulate(jaxq.MMc(rate), **QUICK) for rate in (0.5, 0.6)]
    values = [r.replica_values()["number_in_system"] for r in alone]
    row = next(d for d in results.differences if d["metric"] == "number_in_system")
    difference = values[1] - values[0]
    assert row["mean"] == pytest.approx(difference.mean(), rel=1e-9)
    from jaxq.stats.intervals import two_sided_quantile

    by_hand = two_sided_quantile(difference - difference.mean(), 0.95, 63) * difference.std(ddof=1) / 8
    assert row["half_width"] == pytest.approx(by_hand, rel=1e-9)


def test_a_system_compared_with_itself_differs_by_nothing():
    results = jaxq.compare([jaxq.MMc(0.8), jaxq.MMc(0.8)], **QUICK)
    assert all(d["mean"] == 0 and d["half_width"] == 0 for d in results.differences)
    assert len(results.differences) == len(results[0].metrics)


def test_capacity_that_is_never_reached_changes_no_path():
    """Another structure, another program, the same words: the paths are the same."""
    results = jaxq.compare([jaxq.MMc(0.3), jaxq.MMc(0.3, capacity=1000)], **QUICK)
    assert all(d["mean"] == 0 for d in results.differences if d["metric"] == "number_in_system")


def test_classes_of_different_structure_are_compared():
    before = program.cache_info().misses
    results = jaxq.compare([jaxq.MMc(0.5), jaxq.MG1(0.5, 1.0, "deterministic")], events=20_000, replicas=64)
    assert program.cache_info().misses <= before + 2
    assert [r.system for r in results] == ["mmc", "mg1"]
    row = next(d for d in results.differences if d["metric"] == "waiting_time")
    assert row["half_width"] < 0.1, "no power"
    assert abs(row["mean"] - (0.5 - 1.0)) < 2.3 * row["half_width"]
    assert {d["metric"] for d in results.differences} == {"waiting_time", "queue_length", "probability_wait"}


def test_order_is_kept_across_structures():
    systems = [jaxq.MMc(0.5), jaxq.MMc(0.5, abandonment_rate=1.0), jaxq.MMc(0.6), jaxq.MMc(0.5, capacity=3)]
    results = jaxq.compare(systems, **QUICK)
    for system, result in zip(systems, results, strict=True):
        assert means(result) == means(jaxq.simulate(system, **QUICK))


def test_a_paired_comparison_needs_replicas():
    """Batch means of two runs may be cut into different windows: pairing them would be no pairing."""
    with pytest.raises(ValueError, match="replicas = 29: a paired comparison needs at least 30"):
        jaxq.compare([jaxq.MMc(0.2), jaxq.MG1(0.5)], events=2000, replicas=29)


def test_few_replicas_use_batch_means():
    result = jaxq.simulate(jaxq.MMc(0.5), events=50_000, replicas=4)
    assert result.run["method"] == "batch-means"
    assert result.estimates["number_in_system"].residuals.size == 40
    metric = result["number_in_system"]
    assert metric.half_width < 0.1, "no power"
    assert abs(metric.mean - 1) < 4.5 * metric.standard_error


# --- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_over_structures_runs():
    results = jaxq.sweep(jaxq.MMc(0.5), {"servers": [1, 2], "capacity": [3, None]}, **QUICK)
    assert [r.point for r in results] == [{"servers": s, "capacity": c} for s in (1, 2) for c in (3, None)]
    assert ["probability_block" in r.metrics for r in results] == [True, False, True, False]


def test_a_point_that_is_infeasible_does_not_refuse_the_others():
    results = jaxq.sweep(jaxq.MMc(95.0, 1.0, 100), {"servers": [94, 95, 100, 105]}, events=20_000, replicas=32)
    assert [r.flags for r in results][:2] == [("infeasible",)] * 2
    assert [r.point["servers"] for r in results] == [94, 95, 100, 105]
    assert all(m.mean is None for r in results[:2] for m in r.metrics.values())
    assert results[0].run["reason"].startswith("arrival_rate = 95: must be < servers x service_rate = 94")
    assert results[3].flags == () and results[3]["number_in_system"].mean > 95
    assert "infeasible" in str(results) and results.to_dict()["results"][0]["flags"] == ["infeasible"]
    assert jaxq.plot(results).get_title(loc="left") == "flags: infeasible"
    with pytest.raises(ValueError, match="arrival_rate = 95: must be <"):
        jaxq.sweep(jaxq.MMc(95.0, 1.0, 100), {"servers": [94, 95]})
    with pytest.raises(ValueError, match="servers = 0: must be a whole number >= 1"):
        jaxq.sweep(jaxq.MMc(95.0, 1.0, 100), {"servers": [0, 100]})


def test_fields_that_do_not_go_together_make_a_point_infeasible():
    results = jaxq.sweep(jaxq.MMc(0.5, capacity=3), {"servers": [2, 4]}, **QUICK)
    assert [r.flags for r in results] == [(), ("infeasible",)]
    assert results[1].run["reason"] == "capacity = 3: must be >= servers = 4"


def test_quantiles_of_a_sweep_are_those_of_its_points():
    options = {"events": 3000, "replicas": 64, "warmup": 0, "quantiles": "number_in_system:0.5,0.9,0.99"}
    rates = [0.2, 0.5, 0.9]
    for result in jaxq.sweep(jaxq.MMc(0.5), {"arrival_rate": rates}, **options):
        alone = jaxq.simulate(jaxq.MMc(result.point["arrival_rate"]), **options)
        for p, row in alone["number_in_system"].quantiles.items():
            assert result["number_in_system"].quantiles[p]["value"] == pytest.approx(row["value"], rel=1e-6)
        assert result.histograms["number_in_system"]["probability"] == pytest.approx(
            alone.histograms["number_in_system"]["probability"], rel=1e-6
        )


def test_quantiles_do_not_depend_on_the_batch():
    options = {"events": 3000, "replicas": 99, "warmup": 0, "quantiles": "number_in_system"}
    whole = jaxq.simulate(jaxq.MMc(0.9), **options).histograms["number_in_system"]
    parts = jaxq.simulate(jaxq.MMc(0.9), batch=33, **options).histograms["number_in_system"]
    assert parts["left"] == whole["left"]
    assert parts["probability"] == pytest.approx(whole["probability"], rel=1e-6)


def test_metrics_that_are_more_than_arithmetic_are_looked_at_window_by_window():
    """All windows at once would be an array where this expects a number, or would take a maximum over all of them."""
    from tests.own_systems import Station

    def value_of(x):
        return getattr(x, "value", x)

    class Capped(Station):
        def metrics(self, sums):
            found = super().metrics(sums)
            return found | {"capped": found["number"] * min(float(value_of(found["number"])), 0.5)}

    class Largest(Station):
        def metrics(self, sums):
            found = super().metrics(sums)
            return found | {"share": found["number"] / np.max(np.abs(value_of(found["number"])))}

    plain = jaxq.simulate(Station(), events=2000, replicas=64)
    for system in (Capped(), Largest()):
        found = jaxq.simulate(system, events=2000, replicas=64)
        assert found["number"] == plain["number"] and found.run["warmup"] == plain.run["warmup"]
    assert found["share"].mean == pytest.approx(1.0)


def test_systems_of_several_kinds_have_a_label_each():
    """What one class alone has was a KeyError after the run; two systems of one rate had one label."""
    kinds = [jaxq.MMc(0.5), jaxq.MG1(0.6), jaxq.MMc(0.5, servers=2), jaxq.GG1(0.6)]
    results = jaxq.compare(kinds, **QUICK)
    assert results[1].point == {"arrival_rate": 0.6} and results[2].point == {"arrival_rate": 0.5, "servers": 2}
    labels = ["mg1 arrival_rate=0.6", "mmc arrival_rate=0.5 servers=2", "gg1 arrival_rate=0.6"]
    rows = [row for row in results.differences if row["metric"] == "waiting_time"]
    assert [row["system"] for row in rows] == labels and {row["minus"] for row in rows} == {
        "mmc arrival_rate=0.5 servers=1"
    }
    for row, result in zip(rows, results[1:], strict=True):
        told = result["waiting_time"].mean - results[0]["waiting_time"].mean
        assert row["mean"] == pytest.approx(told, rel=1e-9)
    same = jaxq.compare([jaxq.MMc(0.5), jaxq.MMc(0.6), jaxq.MMc(0.6)], **QUICK)
    assert [row["system"] for row in same.differences if row["metric"] == "waiting_time"] == [
        "arrival_rate=0.6 2",
        "arrival_rate=0.6 3",
    ]


class Told(jaxq.MMc):
    """M/M/1 of load 1/2 with a mean that is told."""

    mean: float = jaxq.real("what its mean should be", default=1.0)

    def oracle(self):
        return {"number_in_system": self.mean}


def test_a_sweep_disagrees_by_chance_as_rarely_as_a_run():
    """Each point of a sweep was judged as if it were alone."""
    options = {"events": 300, "replicas": 64, "warmup": 0}
    alone = jaxq.simulate(Told(0.5), **options)["number_in_system"]
    far = alone.mean + 5 * alone.standard_error
    assert jaxq.simulate(Told(0.5, mean=far), **options).flags == ("disagrees",)
    assert jaxq.sweep(Told(0.5), {"mean": [far] + 149 * [alone.mean]}, **options).flags == ()
    assert jaxq.sweep(Told(0.5), {"mean": [far + 5 * alone.standard_error] + 149 * [alone.mean]}, **options)[
        0
    ].flags == ("disagrees",)
