"""`jaxq.customers`: records beside event lists in plain Python, and beside what the simulation says of the same paths."""

import heapq

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.customer_log import CustomerLog
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.tolled_queues.arrivals import parse_arrivals
from tests.systems_under_test import TOLLS

NEAR = 2e-4
"""Of a time that is a sum of float32."""


def by_replica(log):
    """The columns of each replica."""
    for i in range(log.run["replicas"]):
        mine = log["replica"] == i
        yield {name: x[mine] for name, x in log.columns.items()}


def starts(arrivals, services, servers):
    """When each customer begins its service, first come first served: an event list."""
    free, found = [0.0] * servers, []
    heapq.heapify(free)
    for arrival, service in zip(arrivals, services, strict=True):
        found.append(max(arrival, heapq.heappop(free)))
        heapq.heappush(free, found[-1] + service)
    return np.array(found)


def check_sums(log):
    """The columns go together."""
    served = ~np.isnan(log["service_start"])
    assert np.array_equal(log["service_start"][served], (log["arrival_time"] + log["waiting_time"])[served])
    assert np.array_equal(log["departure_time"], log["arrival_time"] + log["waiting_time"] + log["service_time"])
    for mine in by_replica(log):
        assert np.array_equal(mine["customer"], np.arange(len(mine["customer"])))
        assert (np.diff(mine["arrival_time"], prepend=0) >= 0).all()


@pytest.mark.parametrize(
    "system",
    [
        jaxq.GG1(0.8, arrival_law=jaxq.Erlang(2), service_law=jaxq.Lognormal(2)),
        jaxq.GGc(2.5, 1.0, 3),
        jaxq.GGc(2.5, 1.0, 3, batch_law=jaxq.GeometricBatch(2)),
        jaxq.GGc(0.5, 0.3, 2, jaxq.Empirical([0, 1, 2, 5]), jaxq.Empirical([1, 2, 7])),
        jaxq.GGc(0.5, 0.3, 2, service_law=jaxq.Deterministic(), batch_law=jaxq.FixedBatch(2)),
    ],
    ids=["one", "three", "batches", "whole minutes", "batches of one length"],
)
def test_waits_are_those_of_an_event_list(system):
    log = jaxq.customers(system, 1500, replicas=3, seed=2)
    assert isinstance(log, CustomerLog) and log.flags == () and len(log) == 4500
    check_sums(log)
    for mine in by_replica(log):
        begins = starts(mine["arrival_time"], mine["service_time"], getattr(system, "servers", 1))
        assert np.ptp(mine["waiting_time"]) > 3  # somebody waits
        np.testing.assert_allclose(mine["service_start"], begins, atol=NEAR)
        assert (np.diff(mine["service_start"]) > -NEAR).all()
        if system.batch_law is not None:
            assert set(np.diff(mine["batch"])) == {0, 1}
            assert np.array_equal(np.diff(mine["batch"]) == 0, np.diff(mine["arrival_time"]) == 0)
            assert 1.8 < 1500 / (mine["batch"][-1] + 1) < 2.2


def test_who_abandons_would_have_waited_longer():
    log = jaxq.customers(jaxq.GGc(3.0, 1.0, 2, abandonment_rate=0.5), 1500, replicas=2)
    check_sums(log)
    assert np.array_equal(np.isnan(log["service_start"]), log["abandoned"]) and 0.2 < log["abandoned"].mean() < 0.5
    for mine in by_replica(log):
        free = [0.0, 0.0]
        for arrival, wait, service, gone in zip(
            *(mine[name] for name in ("arrival_time", "waiting_time", "service_time", "abandoned")), strict=True
        ):
            if gone:
                assert free[0] - arrival > wait - NEAR and service == 0
            else:
                begins = max(arrival, heapq.heappop(free))
                assert abs(begins - arrival - wait) < NEAR
                heapq.heappush(free, begins + service)


def test_who_finds_every_server_busy_is_blocked():
    log = jaxq.customers(jaxq.MGcc(3.0, 1.0, 3), 1500, replicas=2)
    check_sums(log)
    for mine in by_replica(log):
        inside = []
        for arrival, departure, blocked in zip(
            mine["arrival_time"], mine["departure_time"], mine["blocked"], strict=True
        ):
            inside = [end for end in inside if end > arrival]
            assert blocked == (len(inside) == 3)
            inside += [] if blocked else [departure]
    assert list(jaxq.customers(jaxq.MGinf(3.0), 10).columns)[-1] == "departure_time"


@pytest.mark.parametrize("arrivals", ["poisson", "modulated:1,3;-1,1;2,-2"])
def test_customers_of_tolled_queues_go_where_it_is_cheapest(arrivals):
    """Nobody else comes, though the modulated stream has events of its own."""
    system = jaxq.TolledQueues(**TOLLS, arrivals=parse_arrivals(arrivals))
    log = jaxq.customers(system, 800, replicas=2, seed=4)
    check_sums(log)
    rates, tolls, costs, rewards = (TOLLS[name] for name in ("service_rates", "tolls", "waiting_costs", "rewards"))
    assert set(log["server"]) == {0, 1, 2} and np.array_equal(log["server"] == 0, log["balked"])
    for mine in by_replica(log):
        free = [0.0, 0.0]
        for arrival, kind, server, wait in zip(
            *(mine[name] for name in ("arrival_time", "class", "server", "waiting_time")), strict=True
        ):
            stays = [max(end - arrival, 0.0) + 1 / rate for end, rate in zip(free, rates, strict=True)]
            prices = [toll + costs[kind - 1] * stay for toll, stay in zip(tolls, stays, strict=True)]
            best = int(np.argmin(prices))
            if abs(prices[0] - prices[1]) > NEAR and abs(prices[best] - rewards[kind - 1]) > NEAR:
                assert server == (best + 1 if prices[best] < rewards[kind - 1] else 0)
            if server:
                assert abs(wait - stays[server - 1] + 1 / rates[server - 1]) < NEAR
                free[server - 1] = arrival + stays[server - 1]
    mean_gap = np.mean([np.ptp(mine["arrival_time"]) / 799 for mine in by_replica(log)])
    assert abs(mean_gap * sum(TOLLS["arrival_rates"]) - 1) < 0.2


@pytest.mark.parametrize(
    ("system", "metric", "column"),
    [
        (jaxq.MG1(0.8), "waiting_time", "waiting_time"),
        (jaxq.GGc(3.0, 1.0, 2, abandonment_rate=0.5), "probability_abandon", "abandoned"),
        (jaxq.MGcc(3.0, 1.0, 3), "probability_block", "blocked"),
    ],
)
def test_means_are_those_of_the_simulation_of_the_same_paths(system, metric, column):
    run = jaxq.simulate(system, events=2000, replicas=32, seed=7, warmup=0)
    log = jaxq.customers(system, run.run["events"] // 32, replicas=32, seed=7)
    assert log[column].mean() == pytest.approx(run.metrics[metric].mean, rel=1e-5)


def test_a_replica_is_the_same_beside_others_and_after_those_who_are_left_out():
    log = jaxq.customers(jaxq.GG1(0.9), 300, replicas=5, seed=1)
    alone = jaxq.customers(jaxq.GG1(0.9), 300, replicas=1, seed=1)
    later = jaxq.customers(jaxq.GG1(0.9), 100, replicas=5, seed=1, skip=200)
    for name, x in log.columns.items():
        assert np.array_equal(x[:300], alone[name], equal_nan=True)
        assert np.array_equal(x.reshape(5, 300)[:, 200:].ravel(), later[name], equal_nan=True)


class Trips(jaxq.System):
    """Of a user's own: a driver who takes the next trip, a unit each, when the last one is over."""

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        return 1.5, jnp.float32(1.0)

    def update(self, state, event):
        return jnp.maximum(state + event - 1.0, 0.0)

    def tally(self, state, event):
        return {"waiting_time": state, "service_time": event, "late": state > 1}


def test_a_system_of_ones_own_records_what_it_tallies():
    log = jaxq.customers(Trips(), 4, replicas=1)
    assert log["arrival_time"].tolist() == [0, 1, 2, 3] and log["departure_time"].tolist() == [1.5, 3, 4.5, 6]
    assert log["late"].tolist() == [False, False, False, True]


def test_records_are_written_and_read(tmp_path):
    log = jaxq.customers(jaxq.GGc(3.0, 1.0, 2, abandonment_rate=0.5), 30, replicas=2)
    for ending in ("json", "npz"):
        log.save(tmp_path / f"log.{ending}")
        again = jaxq.load(tmp_path / f"log.{ending}")
        assert isinstance(again, CustomerLog) and again.run == log.run
        for name, x in log.columns.items():
            assert again[name].dtype == x.dtype and np.array_equal(again[name], x, equal_nan=x.dtype.kind == "f")
    log.save(tmp_path / "log.csv")
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == ",".join(log.columns) and len(lines) == 61
    assert log.rows()[0]["customer"] == 0 and log.rows()[0]["abandoned"] is False
    frame = log.to_pandas()
    assert list(frame.columns) == list(log.columns) and len(frame) == 60
    assert "10 of 60 records" in str(log) and "departure_time" in log._repr_html_()


@pytest.mark.parametrize(
    ("system", "given", "message"),
    [
        (jaxq.MMc(0.8), {}, "system = mmc: must be one that is stepped by customer, such as mg1"),
        (
            jaxq.LoadBalancing(4, policy=parse_policy("pod2")),
            {},
            "system = load-balancing: must be one that is",
        ),
        (jaxq.GG1(0.8), dict(customers=0), "customers = 0: must be a whole number >= 1"),
        (jaxq.GG1(0.8), dict(replicas=2.5), "replicas = 2.5: must be a whole number >= 1"),
        (jaxq.GG1(0.8), dict(skip=-1), "skip = -1: must be a whole number >= 0"),
        (jaxq.GG1(0.8), dict(seed=-1), "seed = -1"),
        (jaxq.GG1(0.8), dict(customers=10**12), "records of 4 replicas would take about"),
    ],
)
def test_what_cannot_be_recorded_is_refused(system, given, message):
    with pytest.raises(ValueError, match=message):
        jaxq.customers(system, **given)
