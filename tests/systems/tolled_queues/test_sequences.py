"""Class-dependent exponential sizes with lengths, or the classes of everyone ahead, visible: Section 1 of Shen."""

import random as plain_random

import numpy as np
import pytest

import jaxq
from jaxq.analytic.stations.erlang import erlang_b
from jaxq.analytic.tolled_queues.chain import visible
from jaxq.experiments.tolled_queues.conjecture import CLASSES
from jaxq.systems.tolled_queues.model import TolledQueues
from jaxq.systems.tolled_queues.processes.sequences import Sequences, words_for
from tests.agreement import check_agreement

COUNTEREXAMPLE = CLASSES.replace(information="classes")
TWO = TolledQueues(
    arrival_rates=[0.4, 0.7],
    rewards=[14, 6],
    waiting_costs=[3, 0.5],
    mean_sizes=[1.5, 0.4],
    service_rates=[0.6, 0.4],
    tolls=[4, 2.5],
    size_law="exponential",
    information="lengths",
)
COMPARED = ("revenue", "throughput", "welfare", "join_1", "join_2_2", "sojourn_time", "utilisation_2")


def small(information, **fields):
    """lambda (1, 1/2), sizes (1, 3), mu = c = 1; class 1 accepts work 3, its own included, class 2 4."""
    fields = {"rewards": [5, 6], "tolls": 2, "mean_sizes": [1, 3], "information": information, **fields}
    return TolledQueues([1, 0.5], waiting_costs=[1, 1], size_law="exponential", **fields)


def test_customers_who_see_a_number_take_each_one_for_the_mean_of_all_who_come():
    """Of mean 5/3: class 1 joins behind at most one, class 2 the empty server. Weights of 0, 1, 11, 2, 21 (first in line
    first) by hand: 1.5 p0 = p1 + p2/3; (1/3 + 1) p2 = p0/2; p21/3 = p2; 2 p1 = p0 + p11 + p21/3; p11 = p1."""
    weights = np.array([1, 11 / 8, 11 / 8, 3 / 8, 9 / 8])
    empty, one, _, long, _ = weights / weights.sum()
    join = np.array([empty + one + long, empty])
    assert join == pytest.approx([11 / 21, 4 / 21])
    exact = jaxq.exact(small("lengths"))
    assert [exact["join_1"], exact["join_2"]] == pytest.approx(join, rel=1e-12)
    assert exact["revenue"] == pytest.approx(2 * 13 / 21, rel=1e-12)
    assert exact["utilisation_1"] == pytest.approx(17 / 21, rel=1e-12)
    assert small("lengths").oracle()["revenue"].value == pytest.approx(2 * 13 / 21, rel=1e-12)


def test_customers_who_see_the_classes_ahead_add_up_their_means():
    """Class 1 joins behind 1 and 11, class 2 behind 1 alone. Weights of 0, 1, 11, 111, 2, 12 by hand: p111 = p11;
    2 p11 = p1 + p111; 2.5 p1 = p0 + p11; p12 = p1/2, which leaves for 2; p2/3 = p0/2 + p12."""
    p1 = 2 / 3
    weights = np.array([1, p1, p1, p1, 3 * (0.5 + p1 / 2), p1 / 2])
    empty, one, two, _, _, _ = weights / weights.sum()
    exact = jaxq.exact(small("classes"))
    assert [exact["join_1"], exact["join_2"]] == pytest.approx([empty + one + two, empty + one], rel=1e-12)
    assert small("classes").oracle()["welfare"].value == pytest.approx(exact["welfare"], rel=1e-12)


@pytest.mark.parametrize("information", ["lengths", "classes"])
def test_the_counterexample_of_equal_tolls(information):
    """The halves are joined by the short jobs, when empty: Erlang's loss system, load 4; one server earns far less. With
    lengths visible toll 9 lets both classes join the empty server and nobody else: 9 x 2.5 / (1 + 2 + 10)."""
    split = COUNTEREXAMPLE.replace(information=information)
    assert jaxq.exact(split)["revenue"] == pytest.approx(8 * 2 * (1 - erlang_b(2, 4.0)), rel=1e-12)
    best = {"lengths": (9.0, 22.5 / 13), "classes": (8.0, 1.192389)}[information]
    assert split.single_toll() == pytest.approx(best, abs=5e-7)
    pooled = split.replace(service_rates=[1.0], tolls=[best[0]])
    results = jaxq.compare([pooled, split], replicas=256, events=40_000, warmup=4000, seed=2)
    check_agreement(results[0]["revenue"], best[1], 0.02)
    check_agreement(results[1]["revenue"], 80 / 13, 0.01)


@pytest.mark.parametrize("information", ["lengths", "classes"])
@pytest.mark.parametrize("ties", ["first", "random"])
def test_the_simulation_agrees_with_the_chain_of_sequences(information, ties):
    system = TWO.replace(information=information, ties=ties)
    if ties == "random":
        system = system.replace(service_rates=[0.5, 0.5], tolls=[3.0, 3.0])
    oracle = system.oracle()
    result = jaxq.simulate(system, replicas=256, events=40_000, warmup=2000, seed=1)
    for name in COMPARED:
        check_agreement(result[name], oracle[name].value, 0.02)


def test_strict_customers_balk_where_nothing_is_left():
    """The short jobs of the counterexample have a utility of 0 in an empty half."""
    assert "revenue" not in COUNTEREXAMPLE.replace(rule="strict").oracle()
    assert jaxq.exact(COUNTEREXAMPLE.replace(rule="strict"))["revenue"] == 0
    assert jaxq.exact(small("lengths", rule="strict"))["revenue"] == pytest.approx(2 * 13 / 21, rel=1e-12)


def test_what_is_0_on_every_path_does_not_keep_a_run_from_ending():
    """Customers who join find an empty server, wait for nothing and are left with nothing."""
    found = jaxq.simulate(COUNTEREXAMPLE, replicas=256, events=20_000, seed=3)
    assert not found.flags
    check_agreement(found["revenue"], 80 / 13, 0.01)
    assert abs(found["customer_utility"].mean) < 1e-12


def test_equal_means_are_the_chain_of_lengths():
    classes = TWO.replace(mean_sizes=[1.5, 1.5], information="classes")
    assert not isinstance(classes.process(), Sequences)
    lengths = jaxq.exact(classes.replace(information="lengths"))
    assert jaxq.exact(classes)["revenue"] == pytest.approx(lengths["revenue"], rel=1e-12)


def test_what_is_expected_of_those_ahead_can_be_given():
    """Whoever takes everyone for half as large joins longer lines."""
    half = TWO.replace(mean_sizes=[1.0, 1.0], size_ahead=0.5)
    known = visible([0.4, 0.7], [14, 6], [3, 0.5], [0.6, 0.4], [4, 2.5], size_ahead=0.5)
    assert jaxq.exact(half)["welfare"] == pytest.approx(known["welfare"], rel=1e-12)
    assert half.oracle()["throughput"].value > TWO.replace(mean_sizes=[1.0, 1.0]).oracle()["throughput"].value


def test_a_line_of_several_words_is_served_in_order():
    kinds = [0.5, 1.0, 2.0]
    system = TWO.replace(
        arrival_rates=[1, 1, 1], rewards=[60, 60, 60], waiting_costs=[1, 1, 1], mean_sizes=kinds, information="classes"
    )
    process = system.process()
    assert process.words_in_line == 5  # (60 - 2.5) x .6 / .5 = 69 customers of two bits, 15 a word
    rng = plain_random.Random(3)
    state, lines = process.init(()), [[], []]
    for _ in range(600):
        j, kind = rng.randrange(2), rng.randrange(3)
        if len(lines[j]) < 60 and (not lines[j] or rng.random() < 0.6):
            state = process.jump(state, 2 * kind + j)
            lines[j].append(kind)
        else:
            rates = process.rates(state)
            assert float(rates[6 + j]) == pytest.approx(system.service_rates[j] / kinds[lines[j].pop(0)], rel=1e-6)
            state = process.jump(state, 6 + j)
        assert [int(n) for n in state[j][0]] == [lines[j].count(k) for k in range(3)]


def test_words_hold_31_bits():
    assert [words_for(1, 400), words_for(2, 31), words_for(2, 32), words_for(4, 15), words_for(5, 11)] == [
        0,
        1,
        2,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size_law": "deterministic"}, r"mean_sizes = \[1.5, 0.4\]: must be equal where only lengths are visible and"),
        (
            {"size_law": "deterministic", "information": "classes"},
            "size_law = deterministic: must be exponential where",
        ),
        ({"information": "classes", "size_ahead": 1}, "size_ahead = 1: must be none unless information = lengths"),
        ({"arrivals": "erlang:2"}, "arrivals = erlang:2: must be poisson where only lengths are visible"),
        (
            {"size_law": "deterministic", "mean_sizes": [1, 1], "size_ahead": 2},
            "size_ahead = 2: must be none where only lengths are visible and sizes are not exponential",
        ),
        (
            {"rewards": [14, 6000]},
            r"rewards = \[14.0, 6000.0\]: must leave at most 512 customers at a server where mean sizes differ and only "
            "lengths are visible, not 8994",
        ),
    ],
)
def test_what_is_not_allowed_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        TWO.replace(**fields)
