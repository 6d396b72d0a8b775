"""Exact laws of small networks against closed forms, QGym's N-model, and themselves under another numbering."""

import numpy as np
import pytest

from jaxq.analytic.parallel_servers import exact
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.stations.erlang import erlang_c
from jaxq.analytic.stations.mmc import mmc

N_RATES, N_SPEEDS = (0.38, 1.235), ((1, 0), (0.5, 1))
X = ((5, 4), ((2, 0.5), (2, 1)), (2, 2), (1, 0.5), (1, 2))
MAX_WEIGHT = exact.greedy([(0, 0), (1, 1), (1, 0)], np.array([[1], [3]]) * N_SPEEDS)


def customers(law):
    return law.queue + law.busy.sum(axis=1)


def test_erlang_a():
    expected = mmc(5, 1, 4, 0.7)
    only = exact.in_order(((0,),))
    for law in (
        exact.nonpreemptive((5,), ((1,),), (4,), 0.7, join=only, serve=only, most_waiting=(60,)),
        exact.preemptive((5,), ((1,),), (4,), 0.7, allocate=exact.greedy(((0, 0),)), most_customers=(64,)),
    ):
        assert law.queue[0] == pytest.approx(expected["queue_length"], rel=1e-11)
        assert law.abandonment[0] == pytest.approx(expected["probability_abandon"], rel=1e-11)
        assert law.busy[0, 0] == pytest.approx(4 * expected["utilisation"], rel=1e-11)
        assert law.reward_rate == pytest.approx(4 * expected["utilisation"], rel=1e-11) and law.lost[0] < 1e-30


def test_two_priorities_in_one_pool_are_cobhams():
    rates, servers = (0.9, 0.6), 3
    law = exact.nonpreemptive(
        rates, ((1,), (1,)), (servers,), join=exact.in_order(((0,), (0,))), serve=exact.in_order(((0, 1),)),
        most_waiting=(60, 80),
    )  # fmt: skip
    load = sum(rates) / servers
    first = erlang_c(servers, sum(rates)) / (servers - rates[0])
    np.testing.assert_allclose(law.queue, [rates[0] * first, rates[1] * first / (1 - load)], rtol=1e-10)
    np.testing.assert_allclose(law.busy[:, 0], rates, rtol=1e-10)


def test_two_preemptive_priorities_at_one_server():
    # preemptive resume: T_2 = (1/mu_2 (1 - rho) + sum lambda_i / mu_i^2) / ((1 - rho_1) (1 - rho))
    rates, speeds = np.array([0.3, 0.35]), np.array([1.0, 0.8])
    law = exact.preemptive(
        rates, speeds[:, None], (1,), allocate=exact.greedy(((0, 0), (1, 0))), most_customers=(60, 250)
    )
    rho = rates / speeds
    time = ((1 - rho.sum()) / speeds[1] + np.sum(rates / speeds**2)) / ((1 - rho[0]) * (1 - rho.sum()))
    np.testing.assert_allclose(customers(law), [rho[0] / (1 - rho[0]), rates[1] * time], rtol=1e-9)


def test_drawn_priorities_far_apart_are_static_and_a_coin_is_its_mean():
    cut = {"most_customers": (12, 12)}
    order = [(1, 0), (1, 1), (0, 1), (0, 0)]
    static = exact.preemptive(*X, allocate=exact.greedy(order), **cut)
    drawn = exact.preemptive(*X, allocate=exact.drawn(0.0, (0, 60), [[1, 0], [0, 1]]), **cut)
    np.testing.assert_allclose(drawn.busy, static.busy, rtol=1e-12)
    three = Rates.checked((1, 1, 1), np.ones((3, 1)), (1,))
    customers = np.array([[1, 2, 1], [0, 2, 1], [0, 0, 0], [9, 0, 0]])
    busy = exact.drawn((np.log(2), 0, 0), (0, 0, 0), [[0]] * 3)(three, customers)[:, :, 0]
    # the first has twice the weight of each other one, which share the server equally where it is not there
    np.testing.assert_allclose(busy, [[0.5, 0.25, 0.25], [0, 0.5, 0.5], [0, 0, 0], [1, 0, 0]], atol=1e-15)
    assert np.isfinite(exact.drawn((500, 0, 0), 0, [[0]] * 3)(three, customers)).all()


def test_qgyms_n_model():
    """Sparse chains with an edge mass below 1e-11; MaxWeight 48.4328, class 1 first 54.0552, class 2 first unstable."""
    heaviest = exact.preemptive(N_RATES, N_SPEEDS, (1, 1), allocate=MAX_WEIGHT, most_customers=(420, 260))
    assert heaviest.lost.max() < 1e-11
    np.testing.assert_allclose(customers(heaviest), [14.936005, 11.165598], atol=5e-7)
    assert customers(heaviest) @ (1, 3) == pytest.approx(48.432798, abs=5e-7)
    first = exact.preemptive(
        N_RATES, N_SPEEDS, (1, 1), allocate=exact.greedy(((1, 1), (0, 0), (1, 0))), most_customers=(60, 700)
    )
    # class 1 has server 1 for itself
    assert customers(first)[0] == pytest.approx(0.38 / 0.62, rel=1e-12)
    assert customers(first) @ (1, 3) == pytest.approx(54.055167, abs=5e-7)
    second = [
        exact.preemptive(
            N_RATES, N_SPEEDS, (1, 1), allocate=exact.greedy(((1, 1), (1, 0), (0, 0))), most_customers=(most, 60)
        )
        for most in (100, 200)
    ]
    for law, most in zip(second, (100, 200), strict=True):
        assert law.lost[0] > 0.2 and customers(law)[0] > 0.85 * most


def test_max_weight_works_on_what_is_left_and_gives_ties_to_the_faster():
    given = Rates.checked(N_RATES, N_SPEEDS, (1, 1))
    allocate = MAX_WEIGHT
    busy = allocate(given, np.array([[1, 1], [1, 2], [3, 2], [0, 2], [4, 0]]))
    np.testing.assert_array_equal(
        busy, [[[1, 0], [0, 1]], [[0, 0], [1, 1]], [[1, 0], [0, 1]], [[0, 0], [1, 1]], [[1, 0], [0, 0]]]
    )


@pytest.mark.parametrize("rule", ["priority", "longest"])
def test_another_numbering_gives_the_same_law(rule):
    rates, speeds, servers, patience, rewards = map(np.array, X)
    make = exact.in_order if rule == "priority" else exact.largest
    law = exact.nonpreemptive(*X, join=make(((0, 1), (1, 0))), serve=make(((1, 0), (0, 1))), most_waiting=(12, 14))
    flipped = exact.nonpreemptive(
        rates[::-1], speeds[::-1, ::-1], servers[::-1], patience[::-1], rewards[::-1],
        join=make(((0, 1), (1, 0))), serve=make(((1, 0), (0, 1))), most_waiting=(14, 12),
    )  # fmt: skip
    np.testing.assert_allclose(law.busy, flipped.busy[::-1, ::-1], rtol=1e-9)
    np.testing.assert_allclose(law.queue, flipped.queue[::-1], rtol=1e-9)
    assert law.reward_rate == pytest.approx(flipped.reward_rate, rel=1e-9)


def test_the_largest_of_what_is_there():
    rule = exact.largest([(0, 1, 2)], [[0.0, 0.0, 2.0]])
    assert [rule(0, amounts) for amounts in ((0, 3, 1), (0, 3, 0), (2, 2, 0), (0, 0, 0))] == [2, 1, 0, None]


def test_flows_balance():
    law = exact.nonpreemptive(
        *X, join=exact.in_order(((0, 1), (1, 0))), serve=exact.in_order(((1, 0), (1, 0))), most_waiting=(8, 9)
    )
    served = np.sum(np.multiply(X[1], law.busy), axis=1)
    np.testing.assert_allclose(served / X[0] + law.abandonment + law.lost, 1, rtol=1e-10)
    assert np.all(law.lost > 1e-9) and law.reward_rate == pytest.approx(served @ X[4])


def test_equal_pools_are_one_pool():
    two = exact.nonpreemptive(
        (3, 2), ((1, 1), (2, 2)), (2, 1), 0.5, join=exact.in_order(((0, 1), (1, 0))),
        serve=exact.in_order(((0, 1), (0, 1))), most_waiting=(15, 15),
    )  # fmt: skip
    one = exact.nonpreemptive(
        (3, 2), ((1,), (2,)), (3,), 0.5, join=exact.in_order(((0,), (0,))), serve=exact.in_order(((0, 1),)),
        most_waiting=(15, 15),
    )  # fmt: skip
    np.testing.assert_allclose(two.queue, one.queue, rtol=1e-10)
    np.testing.assert_allclose(two.busy.sum(axis=1), one.busy[:, 0], rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"most_waiting": (5,)}, r"most_waiting = \[5\]: must have one number a class"),
        ({"most_waiting": (5, 0.5)}, r"most_waiting\[1\] = 0.5"),
        ({"most_waiting": (400, 400)}, "more than 1000 states"),
    ],
)
def test_bad_input(change, words, monkeypatch):
    monkeypatch.setattr(exact, "MOST_STATES", 1000)
    rules = {"join": exact.in_order(((0, 1), (1, 0))), "serve": exact.in_order(((1, 0), (1, 0)))}
    with pytest.raises(ValueError, match=words):
        exact.nonpreemptive(*X, **rules, **change)


def test_bad_preemptive_input():
    with pytest.raises(ValueError, match="more than 150000 states"):
        exact.preemptive(N_RATES, N_SPEEDS, (1, 1), allocate=MAX_WEIGHT, most_customers=(500, 500))
    with pytest.raises(ValueError, match=r"order = \[\(0, 0\)\]: must have every edge"):
        exact.preemptive(N_RATES, N_SPEEDS, (1, 1), allocate=exact.greedy(((0, 0),)), most_customers=(5, 5))
    with pytest.raises(ValueError, match=r"servers\[1\] = 1.5"):
        exact.nonpreemptive(*X[:2], (1, 1.5), join=exact.in_order(()), serve=exact.in_order(()), most_waiting=(1, 1))
