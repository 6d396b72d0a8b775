"""The references of tolled queues against their simulation, and where there are none."""

import pytest

import jaxq
from jaxq.analytic.tolled_queues.naor import naor
from jaxq.systems.tolled_queues.oracle import market, single_toll

TWO = {"arrival_rates": [0.4, 0.5], "rewards": [12, 4], "waiting_costs": [2, 0.3]}
CASES = {
    "deterministic": {"tolls": [2.0], **TWO},
    "deterministic, lengths": {"tolls": [2.0], "information": "lengths", **TWO},
    "deterministic, other sizes": {"tolls": [2.0], "mean_sizes": [0.5, 0.5], **TWO},
    "exponential, means known": {
        "tolls": [2.0],
        "size_law": "exponential",
        "information": "workload-only",
        "mean_sizes": [1.0, 2.5],
        **TWO,
    },
    "exponential, lengths": {"tolls": [2.0], "size_law": "exponential", "information": "lengths", **TWO},
    "exponential, lengths of two": {
        "service_rates": [0.6, 0.4],
        "tolls": [4.0, 2.5],
        "size_law": "exponential",
        "information": "lengths",
        "ties": "random",
        **TWO,
    },
}
EXACT = {"revenue", "throughput", "welfare", "customer_utility", "join_1", "join_2", "join_1_1", "utilisation_1"}


@pytest.mark.parametrize("case", CASES)
def test_exact_values_agree_with_the_simulation(case):
    system = jaxq.TolledQueues(**CASES[case])
    assert set(system.oracle()) >= EXACT
    result = jaxq.simulate(system, replicas=512, events=4000, seed=3)
    assert not result.flags
    for name, reference in system.oracle().items():
        metric = result[name]
        assert reference.kind == "exact" and metric.half_width < 0.02 * abs(reference.value), name
        assert metric.z is None or abs(metric.z) < 4.5, name
    assert abs(result["revenue"].mean / system.oracle()["revenue"].value - 1) < 3e-3


def test_a_law_that_is_too_wide_has_no_oracle_and_stops_no_run():
    assert jaxq.TolledQueues(rewards=1e9).oracle() == {}


def test_split_servers_with_equal_tolls_have_the_pooled_one_as_a_bound():
    system = jaxq.TolledQueues(service_rates=[0.6, 0.4], tolls=[2.0, 2.0], **TWO)
    bound = system.oracle()["revenue"]
    assert bound == (jaxq.TolledQueues(tolls=[2.0], **TWO).oracle()["revenue"].value, "bound", 0.0)
    assert jaxq.simulate(system, replicas=512, events=2000)["revenue"].mean < bound.value
    assert system.replace(tolls=[2.0, 2.1]).oracle() == {}


@pytest.mark.parametrize("change", [{"size_law": "lognormal:1"}, {"arrivals": "erlang:2"}, {"mean_sizes": [1, 2]}])
def test_no_reference_without_a_formula(change):
    assert jaxq.TolledQueues(**{"tolls": [2.0], **TWO, **change}).oracle() == {}


def test_the_best_single_toll_by_information():
    one = market(0.9, 10.0, 1.0, 1.0, "deterministic", "workload")
    assert single_toll(one, 1.0) == (pytest.approx(7.6404, abs=5e-5), pytest.approx(5.551146, abs=5e-7))
    found = naor(0.9, 1.0, 10.0, 1.0)
    lengths = one._replace(size_law="exponential", information="lengths")
    assert single_toll(lengths, 1.0) == (found["toll_r"], pytest.approx(found["revenue"], rel=1e-12))
    seen = single_toll(one._replace(information="lengths"), 1.0)
    assert seen is not None and seen[0] == round(seen[0])
    assert single_toll(one._replace(size_law="lognormal"), 1.0) is None
    # half the sizes on half the capacity are the same queue
    halves = market(0.9, 10.0, 1.0, 0.5, "deterministic", "workload")
    assert single_toll(halves, 0.5) == single_toll(one, 1.0)
