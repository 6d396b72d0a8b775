"""Tolled queues against closed forms, a plain simulation customer by customer, exact chains and what must not matter."""

import math
import random as plain_random

import jax
import numpy as np
import pytest

import jaxq
from jaxq.systems.tolled_queues.model import TolledQueues
from tests.agreement import check_agreement

TWO = {"arrival_rates": [0.4, 0.7], "rewards": [14.0, 6.0], "waiting_costs": [3.0, 0.5]}
SPLIT = {"service_rates": [0.6, 0.4], "tolls": [4.0, 2.5]}
POISSON = {"arrivals": "poisson"}


def simulated(events=40_000, seed=0, **fields):
    return jaxq.simulate(TolledQueues(**fields), replicas=256, events=events, warmup=2000, seed=seed)


def threshold_throughput(rate, room, toll=None):
    """M/D/1 where a customer joins if the work is at most ``room`` (unit service): T = rho G/(1 + rho G)."""
    terms = range(math.floor(room) + 1)
    g = sum(math.exp(-rate * (k - room)) * (rate * (k - room)) ** k / math.factorial(k) for k in terms)
    return rate * g / (1 + rate * g)


def plain(customers, *, rates, tolls, information, arrivals, sizes, classes, seed, random_ties=False, mean=1.0):
    """Joins by (class, server), sojourn times and time, from lists of departure times; float64, its own random numbers."""
    draw = plain_random.Random(seed)
    lambdas, rewards, costs = classes
    total = sum(lambdas)
    free_at = [0.0] * len(rates)
    inside = [[] for _ in rates]
    gaps = arrivals(draw, total)
    now, joins, stayed = 0.0, {}, 0.0
    for _ in range(customers):
        now += next(gaps)
        kind = draw.choices(range(len(lambdas)), lambdas)[0]
        size = sizes(draw) * mean
        times = []
        for j, mu in enumerate(rates):
            inside[j] = [t for t in inside[j] if t > now]
            wait = max(free_at[j] - now, 0.0)
            own = {"workload": size / mu, "workload-only": mean / mu}.get(information, 0.0)
            times.append((len(inside[j]) + 1) * mean / mu if information == "lengths" else wait + own)
        utility = [rewards[kind] - toll - costs[kind] * time for toll, time in zip(tolls, times, strict=True)]
        best = [j for j, u in enumerate(utility) if u == max(utility)]
        j = draw.choice(best) if random_ties else best[0]
        if utility[j] >= 0:
            free_at[j] = max(free_at[j], now) + size / rates[j]
            inside[j].append(free_at[j])
            joins[kind, j] = joins.get((kind, j), 0) + 1
            stayed += free_at[j] - now
    return joins, stayed, now


def poisson(draw, rate):
    while True:
        yield draw.expovariate(rate)


def erlang(draw, rate):
    while True:
        yield (draw.expovariate(2.0) + draw.expovariate(2.0)) / rate


def modulated(draw, rate):
    """Phases of rates 2 and .5, left at .1 and .3, scaled to the rate: the stationary shares are .75 and .25."""
    scale = rate / (0.75 * 2 + 0.25 * 0.5)
    phase, left = 0, draw.expovariate(0.1 * scale)
    while True:
        gap = 0.0
        while True:
            step = draw.expovariate((2.0, 0.5)[phase] * scale)
            if step < left:
                left -= step
                yield gap + step
                break
            gap += left
            phase = 1 - phase
            left = draw.expovariate((0.1, 0.3)[phase] * scale)


STREAMS = {"poisson": poisson, "erlang:2": erlang, "modulated:2,0.5;-0.1,0.1;0.3,-0.3": modulated}
SIZES = {"deterministic": lambda draw: 1.0, "exponential": lambda draw: draw.expovariate(1.0)}


@pytest.mark.parametrize("room", [0.0, 0.4, 2.0, 4.7])
def test_one_class_of_unit_sizes_has_the_closed_form(room):
    result = simulated(events=60_000, arrival_rates=0.9, rewards=5 + room + 1, tolls=5.0)
    check_agreement(result["throughput"], threshold_throughput(0.9, room), 1e-3)
    check_agreement(result["revenue"], 5 * threshold_throughput(0.9, room), 1e-3)
    check_agreement(result["utilisation_1"], threshold_throughput(0.9, room), 2e-3)


@pytest.mark.parametrize(("rho", "toll"), [(0.5, 5.0), (0.9, 8.0), (1.2, 8.0), (0.9, 0.0)])
def test_naor_has_a_truncated_geometric_number_in_system(rho, toll):
    """R = 10, C = 1, mu = 1: at most n = 10 - toll customers; at a whole n the last one to join is indifferent."""
    most = round(10 - toll)
    law = rho ** np.arange(most + 1) / np.sum(rho ** np.arange(most + 1))
    result = simulated(
        events=400_000, arrival_rates=rho, rewards=10, tolls=toll, size_law="exponential", information="lengths"
    )
    throughput, number = rho * (1 - law[-1]), law @ np.arange(most + 1)
    check_agreement(result["throughput"], throughput, 2e-3)
    check_agreement(result["number_in_system"], number, 4e-3)
    check_agreement(result["welfare"], 10 * throughput - number, 4e-3)
    if toll:
        check_agreement(result["revenue"], toll * throughput, 2e-3)
    strict = simulated(
        arrival_rates=rho, rewards=10, tolls=toll, size_law="exponential", information="lengths", rule="strict"
    )
    law = law[:-1] / law[:-1].sum()
    check_agreement(strict["throughput"], rho * (1 - law[-1]), 6e-3)


@pytest.mark.parametrize(
    ("information", "sizes", "arrivals", "ties"),
    [
        ("workload", "exponential", "poisson", "first"),
        ("workload", "deterministic", "modulated:2,0.5;-0.1,0.1;0.3,-0.3", "first"),
        ("workload-only", "exponential", "erlang:2", "first"),
        ("lengths", "deterministic", "erlang:2", "random"),
    ],
)
def test_a_plain_simulation_customer_by_customer_agrees(information, sizes, arrivals, ties):
    equal = ties == "random"
    rates, tolls = ([0.5, 0.5], [3.0, 3.0]) if equal else ([0.6, 0.4], [4.0, 2.5])
    result = simulated(
        information=information,
        size_law=sizes,
        arrivals=arrivals,
        ties=ties,
        service_rates=rates,
        tolls=tolls,
        mean_sizes=[1.5, 1.5],
        **TWO,
    )
    runs = []
    for seed in range(24):
        joins, stayed, time = plain(
            8000,
            rates=rates,
            tolls=tolls,
            information=information,
            arrivals=STREAMS[arrivals],
            sizes=SIZES[sizes],
            classes=(TWO["arrival_rates"], TWO["rewards"], TWO["waiting_costs"]),
            seed=seed,
            random_ties=equal,
            mean=1.5,
        )
        paid = sum(tolls[j] * count for (_, j), count in joins.items())
        by_class = [sum(joins[i, j] for j in range(2)) / (8000 * TWO["arrival_rates"][i] / 1.1) for i in range(2)]
        joined = sum(joins.values())
        runs.append((paid / time, *by_class, joins[1, 1] / (8000 * 0.7 / 1.1), stayed / joined))
    names = ("revenue", "join_1", "join_2", "join_2_2", "sojourn_time")
    means, errors = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / math.sqrt(len(runs))
    assert np.all(errors < 0.015 * means), "no power"
    for name, mean, error in zip(names, means, errors, strict=True):
        check_agreement(result[name], mean, 0.01, error)


def test_the_order_of_the_servers_does_not_matter():
    one = simulated(size_law="exponential", **TWO, **SPLIT)
    other = simulated(size_law="exponential", **TWO, service_rates=[0.4, 0.6], tolls=[2.5, 4.0])
    for name in ("revenue", "welfare", "throughput", "workload"):
        assert one[name].mean == pytest.approx(other[name].mean, rel=1e-5)
    assert one["join_2_1"].mean == pytest.approx(other["join_2_2"].mean, rel=1e-5)
    assert one["utilisation_1"].mean == pytest.approx(other["utilisation_2"].mean, rel=1e-5)


def test_the_order_of_the_classes_does_not_matter():
    fields = {"size_law": "exponential", "information": "lengths", **SPLIT}
    one = jaxq.exact(TolledQueues(**TWO, **fields))
    other = jaxq.exact(TolledQueues(**{name: values[::-1] for name, values in TWO.items()}, **fields))
    assert one["revenue"] == pytest.approx(other["revenue"], rel=1e-12)
    assert one["join_1_2"] == pytest.approx(other["join_2_2"], rel=1e-12)
    assert one["sojourn_time_1"] == pytest.approx(other["sojourn_time_2"], rel=1e-12)


def test_units_of_time_work_and_money_do_not_matter():
    """Powers of two, so that every path is the same to the bit."""
    fields = {"size_law": "exponential", **TWO, **SPLIT}
    base = simulated(**fields)
    twice = {**fields, **{name: 2 * np.array(fields[name]) for name in ("rewards", "waiting_costs", "tolls")}}
    fast = {
        **fields,
        **{name: 2 * np.array(fields[name]) for name in ("arrival_rates", "waiting_costs", "service_rates")},
    }
    large = {**fields, "service_rates": 4 * np.array(fields["service_rates"]), "mean_sizes": [4.0, 4.0]}
    for changed, money, time, work in ((twice, 2, 1, 1), (fast, 1, 2, 1), (large, 1, 1, 4)):
        found = simulated(**changed)
        assert found["revenue"].mean == pytest.approx(base["revenue"].mean * money * time, rel=1e-6)
        assert found["join_2_1"].mean == base["join_2_1"].mean
        assert found["sojourn_time"].mean == pytest.approx(base["sojourn_time"].mean / time, rel=1e-6)
        assert found["workload"].mean == pytest.approx(base["workload"].mean * work, rel=1e-6)


def test_systems_with_other_servers_see_the_same_customers():
    """A server that nobody can afford changes nothing, whatever the laws and the tie rule."""
    fields = {"size_law": "exponential", "arrivals": "erlang:2", "ties": "random", **TWO}
    one = simulated(service_rates=1.0, tolls=3.0, **fields)
    three = simulated(service_rates=[0.1, 0.5, 1.0], tolls=[90.0, 90.0, 3.0], **fields)
    assert three["revenue"].mean == pytest.approx(one["revenue"].mean, rel=1e-6)
    assert three["join_1_3"].mean == pytest.approx(one["join_1"].mean, rel=1e-6)


def test_a_split_is_compared_on_the_same_customers():
    split = TolledQueues(**TWO, service_rates=[0.5, 0.5], tolls=[3.0, 3.0])
    pooled = TolledQueues(**TWO, service_rates=1.0, tolls=3.0)
    results = jaxq.compare([pooled, split], replicas=256, events=20_000, warmup=2000)
    row = next(d for d in results.differences if d["metric"] == "throughput")
    alone = math.hypot(*(result["throughput"].half_width for result in results))
    assert row["half_width"] < 0.7 * alone
    assert row["mean"] + row["half_width"] < 0  # Theorem 2.1


def test_ties_go_to_the_first_server_or_to_one_at_random():
    equal = {"service_rates": [0.5, 0.5], "tolls": [2.0, 2.0], **TWO}
    first, random = simulated(**equal), simulated(ties="random", **equal)
    assert first["utilisation_1"].mean > first["utilisation_2"].mean + 0.02
    drawn = random["utilisation_1"]
    assert abs(drawn.mean - random["utilisation_2"].mean) < 0.01
    # where two equal servers are both empty, who comes first does not matter
    assert random["revenue"].mean == pytest.approx(first["revenue"].mean, rel=2e-3)


def test_a_utility_of_zero_is_enough_unless_the_rule_is_strict():
    """R - theta = c/mu: only an empty server is good enough, and only just."""
    indifferent = {"arrival_rates": 0.9, "rewards": 10.3, "waiting_costs": 0.9, "service_rates": 0.3, "tolls": 7.3}
    weak = simulated(**indifferent)
    load = 0.9 / 0.3
    check_agreement(weak["throughput"], 0.3 * load / (1 + load), 2e-3)  # M/D/1/1 is Erlang's
    assert simulated(rule="strict", **indifferent)["throughput"].mean == 0.0


def test_one_class_that_never_joins_has_no_sojourn_time():
    result = simulated(arrival_rates=[0.5, 0.5], rewards=[10.0, 1.0], waiting_costs=[1.0, 1.0], tolls=4.0)
    assert result.flags == () and result["join_2"].mean == 0.0 and result["sojourn_time_2"].mean is None


def test_what_a_customer_knows_of_unit_sizes():
    """Work alone says as much as work and size if sizes are constant; lengths say less."""
    fields = {**TWO, **SPLIT}
    both, work = simulated(**fields), simulated(information="workload-only", **fields)
    assert both["revenue"].mean == work["revenue"].mean
    lengths = simulated(information="lengths", **fields)
    assert abs(lengths["throughput"].mean - both["throughput"].mean) > 10 * both["throughput"].half_width


def test_lengths_of_exponential_sizes_are_the_exact_chain():
    fields = {"size_law": "exponential", "information": "lengths", "ties": "random"}
    system = TolledQueues(**TWO, service_rates=[0.5, 0.5], tolls=[3.0, 3.0], **fields)
    exact = jaxq.exact(system)
    result = jaxq.simulate(system, replicas=256, events=200_000, warmup=2000)
    for name in ("revenue", "join_1_1", "join_2_2", "sojourn_time_2", "utilisation_2", "number_in_system"):
        check_agreement(result[name], exact[name], 0.01)


def test_identities_of_the_means():
    result = simulated(size_law="erlang:2", mean_sizes=[1.0, 2.0], information="workload-only", **TWO, **SPLIT)
    mean = {name: metric.mean for name, metric in result.metrics.items()}
    assert mean["welfare"] == pytest.approx(mean["revenue"] + mean["customer_utility"], rel=1e-6)
    assert mean["number_in_system"] == pytest.approx(mean["throughput"] * mean["sojourn_time"], rel=1e-6)
    assert mean["join_1"] == pytest.approx(mean["join_1_1"] + mean["join_1_2"], rel=1e-6)
    paid = sum(
        SPLIT["tolls"][j] * TWO["arrival_rates"][i] * mean[f"join_{i + 1}_{j + 1}"] for i in (0, 1) for j in (0, 1)
    )
    assert mean["revenue"] == pytest.approx(paid, rel=1e-6)
    for j in (0, 1):  # work that comes in is worked off
        work = sum(TWO["arrival_rates"][i] * (i + 1) * mean[f"join_{i + 1}_{j + 1}"] for i in (0, 1))
        assert SPLIT["service_rates"][j] * mean[f"utilisation_{j + 1}"] == pytest.approx(work, rel=3e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tolls": -1}, "tolls = -1.0: must be a number >= 0"),
        ({"rewards": -3}, "rewards = -3.0: must be a number >= 0"),
        ({"waiting_costs": 0}, "waiting_costs = 0.0: must be a number > 0"),
        ({"arrival_rates": [0.4, 0.5], "rewards": 12}, "rewards = 12.0: must have one entry for each of arrival_rates"),
        ({"mean_sizes": [1, 2]}, r"mean_sizes = \[1.0, 2.0\]: must have one entry for each of arrival_rates = 0.9"),
        ({"tolls": [1, 2]}, r"tolls = \[1.0, 2.0\]: must have one entry for each of service_rates = 1.0"),
        ({"service_rates": [0.5, 0.4], "tolls": [1, 1], "capacity": 1}, "must sum to capacity = 1, not 0.9"),
        ({"service_rates": [1.0] * 17, "tolls": [1.0] * 17}, "service_rates = 17 of them: must be at most 16"),
        ({"information": "nothing"}, "information = nothing: must be one of workload, workload-only, lengths"),
        (
            {"information": "lengths", "size_law": "erlang:2"},
            "size_law = erlang:2: must be deterministic or exponential",
        ),
        (
            {"information": "lengths", "size_law": "exponential", "arrivals": "erlang:2"},
            "arrivals = erlang:2: must be poisson",
        ),
        (
            {**TWO, "mean_sizes": [1, 2], "information": "lengths"},
            r"mean_sizes = \[1.0, 2.0\]: must be equal where only lengths are visible",
        ),
    ],
)
def test_what_is_not_allowed_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        TolledQueues(**fields)


def test_a_rare_class_comes_as_often_as_it_should():
    """1e-8/.90000001 x 2**32 = 47.7 of the words; on a grid of 2**-24 it was 256, which made join_1 a probability of 5.1."""
    prepared = TolledQueues([1e-8, 0.9], [10.0, 10.0], [1.0, 1.0], 1.0, 4.3).process()
    words = [np.uint32(7)] * (prepared.words - 1)
    kind = jax.jit(lambda word: prepared.next_event(prepared.init(()), (word, *words))[0][1])
    assert [int(kind(np.uint32(word))) for word in (0, 47, 48, 2**32 - 1)] == [0, 0, 1, 1]


def test_a_class_too_rare_to_be_drawn_is_refused():
    with pytest.raises(
        ValueError, match=r"^arrival_rates = \[1e-09, 0.9\]: an event has the probability 1.11e-09, must be 0"
    ):
        TolledQueues([1e-9, 0.9], [10.0, 10.0], [1.0, 1.0], 1.0, 4.3)
    with pytest.raises(
        ValueError, match=r"^arrivals = modulated:1,2;-1e-09,1e-09;1,-1: an event has the probability 1e-09"
    ):
        TolledQueues(0.9, 10.0, 1.0, 1.0, 4.3, arrivals="modulated:1,2;-1e-9,1e-9;1,-1")


def test_work_where_gaps_have_no_variance():
    """Utilisation and workload were means over time, 200 and 13 times as wide. Customers of size 1 are as much work each."""
    tolled = TolledQueues(0.5, 10, 1, 1, 4, arrivals="pareto:1.3")
    found = jaxq.simulate(tolled, replicas=64, events=20_000, warmup=4000)
    assert found["utilisation_1"].mean == pytest.approx(found["throughput"].mean, rel=1e-5)
    assert found["utilisation_1"].half_width < 0.001 and found["workload"].half_width < 0.01
