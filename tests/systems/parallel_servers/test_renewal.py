"""Renewal arrivals of phase type against an exact chain that shares no code, and against E2/M/c and H2/M/c."""

import numpy as np
import pytest

import jaxq
from jaxq.analytic.distributions.transforms import scv
from jaxq.analytic.parallel_servers import exact
from jaxq.laws.standard import parse_law
from jaxq.systems.parallel_servers.processes.renewal import ArrivalLaws, parse_arrival_laws, phases_of
from tests.agreement import check_agreement

NETWORK = jaxq.Network([1.5, 1], [[1.3, 0.8], [0, 1]], [1, 2], [0.5, 0.7], classes=("a", "b"), pools=("s", "t"))
ERLANG = ([1, 0], [[-2, 2], [0, -2]])
P = (1 + np.sqrt(3 / 5)) / 2  # balanced means, scv 4
HYPER = ([P, 1 - P], [[-2 * P, 0], [0, -2 * (1 - P)]])
COXIAN = ([0.75, 0.25], [[-3, 1], [0, -2]])
LAWS = {
    "erlang:2,hyperexponential:4": (ERLANG, HYPER),
    "phase-type:0.75,0.25;-3,1;0,-2,exponential": (COXIAN, ([1], [[-1]])),
}
MOST = 12


def witness(laws, policy):
    fastest = exact.in_order([[0, 1], [1]])
    serve = exact.largest([[0], [0, 1]]) if policy == "fsf" else exact.in_order([[0], [1, 0]])
    rates = NETWORK.at()
    limits = [MOST] * 2
    return exact.nonpreemptive(*rates, join=fastest, serve=serve, most_waiting=limits, arrival_phases=LAWS[laws])


def system(laws, policy="priority"):
    fields = {"priorities": "s: a; t: b > a"} if policy == "priority" else {}
    return jaxq.ParallelServers(NETWORK, policy=policy, arrival_laws=laws, **fields)


@pytest.mark.parametrize(("laws", "policy"), list(zip(LAWS, ("priority", "fsf"), strict=True)))
def test_the_chain_of_the_simulator_has_the_exact_law(laws, policy):
    law = witness(laws, policy)
    found = jaxq.exact(system(laws, policy), keep=lambda state: (state.queues[0] <= MOST) & (state.queues[1] <= MOST))
    # both cut queues at 12: one loses the customer, the other stops the clock
    assert law.lost.max() < 2e-5
    for i, a in enumerate("ab"):
        assert found[f"queue_{a}"] == pytest.approx(law.queue[i], abs=3e-4)
        assert found[f"departures_{a}"] == pytest.approx(NETWORK.arrival_rates[i], rel=1e-4)
    assert found["busy_a_t"] == pytest.approx(law.busy[0, 1], abs=1e-4)


def test_simulation_meets_the_exact_law():
    laws = "erlang:2,hyperexponential:4"
    law, given = witness(laws, "priority"), system(laws)
    found = jaxq.simulate(given, replicas=256, events=40_000, warmup=1000, seed=4)
    check_agreement(found["queue_a"], law.queue[0], 0.02)
    check_agreement(found["queue_b"], law.queue[1], 0.03)
    assert found["departures_a"].kind == "identity" and "queue_a" not in given.oracle()
    # Poisson arrivals are far off
    poisson = given.replace(arrival_laws=None).oracle()["queue_b"].value
    assert abs(poisson - law.queue[1]) > 10 * found["queue_b"].standard_error


@pytest.mark.parametrize(("law", "most"), [("erlang:3", 80), ("hyperexponential:4", 250)])
@pytest.mark.parametrize("policy", ["lqfs", "priority-preemptive", "random"])
def test_one_pool_is_gi_m_c(law, most, policy):
    single = jaxq.Network([2.4], [[1.0]], [3])
    given = jaxq.ParallelServers(single, policy=policy, arrival_laws=law)
    reference = jaxq.GGc(arrival_rate=2.4, service_rate=1.0, servers=3, arrival_law=law).oracle()["queue_length"]
    cut = (
        (lambda state: state[0][0] <= most)
        if policy == "priority-preemptive"
        else lambda state: state.queues[0] <= most
    )
    assert jaxq.exact(given, keep=cut)["total_queue"] == pytest.approx(reference.value, rel=1e-6)


def test_preemptive_renewal_arrivals_keep_the_identity():
    given = jaxq.ParallelServers("n", policy="balanced-saturation", arrival_laws="hyperexponential:3")
    found = jaxq.simulate(given, replicas=128, events=60_000, warmup=30_000, seed=2)
    check_agreement(found["weighted_idle"], given.oracle()["weighted_idle"].value, 0.06)
    check_agreement(found["departures_1"], 131.0, 0.01)


@pytest.mark.parametrize("text", ["exponential", "erlang:4", "hyperexponential:2.5", "phase-type:0.75,0.25;-3,1;0,-2"])
def test_phases_have_unit_mean_and_the_variation_of_the_law(text):
    phases = phases_of(parse_law(text))
    inverse = np.linalg.inv(-np.array(phases.generator))
    assert np.array(phases.initial) @ inverse @ np.ones(len(inverse)) == pytest.approx(1)
    assert phases.scv == pytest.approx(scv(*parse_law(text).key()), rel=1e-12)


def test_text_of_several_laws():
    laws = parse_arrival_laws("phase-type:0.5,0.5;-1,0.5;0,-2, erlang:2")
    assert laws.laws == ("phase-type:0.5,0.5;-1,0.5;0,-2", "erlang:2") and str(parse_arrival_laws(str(laws))) == str(
        laws
    )
    assert str(ArrivalLaws((jaxq.Erlang(2), "exponential"))) == "erlang:2,exponential"


@pytest.mark.parametrize(
    ("laws", "message"),
    [
        ("lognormal:2", "arrival_laws = lognormal:2: must be of phase type"),
        ("erlang:2,erlang:2,erlang:2", r"must be one law, or 2, one a class \(a, b\), not 3"),
        ("erlang", "must be"),
    ],
)
def test_what_is_refused(laws, message):
    with pytest.raises(ValueError, match=message):
        system(laws)
