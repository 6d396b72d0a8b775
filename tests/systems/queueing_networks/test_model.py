"""Open networks, simulated: against exact laws, an event list in plain Python, and what is known of their stability."""

import functools
import heapq
import math

import numpy as np
import pytest

import jaxq
from tests.agreement import check_agreement
from tests.analytic.queueing_networks.chain import means

RUN = {"replicas": 512, "warmup": 2000, "events": 10_000, "seed": 3}
SMALL = jaxq.OpenNetwork(
    [0.4, 0.15, 0], [1.25, 2, 1], [1, 1, 2], [[0, 0.25, 0.5], [0, 0, 0.5], [0.125, 0, 0.125]], [2, 1], [1, 3, 2]
)
"""Two classes at two servers, one class at one, to itself and back; numbers of which pressures are exact, ties too."""
ORDER = "1: 2 > 1"
LOTS = [0.5, 0, -1]


def network(policy: str) -> jaxq.QueueingNetwork:
    offsets = LOTS if policy == "softmax" else None
    return jaxq.QueueingNetwork(SMALL, policy, priorities=ORDER if policy == "priority" else None, offsets=offsets)


@functools.cache
def witness(policy: str):
    """Numbers and busy servers by class, cut to a box."""
    at = [x - 1 for x in SMALL.stations]
    given = (SMALL.arrival_rates, SMALL.service_rates, at, SMALL.servers, SMALL.routing.tolist())
    return means(
        policy, *given, most=[13, 10, 20], cost=SMALL.holding_costs, order=LOTS if policy == "softmax" else [1, 0, 0]
    )


@pytest.mark.parametrize("policy", ["sharing", "priority", "longest-queue", "max-pressure"])
def test_a_small_network_meets_the_law_of_its_chain(policy):
    system = network(policy)
    result = jaxq.simulate(system, **RUN)
    numbers, busy = witness(policy)
    for name, number, work, rate in zip(SMALL.classes, numbers, busy, SMALL.service_rates, strict=True):
        check_agreement(result[f"number_{name}"], number, 0.03)
        check_agreement(result[f"throughput_{name}"], rate * work, 0.01)
    check_agreement(result["holding_cost"], SMALL.holding_costs @ numbers, 0.03)
    check_agreement(result["utilisation_1"], busy[:2].sum() / 2, 0.01)
    assert result["throughput_1"].kind == "identity" and result["throughput_1"].oracle == pytest.approx(rate_in(0))
    assert result["number_1"].kind == "exact" and result["number_1"].oracle == pytest.approx(numbers[0], rel=1e-4)
    assert all(abs(metric.z) < 4.5 for metric in result.metrics.values())


def rate_in(k: int) -> float:
    """Customers that come to a class, by summing over their visits."""
    flow, total = SMALL.arrival_rates, 0.0
    for _ in range(200):
        total, flow = total + flow[k], flow @ SMALL.routing
    return total


def test_exact_is_the_law_of_the_process():
    def keep(n):
        return (n[0] <= 13) & (n[1] <= 10) & (n[2] <= 20)

    for policy in ("priority", "max-pressure", "softmax"):
        numbers, _ = witness(policy)
        found = jaxq.exact(network(policy), keep=keep)
        assert [found[f"number_{name}"] for name in SMALL.classes] == pytest.approx(numbers, rel=1e-9)


def test_jackson_and_criss_cross_are_known():
    known = jaxq.QueueingNetwork("jackson-feedback", "c-mu").oracle()
    assert {"number_in_system", "number_1", "sojourn_time_3", "holding_cost"} <= set(known)
    # lambda = alpha + P'lambda by hand: lambda_1 = .5 + .3 l_3, l_2 = .25 + .6 l_1, l_3 = .4 l_1 + .5 l_2 + .2 l_3
    # three classes of this load are too many for a chain
    system = jaxq.QueueingNetwork("criss-cross", "max-weight")
    assert system.oracle()["station_number_1"].value == pytest.approx(9) and "number_2" not in system.oracle()
    # under max pressure the first server may wait for the second
    assert "station_number_1" not in jaxq.QueueingNetwork("criss-cross", "max-pressure").oracle()
    first = jaxq.QueueingNetwork("criss-cross", "priority", priorities="1 > 3 > 2").oracle()
    # class 1 has the first server for itself: M/M/1 twice, and a tandem for class 2
    assert [first[f"number_{k}"].value for k in (1, 2, 3)] == pytest.approx([0.9 / 1.1, 9, 9 - 0.9 / 1.1])
    assert first["number_in_system"].kind == "exact"


def event_list(seed: int, horizon: float, order: dict[int, list[int]]) -> list[float]:
    """Mean numbers in the criss-cross network of load .6 under a preemptive priority, customer by customer: each keeps what
    is left of its service while others are served."""
    rng = np.random.default_rng(seed)
    speed, following = {1: 2.0, 2: 1.0, 3: 2.0}, {1: 2, 2: None, 3: None}
    queues, area, now = {1: [], 2: [], 3: []}, {1: 0.0, 2: 0.0, 3: 0.0}, 0.0
    arrivals = [(rng.exponential(1 / 0.6), k) for k in (1, 3)]
    heapq.heapify(arrivals)
    while now < horizon:
        serving = {name: next((k for k in order[name] if queues[k]), None) for name in ("A", "B")}
        left = {k: queues[k][0] for k in serving.values() if k is not None}
        first = min(left, key=left.get, default=None)
        step = min(arrivals[0][0] - now, left.get(first, math.inf))
        for k, waiting in queues.items():
            area[k] += len(waiting) * step
        for k in left:
            queues[k][0] -= step
        now += step
        if first is not None and queues[first][0] <= 1e-12:
            queues[first].pop(0)
            if following[first] is not None:
                queues[following[first]].append(rng.exponential(1 / speed[following[first]]))
        elif arrivals[0][0] <= now:
            _, k = heapq.heappop(arrivals)
            queues[k].append(rng.exponential(1 / speed[k]))
            heapq.heappush(arrivals, (now + rng.exponential(1 / 0.6), k))
    return [area[k] / now for k in (1, 2, 3)]


def test_a_priority_meets_an_event_list():
    order = {"A": [3, 1], "B": [2]}
    runs = np.array([event_list(seed, 3000.0, order) for seed in range(20)])
    means, errors = runs.mean(axis=0), runs.std(axis=0, ddof=1) / len(runs) ** 0.5
    system = jaxq.QueueingNetwork("criss-cross", "priority", load=0.6, priorities="3 > 1 > 2")
    result = jaxq.simulate(system, precision=0.005, seed=2)
    assert (4.5 * errors < 0.2 * means).all()
    for k in (1, 2, 3):
        check_agreement(result[f"number_{k}"], means[k - 1], 0.02, error=errors[k - 1])


@pytest.mark.parametrize("name", ["rybko-stolyar", "lu-kumar"])
def test_a_virtual_station_makes_a_network_unstable(name):
    fields = {"priorities": "1: 4 > 1; 2: 2 > 3"}
    bad = jaxq.QueueingNetwork(name, "priority", **fields)
    result = jaxq.simulate(bad, events=20_000, replicas=128, seed=1)
    assert "unstable" in result.flags and bad.theory()["virtual_load_2_4"].value == pytest.approx(1.2)
    assert bad.theory()["stable"].value is False


@pytest.mark.parametrize("policy", ["first-buffer", "max-pressure"])
def test_the_same_network_is_stable_under_other_policies(policy):
    good = jaxq.QueueingNetwork("rybko-stolyar", policy)
    result = jaxq.simulate(good, events=20_000, replicas=256, seed=1)
    assert result.flags == () and "virtual_load_2_4" not in good.theory()
    check_agreement(result["throughput_4"], 1.0, 0.02)
    last = jaxq.QueueingNetwork("rybko-stolyar", "last-buffer")
    assert last.process().allocation.ranks == (2, 0, 3, 1)  # the exits first: it is the unstable one


def test_the_chain_is_embedded_where_most_uniformised_events_would_change_nothing():
    assert jaxq.QueueingNetwork("re-reentrant-2").process().total_rate_bound() is None
    bounds = [jaxq.QueueingNetwork("criss-cross", load=load).process().total_rate_bound() for load in (0.01, 0.9)]
    # two arrival rates, the two rates of 2 at the first station rounded off, and 1 at the second; whatever the load is
    assert bounds == pytest.approx([0.02 + 2 * 2 ** (1 / 16) + 1, 1.8 + 2 * 2 ** (1 / 16) + 1])


def test_lots_with_far_offsets_are_a_priority_and_keep_totals():
    far = jaxq.QueueingNetwork("criss-cross", "softmax", weights=[0, 0, 0], offsets=[60, 0, 0]).process()
    order = jaxq.QueueingNetwork("criss-cross", "priority", priorities="1 > 3 > 2").process()
    for state in [(3, 0, 2), (0, 4, 1), (1, 1, 0), (0, 0, 0)]:
        assert list(map(float, far.rates(state))) == pytest.approx(list(map(float, order.rates(state))), abs=1e-6)
    known = jaxq.QueueingNetwork("criss-cross", "softmax").oracle()
    assert known["station_number_1"].value == pytest.approx(9) and not {"number_1", "number_2"} & set(known)


def test_what_softmax_cannot_draw_is_said():
    with pytest.raises(ValueError, match=r"weights = \[1.0, 2.0\]: must be 3 numbers, one a class \(1, 2, 3\)"):
        jaxq.QueueingNetwork("criss-cross", "softmax", weights=[1, 2])
    many = jaxq.OpenNetwork([0.1] * 6, [1] * 6, [1] * 6)
    with pytest.raises(
        ValueError, match="policy = softmax: draws an order of the classes of a station, .* 6 here: at most 5"
    ):
        jaxq.QueueingNetwork(many, "softmax")


def test_there_are_no_more_stations_than_classes():
    with pytest.raises(ValueError, match=r"stations\[2\] = 3.0: must be a whole number >= 1 and <= 2"):
        jaxq.OpenNetwork([0.5, 0], [1, 1], [1, 3])


@pytest.mark.parametrize("unit", [1e-24, 1e24])
def test_the_bound_is_one_in_any_unit_of_time(unit):
    """Powers of small and of large rates are 0 and infinite."""
    here = jaxq.QueueingNetwork("criss-cross")
    table = here.network.to_dict()
    rates = {name: unit * np.array(table[name]) for name in ("arrival_rates", "service_rates")}
    other = jaxq.QueueingNetwork(jaxq.OpenNetwork(**(table | rates)))
    assert other.process().total_rate_bound() / unit == pytest.approx(here.process().total_rate_bound())


def test_max_pressure_is_not_said_to_be_stable_where_a_class_costs_nothing():
    """Class 1 has no pressure of its own: it is served while nobody is of class 2, a share 1 - .75 of the time."""
    free = jaxq.OpenNetwork([0.6, 0], [1, 0.8], [1, 2], [[0, 1], [0, 0]], holding_costs=[0, 1])
    system = jaxq.QueueingNetwork(free, "max-pressure")
    result = jaxq.simulate(system, events=20_000, replicas=128, seed=1)
    assert result.flags == ("unstable",) and system.theory()["stable"].value is None
    assert jaxq.QueueingNetwork("tandem", "max-pressure").theory()["stable"].value is True


def test_the_lines_of_qgym_have_one_utilisation():
    for name in ("reentrant-5", "re-reentrant-10"):
        system = jaxq.QueueingNetwork(name, "last-buffer")
        assert system.rates().utilisations() == pytest.approx(np.full(int(name.split("-")[-1]), 0.9))
        assert system.theory()["stable"].value is (True if name.startswith("re-") else None)
    visits = [3 * j + r for r in range(3) for j in range(10)]  # in rounds through all stations, three classes each
    assert list(np.argsort(system.process().allocation.ranks))[0] == visits[-1]
    assert [int(system.network.routing[k].argmax()) for k in visits[:-1]] == visits[1:]


def test_an_entry_may_be_closed_for_a_time():
    system = jaxq.QueueingNetwork("tandem")
    found = jaxq.paths(system, [0, 40], replicas=256, schedule={"network.arrival_rates[0]": {1: 0.0}})
    assert found.mean["number_1"][1] == 0 and found.mean["number_2"][1] == 0


def test_laws_of_numbers_stand_beside_quantiles():
    result = jaxq.simulate(jaxq.QueueingNetwork("criss-cross", load=0.6), quantiles=["number_1:0.9"], **RUN)
    row = result.quantiles["number_1"]["0.9"]
    # geometric with ratio .3/(1 - .6 + .3): .9 is passed at 2
    assert row["oracle"] == row["value"] == 2
    assert set(jaxq.QueueingNetwork("criss-cross", "c-mu").tails()) == set()
