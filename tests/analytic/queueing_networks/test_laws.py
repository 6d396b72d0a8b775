"""Product forms, totals and priorities against global balance on a box, and against what is known by hand."""

import numpy as np
import pytest

from jaxq.analytic.queueing_networks.chain import Scores, law, small_numbers
from jaxq.analytic.queueing_networks.priority import preemptive
from jaxq.analytic.queueing_networks.product_form import shared_numbers, shared_tail
from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.analytic.queueing_networks.stability import feeds_forward, re_entrant, virtual_stations
from jaxq.analytic.queueing_networks.totals import class_numbers, station_totals
from tests.analytic.queueing_networks.chain import means

CUT = 1e-5
"""What the box of the witness cuts off, as a share of a mean."""


def rates(alpha, mu, station, servers, routing) -> Rates:
    return Rates(*map(np.float64, (alpha, mu)), np.array(station), np.array(servers), np.float64(routing))


FEEDBACK = ([0.2, 0.15, 0], [1.0, 2.0, 1.5], [0, 0, 1], [1, 1], [[0, 0.25, 0.5], [0, 0, 0.5], [0.125, 0, 0]])
"""Two classes of different rates at one station, one at another, and back."""
TWO_SERVERS = ([0.3, 0.2], [0.5, 0.9], [0, 0], [2], [[0, 0.2], [0, 0]])
CRISS_CROSS = ([0.3, 0, 0.3], [2.0, 1.0, 2.0], [0, 1, 0], [1, 1], [[0, 1, 0], [0, 0, 0], [0, 0, 0]])


def test_the_traffic_equations_are_those_of_the_balance_of_each_class():
    given = rates(*FEEDBACK)
    inflow = given.arrival_rates + given.throughputs() @ given.routing
    assert inflow == pytest.approx(given.throughputs(), rel=1e-12)
    _, busy = means("sharing", *FEEDBACK, most=[12, 12, 12])
    assert busy == pytest.approx(given.loads(), rel=1e-4)


@pytest.mark.parametrize(("network", "most"), [(FEEDBACK, [15, 13, 12]), (TWO_SERVERS, [40, 40])])
def test_shared_stations_have_product_form(network, most):
    numbers, _ = means("sharing", *network, most=most)
    assert shared_numbers(rates(*network)) == pytest.approx(numbers, rel=1e-4)


def test_the_law_of_a_class_is_geometric():
    loads = rates(*FEEDBACK).loads()
    tail = shared_tail(loads[0], loads[1], 1)
    mean = sum(tail(n) for n in range(200))
    assert mean == pytest.approx(shared_numbers(rates(*FEEDBACK))[0], rel=1e-12)
    assert shared_tail(0.5, 0.5, 2) is None and tail(-1) == 1 and tail(np.inf) == 0


@pytest.mark.parametrize("order", [[0, 2, 1], [1, 2, 0]])
def test_a_priority_of_equal_rates_has_the_totals_of_jackson_and_classes_by_difference(order):
    given = rates(*CRISS_CROSS)
    numbers, _ = means("priority", *CRISS_CROSS, most=[10, 12, 10], order=order)
    totals, known = station_totals(given, [0, 1]), class_numbers(given, [0, 1], np.array(order))
    assert totals == {0: pytest.approx(0.3 / 0.7)} and numbers[[0, 2]].sum() == pytest.approx(totals[0], rel=CUT)
    first = order[0] == 0
    assert set(known) == ({0, 1, 2} if first else {0, 2})  # behind a class that comes first it is a tandem
    assert [known[k] for k in known] == pytest.approx([numbers[k] for k in known], rel=CUT)


def test_totals_are_not_given_where_they_depend_on_who_is_served():
    slower = rates(*CRISS_CROSS)._replace(service_rates=np.array([2.0, 1.0, 1.9]))
    assert station_totals(slower, [0, 1]) == {} and station_totals(rates(*CRISS_CROSS), [1]) == {}
    longest, shared = (means(policy, *CRISS_CROSS, most=[10, 12, 10])[0] for policy in ("longest-queue", "sharing"))
    assert longest[[0, 2]].sum() == pytest.approx(shared[[0, 2]].sum(), rel=CUT)
    assert abs(longest[1] - shared[1]) > 5e-4  # nor does the second station have them


def test_feedback_between_stations_keeps_totals_where_classes_are_routed_alike():
    network = ([0.2, 0.1, 0], [1.2, 1.2, 1.5], [0, 0, 1], [1, 1], [[0, 0.1, 0.4], [0.1, 0, 0.4], [0.2, 0.1, 0]])
    numbers, _ = means("priority", *network, most=[12, 12, 12], order=[1, 0, 2])
    totals = station_totals(rates(*network), [0, 1])
    assert totals == {0: pytest.approx(numbers[:2].sum(), rel=1e-5), 1: pytest.approx(numbers[2], rel=1e-5)}


def test_preemptive_priority_of_unequal_rates():
    alpha, mu = np.array([0.2, 0.15, 0.1]), np.array([1.0, 2.0, 0.6])
    numbers, _ = means("priority", alpha, mu, [0, 0, 0], [1], np.zeros((3, 3)), most=[10, 10, 18], order=[0, 1, 2])
    assert preemptive(alpha, mu) == pytest.approx(numbers, rel=1e-5)
    given = rates(alpha, mu, [0, 0, 0], [1], np.zeros((3, 3)))
    assert class_numbers(given, [0], np.array([0, 1, 2])) == pytest.approx(dict(enumerate(preemptive(alpha, mu))))


POLICIES = {
    "priority": Scores(None, np.array([1, 0, 0])),
    "longest-queue": Scores(np.eye(3)),
    # 80 mu_k (n_k - sum_l P_kl n_l)
    "max-pressure": Scores(np.array([[80, -20, -40], [0, 160, -80], [-15, 0, 120]]), idles=True),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_chain_of_a_small_network_is_that_of_the_definitions(policy):
    most = [9, 8, 8]
    numbers, _ = means(policy, *FEEDBACK, most=most, order=[1, 0, 0], lost=True)
    found = law(rates(*FEEDBACK), most, POLICIES[policy])
    assert found.numbers == pytest.approx(numbers, rel=1e-9) and found.last.max() > 1e-7
    far = small_numbers(rates(*FEEDBACK), POLICIES[policy])
    assert far == pytest.approx(numbers, rel=0.02) and far.sum() > numbers.sum()


def test_a_class_to_which_nobody_comes_is_no_division_by_zero():
    """Its last number has probability 0; the other class is M/M/1 behind nobody, in a box that grows."""
    given = rates([0.6, 0.0], [1.0, 2.0], [0, 0], [1], np.zeros((2, 2)))
    with np.errstate(all="raise"):
        found = small_numbers(given, Scores(np.eye(2)))
    assert found == pytest.approx([1.5, 0.0], rel=1e-6)


def test_a_class_that_comes_first_and_feeds_the_other_does_not_lock_the_box():
    """One server, two visits, the first visit first; equal rates: M/M/1 whose customer leaves or goes behind, and the first
    class alone is M/M/1 of half the load."""
    given = rates([0.3, 0.0], [1.0, 1.0], [0, 0], [1], [[0, 1 + 1e-15], [0, 0]])
    found = small_numbers(given, Scores(None, np.array([0, 1])))
    numbers, _ = means(
        "priority", [0.3, 0], [1, 1], [0, 0], [1], [[0, 1], [0, 0]], most=[25, 60], order=[0, 1], lost=True
    )
    assert found == pytest.approx(numbers, rel=1e-6) and found[0] == pytest.approx(0.3 / 0.7)


def test_a_chain_is_given_up_where_it_is_long_or_grows():
    heavy = rates(*FEEDBACK)._replace(arrival_rates=np.array([0.45, 0.35, 0]))
    over = rates([0.6, 0.9], [1.0, 1.0], [0, 0], [1], np.zeros((2, 2)))
    assert heavy.utilisations().max() < 1 < over.utilisations().max()
    assert small_numbers(heavy, POLICIES["longest-queue"]) is None
    assert small_numbers(over, Scores(None, np.array([0, 1]))) is None


def test_a_virtual_station_is_seen_under_the_priority_that_makes_it():
    there_and_back = rates(
        [1, 0, 1, 0], [10, 1 / 0.6, 10, 1 / 0.6], [0, 1, 1, 0], [1, 1], np.eye(4, k=1) * [[1], [0], [1], [0]]
    )
    exit_first, entry_first = np.array([3, 0, 2, 1]), np.array([0, 3, 1, 2])
    assert virtual_stations(there_and_back, exit_first) == [(1, 3, pytest.approx(1.2))]
    assert virtual_stations(there_and_back, entry_first) == []
    assert there_and_back.utilisations() == pytest.approx([0.7, 0.7])
    assert not feeds_forward(there_and_back) and not re_entrant(there_and_back)
    line = there_and_back._replace(arrival_rates=np.array([1.0, 0, 0, 0]), routing=np.eye(4, k=1))
    assert re_entrant(line) and feeds_forward(rates(*CRISS_CROSS)) and not re_entrant(rates(*CRISS_CROSS))
