"""What a policy does when no server is idle, queues of a type, buffers by type, types of equal speed: exact chains."""

import math

import numpy as np
import pytest

import jaxq
from jaxq.analytic.load_balancing import dedicated, exact, limit, modified, policies
from jaxq.systems.load_balancing.model import LoadBalancing
from tests.analytic.load_balancing import ranks

RUN = {"replicas": 64, "events": 20_000}
TWO = "3:0.5,1:0.5"
WEIGHTED = policies.Policy(ranks.fastest_idle_first, weights=(3.0, 1.0))


def agrees(result, width=0.03):
    """Every metric with an exact value is within 4.5 standard errors of it, and the jobs are known well."""
    jobs = result["number_in_system"]
    assert jobs.half_width < width * jobs.mean, "no power"
    assert all(abs(metric.z) < 4.5 for metric in result.metrics.values() if metric.z is not None)


# --- speed-aware JIQ where no server is idle ---------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "jobs"), [("sa-jiq-weighted", 2.2448), ("sa-jiq", 3.5985)])
def test_where_no_server_is_idle_one_is_drawn_alike_or_by_speed(policy, jobs):
    """Two servers of speeds 3 and 1, load .6, room for 20 jobs each: notebooks/mathematics/load_balancing.md, section 6."""
    two = LoadBalancing(2, TWO, policy, load=0.6, buffer=20)
    rule = WEIGHTED if policy == "sa-jiq-weighted" else ranks.SA_JIQ
    law = exact.small_system(2.4, (3.0, 1.0), (1, 1), 20, rule)["number_in_system"]
    assert law == pytest.approx(jobs, abs=6e-5)
    assert two.oracle()["number_in_system"].value == pytest.approx(law, rel=1e-12)
    agrees(jaxq.simulate(two, **RUN), 0.05)


def test_the_speeds_are_the_routing_by_capacity_and_servers_as_counts_agree():
    few = LoadBalancing(3, "3:0.3333333333333333,1:0.6666666666666667", "sa-jiq-weighted", load=0.8, buffer=3)
    law = exact.small_system(4.0, (3.0, 1.0), (1, 2), 3, WEIGHTED)["number_in_system"]
    routed = few.replace(policy="sa-jiq", routing=[0.6, 0.4])
    for system in (few, few.replace(laws="yes"), routed):
        assert jaxq.exact(system)["number_in_system"] == pytest.approx(law, rel=1e-9)


# --- one queue a type --------------------------------------------------------------------------------------------------


def test_one_type_with_one_queue_is_m_m_n():
    """Erlang C: n = 2, rho = .7: L = 2 rho / (1 - rho^2)."""
    found = dedicated.dedicated_queues(1.4, (1.0,), (2,))
    assert found["number_in_system"] == pytest.approx(2 * 0.7 / (1 - 0.49), rel=1e-10)
    assert found["probability_all_busy"] == pytest.approx(2 * 0.7**2 / 1.7, rel=1e-10)


def test_minimum_expected_delay_has_its_exact_law():
    system = LoadBalancing(3, "2:0.3333333333333333,1:0.6666666666666667", "med-fsf", load=0.6)
    law = dedicated.dedicated_queues(2.4, (2.0, 1.0), (1, 2))
    assert system.oracle()["number_in_system"].value == law["number_in_system"]
    assert law["number_in_system"] > modified.pooled_jobs(2.4, (2.0, 1.0), (1, 2))
    chain = jaxq.exact(system, keep=lambda x: (x[0] < 28) & (x[1] < 29))
    for ours, theirs in (("number_in_system", "number_in_system"), ("waiting_jobs", "waiting")):
        assert chain[ours] == pytest.approx(law[theirs], rel=1e-6)
    assert chain["all_busy"] == pytest.approx(law["probability_all_busy"], rel=1e-6)
    agrees(jaxq.simulate(system, **RUN))


def test_limit_of_shared_queues():
    """Halfin and Whitt (1981), beta = 1: P(wait) = 1 / (1 + .84134 / .24197) = .2234; E X by the balance of drift."""
    found = limit.central_queue_limit(1.0, 1.0)
    assert found["probability_all_busy"] == pytest.approx(0.2234, abs=5e-5)
    assert found["total"] == pytest.approx(0.2234 - 1, abs=5e-5)
    system = LoadBalancing(400, "2.5:0.2,0.625:0.8", "med-fsf", beta=2.0)
    assert system.oracle()["y_plus_1"].value == limit.central_queue_limit(2.0, 0.625)["total"]
    # a chain of 10^6 servers of one type is near it
    law = modified.pooled_jobs(1e6 - 1e3, (1.0,), (10**6,))
    assert (law - 1e6) / 1e3 == pytest.approx(found["total"], abs=1e-3)


# --- buffers by type ---------------------------------------------------------------------------------------------------


def test_the_truncated_system_of_section_5_has_its_exact_law():
    """Equations 5.8-5.15 by hand for one server of each type: states (0..2) x (0..1), an arrival lost in (2, 1) alone."""
    two = LoadBalancing(2, TWO, load=0.8, buffer=(2, 1))
    arrival, fast, slow = 3.2, 3.0, 1.0
    to = {(0, 0): (1, 0), (0, 1): (1, 1), (1, 0): (1, 1), (2, 0): (2, 1), (1, 1): (2, 1)}
    states = [(i, j) for i in range(3) for j in range(2)]
    balance = [[0.0] * 6 for _ in states]
    for s, (i, j) in enumerate(states):
        moves = [((i - 1, j), fast * (i > 0)), ((i, j - 1), slow * (j > 0))]
        moves += [(to[i, j], arrival)] if (i, j) in to else []
        for target, rate in moves:
            if rate:
                balance[states.index(target)][s] += rate
                balance[s][s] -= rate
    law = np.linalg.solve(np.array([*balance[:-1], [1.0] * 6]), [0.0] * 5 + [1.0])
    jobs = float(law @ [i + j for i, j in states])
    assert two.oracle()["number_in_system"].value == pytest.approx(jobs, rel=1e-12)
    assert two.oracle()["probability_lost"].value == pytest.approx(law[states.index((2, 1))], rel=1e-12)
    for system in (two, two.replace(laws="yes")):
        found = jaxq.exact(system)
        assert found["number_in_system"] == pytest.approx(jobs, rel=1e-9)
        assert found["probability_lost"] == pytest.approx(law[states.index((2, 1))], rel=1e-9)
    agrees(jaxq.simulate(two, **RUN))


@pytest.mark.parametrize(
    ("buffer", "words"),
    [
        ((2, 1, 1), "buffer = 2,1,1: must be one number, or 2, one a type"),
        ((2, 0), r"buffer = \(2, 0\): must be a whole number >= 1"),
        ((2, 1.5), "must be a whole number >= 1"),
    ],
)
def test_buffers_that_are_none(buffer, words):
    with pytest.raises(ValueError, match=words):
        LoadBalancing(2, TWO, load=0.8, buffer=buffer)


def test_queues_of_a_type_take_no_buffer():
    with pytest.raises(ValueError, match="buffer: must be none, and levels too, with policy med-fsf"):
        LoadBalancing(2, TWO, "med-fsf", load=0.8, buffer=3)


# --- types of equal speed ----------------------------------------------------------------------------------------------


RULES = {
    "sa-jsq": ranks.shortest,
    "jsq-slowest": ranks.shortest,
    "jiq": ranks.idle_first,
}


@pytest.mark.parametrize("policy", ["sa-jsq", "jsq-slowest", "jiq"])
def test_types_of_equal_speed_are_one_type_with_metrics_of_their_own(policy):
    apart = LoadBalancing(3, "1:0.3333333333333333,1:0.6666666666666667", policy, load=0.7, buffer=2)
    merged = exact.small_system(2.1, (1.0,), (3,), 2, policies.Policy(RULES[policy]))
    for system in (apart, apart.replace(laws="yes")):
        found = jaxq.exact(system)
        assert found["number_in_system"] == pytest.approx(merged["number_in_system"], rel=1e-9)
        assert found["probability_lost"] == pytest.approx(merged["loss_probability"], rel=1e-9)
        # all servers are alike: twice as many idle ones in the group of two
        assert found["idle_servers_2"] == pytest.approx(2 * found["idle_servers_1"], rel=1e-9)


def test_queues_kept_one_by_one_take_equal_types_alike():
    apart = LoadBalancing(20, "1:0.25,1:0.75", "sa-pod3", load=0.7)
    found = jaxq.simulate(apart, **RUN)
    # the mean idle servers of a group are 1 - load of it, if no group is preferred
    one, two = found["idle_servers_1"], found["idle_servers_2"]
    assert one.half_width < 0.05 * one.mean and abs(one.mean - 1.5) < 4.5 * one.standard_error
    assert abs(two.mean - 4.5) < 4.5 * two.standard_error


def test_the_limit_knows_equal_types_as_one():
    apart = LoadBalancing(400, "2.5:0.1,2.5:0.1,0.625:0.8", beta=2.0).oracle()
    merged = LoadBalancing(400, "2.5:0.2,0.625:0.8", beta=2.0).oracle()
    assert apart["y_plus_1"] == merged["y_plus_1"] and "y_1_2" not in apart
    assert apart["y_3_1"].value == merged["y_2_1"].value
    assert math.isclose(apart["number_in_system"].value, merged["number_in_system"].value, rel_tol=1e-12)
