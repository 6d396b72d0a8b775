"""Fields that change on the way: `paths(..., schedule=..., period=...)`."""

import numpy as np
import pytest
from scipy.linalg import expm

import jaxq
from jaxq.engine.real_clock import CHUNK
from jaxq.engine.schedule import read_schedule, schedule_texts
from tests.systems_under_test import SMALL, TOLLS, TWO_SPEEDS

DAY = {"arrival_rate": {8: 12, 18: 6}, "servers": {0: 6, 8: 14, 18: 8}}
STATION = jaxq.MMc(arrival_rate=4, servers=6)


class Ward(jaxq.JumpProcess):
    """Patients who arrive and leave by themselves, M/M/infinity: no bound, so that the chain is embedded."""

    admission_rate: float = jaxq.nonnegative("1/time")
    discharge_rate: float = jaxq.positive("1/time")
    beds: int = jaxq.whole("beds that are counted", default=5, low=0)

    def init(self, words):
        return 3

    def rates(self, state):
        return self.admission_rate, self.discharge_rate * state

    def jump(self, state, k):
        return [state + 1, state - 1][k]

    def observe(self, state):
        return {"patients": state, "full": state >= self.beds}


def generator(arrival_rate, servers, most):
    """Of M/M/c with service rate 1 and room for ``most``, written down here."""
    up, down = np.diag(np.full(most, float(arrival_rate)), 1), np.diag(np.minimum(np.arange(1, most + 1), servers), -1)
    rates = up + down
    return rates - np.diag(rates.sum(axis=1))


def z_scores(found, name, exact, replicas):
    """Of the means at times > 0, with standard errors from the half-widths."""
    error = found.half_width[name] / 1.96
    assert found.flags == () and (error[1:] < 0.02 * np.max(exact)).all()
    return (found.mean[name] - exact)[1:] / error[1:]


def test_a_day_with_shifts_has_the_means_of_the_forward_equations():
    hours = np.arange(0, 49, 3)
    found = jaxq.paths(STATION, hours, replicas=16384, seed=3, schedule=DAY, period=24)
    shifts = {shift: expm(generator(*shift, 120)) for shift in ((4, 6), (12, 14), (6, 8))}
    law, number, mean, queue = np.eye(121)[0], np.arange(121), [], []
    for hour in range(49):
        rate, servers = (4, 6) if hour % 24 < 8 else (12, 14) if hour % 24 < 18 else (6, 8)
        mean.append(law @ number)
        queue.append(law @ np.maximum(number - servers, 0))
        law = law @ shifts[rate, servers]
    for name, exact in (("number_in_system", mean), ("queue_length", queue)):
        assert np.abs(z_scores(found, name, np.array(exact)[hours], 16384)).max() < 4
    assert found.switches == (8, 18, 24, 32, 42, 48)
    assert found.schedule["period"] == 24 and found.schedule["fields"]["servers"] == [[0, 6], [8, 14], [18, 8]]
    assert "schedule  arrival_rate:8=12,18=6  servers:0=6,8=14,18=8  again every 24" in str(found)


def test_a_system_of_ones_own_without_a_bound():
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 4.0])
    schedule = {"admission_rate": [(0, 0.0), (1, 8.0), (2.5, 0.0)], "discharge_rate": {2.5: 0.25}}
    found = jaxq.paths(Ward(2.0, 1.0), times, replicas=16384, schedule=schedule, totals=True)
    at = {0: 3.0}  # m' = admission - discharge m
    for begin, end, admission, discharge in ((0, 1, 0.0, 1.0), (1, 2.5, 8.0, 1.0), (2.5, 4, 0.0, 0.25)):
        for t in times[(times > begin) & (times <= end)]:
            level = admission / discharge
            at[t] = level + (at[begin] - level) * np.exp(-discharge * (t - begin))
    exact = np.array([at[t] for t in times])
    assert np.abs(z_scores(found, "patients", exact, 16384)).max() < 4
    # arrivals are Poisson of mean 8 (t - 1)+, up to 12, whatever else happens
    arrivals = 8 * np.clip(times - 1, 0, 1.5)
    assert (found.mean["count_0"][:3] == 0).all()
    later = arrivals > 0
    assert (np.abs(found.mean["count_0"] - arrivals)[later] < 4 * np.sqrt(arrivals[later] / 16384)).all()
    # the balance of each replica, and the area under the mean by Simpson's rule over the exact one
    left = found.mean["count_1"]
    assert np.allclose(3 + found.mean["count_0"] - left, found.mean["patients"], atol=1e-3)
    discharged = found.mean["average_patients"][3] * 1.5  # until 2.5 each leaves at rate 1
    assert abs(discharged - left[3]) < 4 * np.sqrt(2 * left[3] / 16384)


@pytest.mark.parametrize("name", ["arrival_rate", "phi"])
def test_a_chain_that_is_no_list_of_rates_settles_where_the_new_values_do(name):
    pool = jaxq.TokenPool(servers=2, arrival_rate=0.4, phi=0.5, token_cap=3)
    new = {"arrival_rate": 0.6, "phi": 0.7}[name]
    found = jaxq.paths(pool, [0, 30, 90], replicas=16384, schedule={name: {30: new}})
    for i, system in ((1, pool), (2, pool.replace(**{name: new}))):
        exact = jaxq.exact(system).metrics
        for seen, metric, servers in (
            ("own", "own_queue", 2),
            ("pool_queue", "pool_queue", 1),
            ("tokens", "tokens", 2),
        ):
            error = found.half_width[seen][i] / 1.96
            assert abs(found.mean[seen][i] - servers * exact[metric]) < 4 * error and error < 0.02, (i, metric)


def test_a_number_inside_a_field_changes_as_the_systems_own_changes_do():
    times = [0, 1, 2, 4, 6]
    kinds = {"replicas": 8192, "seed": 1}
    mine = jaxq.ParallelServers(SMALL, "c-mu")
    schedule = {"network.arrival_rates[0]": {1: 1.0, 4: 6.0}, "network.arrival_rates[1]": {1: 5.0, 4: 0.5}}
    found = jaxq.paths(mine, times, schedule=schedule, **kinds)
    own = jaxq.paths(mine.replace(changes="1: 1,5; 4: 6,0.5"), times, **{**kinds, "seed": 2})
    for name in found.mean:
        error = np.hypot(found.half_width[name], own.half_width[name]) / 1.96
        assert (np.abs(found.mean[name] - own.mean[name]) <= 4 * error).all(), name


LENGTHS = jaxq.TolledQueues(**TOLLS, size_law="exponential", information="lengths")
ROUTED = jaxq.ParallelServers(SMALL, "random", routing=[[0.5, 0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("system", "path", "value"),
    [
        (jaxq.LoadBalancing(20, TWO_SPEEDS, load=0.5, levels=12), "load", 0.8),
        (LENGTHS, "arrival_rates", [0.2, 0.9]),
        (LENGTHS, "tolls", [6, 0.5]),
        (LENGTHS, "service_rates", [0.2, 1.1]),
        (ROUTED, "routing", [[0.9, 0.1], [0.2, 0.8]]),
        (ROUTED, "network.service_rates[0,1]", 0.9),
        (ROUTED, "network.abandonment_rates[1]", 2.0),
    ],
)
def test_late_means_are_those_of_the_new_system(system, path, value):
    """From another state, with other random numbers: what is left of both beginnings after 40 is nothing."""
    changed = read_schedule(system, {path: {0: value}}).systems[0]
    moved = jaxq.paths(system, [5, 45], replicas=8192, seed=1, schedule={path: {5: value}})
    new = jaxq.paths(changed, [45], replicas=8192, seed=2)
    other = False
    for name in new.mean:
        error = np.hypot(moved.half_width[name][1], new.half_width[name][0]) / 1.96
        assert abs(moved.mean[name][1] - new.mean[name][0]) <= 4 * error, name
        other |= abs(moved.mean[name][0] - new.mean[name][0]) > 8 * error
    assert other and moved.flags == new.flags == ()


def test_before_the_first_change_nothing_is_other_and_a_period_is_its_repetition():
    times, kept = [0, 1, 2, 3, 5, 6, 7, 8], {"replicas": 20, "keep_paths": 20}
    plain = jaxq.paths(STATION, times, **kept)
    once = jaxq.paths(STATION, times, schedule={"arrival_rate": {3: 9, 4: 1}}, **kept)
    again = jaxq.paths(STATION, times, schedule={"arrival_rate": {3: 9}}, period=4, **kept)
    listed = jaxq.paths(STATION, times, schedule={"arrival_rate": {3: 9, 4: 4, 7: 9, 8: 4}}, **kept)
    for name, path in plain.paths.items():
        assert np.array_equal(path[:, :4], once.paths[name][:, :4])
        assert np.array_equal(again.paths[name], listed.paths[name])
    assert not np.array_equal(plain.paths["number_in_system"], once.paths["number_in_system"])
    assert again.switches == listed.switches == (3, 4, 7, 8)


def test_a_replica_is_the_same_path_on_any_grid_batch_and_devices():
    fine, schedule = np.linspace(0, 6, 2 * CHUNK + 3), {"servers": {1.5: 2, 4: 9}}
    paths = [
        jaxq.paths(STATION, times, replicas=n, keep_paths=40, devices=d, schedule=schedule).paths["number_in_system"]
        for times, n, d in ((fine, 40, 1), (fine, 700, 2), (fine[::2], 40, 2))
    ]
    assert np.array_equal(paths[0], paths[1]) and np.array_equal(paths[0][:, ::2], paths[2])


def test_a_time_of_change_is_seen_after_the_change():
    found = jaxq.paths(Ward(1.0, 1.0), [0, 1], replicas=8, schedule={"beds": {0: 4, 1: 0}})
    assert found.mean["full"].tolist() == [0, 1]


def test_a_replica_that_was_stopped_stays_stopped():
    found = jaxq.paths(
        STATION, [0, 1, 30, 60], replicas=64, schedule={"arrival_rate": {2: 50, 4: 0.001}}, max_events=60
    )
    assert found.flags == ("truncated",)
    assert np.isnan(found.mean["number_in_system"]).tolist() == [False, False, True, True]


class Breakdown(jaxq.JumpProcess):
    """A machine whose failures are rare beside what it makes; the failures stand last."""

    pace: float = jaxq.positive("1/time")
    failure_rate: float = jaxq.positive("1/time")

    def init(self, words):
        return 0, False

    def rates(self, state):
        return self.pace, self.failure_rate * (1 - state[1])

    def jump(self, state, k):
        return [(state[0] ^ 1, state[1]), (state[0], True)][k]

    def total_rate_bound(self):
        return self.pace + self.failure_rate

    def observe(self, state):
        return {"failed": state[1]}


def test_a_transition_that_is_rare_at_a_time_is_rare_at_all_times():
    """Failures at rate 2e-7 beside 100: of a word alone, 6e-8 of the sum in steps of 6e-8 is nothing or twice as much."""
    machine = Breakdown(1.0, 2e-3)
    schedule = {"pace": {10: 100.0}, "failure_rate": {10: 1e-4}}
    found = jaxq.paths(machine, [10, 30], replicas=65536, schedule=schedule)
    exact = 1 - np.exp(-np.array([0.02, 0.022]))
    error = np.sqrt(exact * (1 - exact) / 65536)
    assert (np.abs(found.mean["failed"] - exact) < 4 * error).all() and found.flags == ()


def test_it_is_saved_and_read(tmp_path):
    found = jaxq.paths(STATION, [0, 9], replicas=8, schedule=DAY, period=24)
    for ending in ("json", "npz"):
        found.save(tmp_path / f"day.{ending}")
        again = jaxq.load(tmp_path / f"day.{ending}")
        assert again.schedule == found.schedule and again.switches == (8.0,)
    assert jaxq.paths(STATION, [0, 9], replicas=8).schedule == {}


def test_texts_keep_all_digits():
    fields = {"arrival_rate": [[0.1, 1 / 3], [2, 1e-7]], "capacity": [[1, None]], "tolls": [[0, [1.5, 2]]]}
    texts = ["arrival_rate:0.1=0.3333333333333333,2=1e-07", "capacity:1=none", "tolls:0=1.5,2"]
    assert schedule_texts(fields) == texts


REFUSED = {
    "no dict": ("servers", None, "schedule = servers: must give each field its times and values"),
    "nothing": ({}, None, "schedule = {}: must give"),
    "no times": ({"servers": {}}, None, "must give each field its times"),
    "no pairs": ({"servers": 6}, None, "must give each field its times"),
    "no field": ({"server": {0: 6}}, None, "schedule = server: mmc has no such field; did you mean servers?"),
    "a time before 0": ({"servers": {-1: 6}}, None, "schedule = -1: must be a number >= 0"),
    "a time that is none": ({"servers": {float("nan"): 6}}, None, "schedule = nan: must be a number >= 0"),
    "times backwards": ({"servers": [(2, 6), (1, 7)]}, None, "schedule = 1.0: times of servers must increase"),
    "a value": ({"servers": {2: 0}}, None, "servers = 0: must be a whole number >= 1"),
    "a value that is none": ({"arrival_rate": {2: "many"}}, None, "arrival_rate = many: must be a number > 0"),
    "another program": (
        {"abandonment_rate": {2: 0.5}},
        None,
        "schedule: mmc has another program (a list of another length or order) from 2 on; must be one",
    ),
    "a period too short": (
        {"servers": {8: 7}},
        8,
        "period = 8.0: must be greater than the last time of the schedule, 8",
    ),
    "no period": ({"servers": {8: 7}}, 0, "period = 0: must be a number > 0"),
    "a period of another unit": ({"servers": {0: 7}}, 1e-9, "period = 1e-09: more than 1048576 changes until 9"),
    "a period of nothing": (None, 24, "period = 24: is that of a schedule, and there is none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    schedule, period, words = REFUSED[case]
    with pytest.raises(ValueError, match=r"(?s).*") as error:
        jaxq.paths(STATION, [0, 9], replicas=8, schedule=schedule, period=period)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("system", "schedule", "words"),
    [
        (jaxq.MG1(0.5), {"arrival_rate": {2: 0.6}}, "mg1 is no Markov chain here, as it is stepped by customer"),
        (
            jaxq.ParallelServers(SMALL, "c-mu", changes="1: 1,5"),
            {"network.arrival_rates[0]": {2: 3.0}},
            "parallel-servers is no Markov chain here, as something in it moves between events",
        ),
        (
            jaxq.LoadBalancing(40, TWO_SPEEDS, load=0.5),
            {"servers": {2: 50}},
            "servers: must be what can change while load-balancing runs",
        ),
        (jaxq.ParallelServers(SMALL, "c-mu"), {"network": {2: SMALL}}, r"such as network.arrival_rates\[0\]"),
        (jaxq.ParallelServers(SMALL, "c-mu"), {"network.servers[0]": {2: 5}}, "in network there are arrival_rates"),
    ],
)
def test_systems_that_have_none(system, schedule, words):
    with pytest.raises(ValueError, match=words):
        jaxq.paths(system, [0, 9], replicas=8, schedule=schedule)
