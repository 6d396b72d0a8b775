"""Tolls tuned where revenue is a staircase: the best one by formula is reached, printed beside, and can be typed in."""

import numpy as np
import pytest

import jaxq
from jaxq.analytic.tolled_queues.naor import naor

BY_LENGTH = {"information": "lengths", "size_law": "exponential"}
ONE = {"arrival_rates": 0.6, "rewards": 8.0, "waiting_costs": 1.0, "tolls": 4.0}
CASES = {
    # Naor (1969): with at most n customers, toll R - n c / mu and throughput lambda (1 - rho^n) / (1 - rho^(n+1))
    "naor .6": ({**ONE, **BY_LENGTH}, 6.0, 6 * 0.6 * (1 - 0.6**2) / (1 - 0.6**3)),
    "naor .9": (
        {"arrival_rates": 0.9, "rewards": 10.0, "waiting_costs": 1.0, **BY_LENGTH},
        8.0,
        8 * 0.9 * (1 - 0.9**2) / (1 - 0.9**3),
    ),
    "overloaded": (
        {"arrival_rates": 1.5, "rewards": 20.0, "waiting_costs": 1.0, **BY_LENGTH},
        17.0,
        17 * 1.5 * (1.5**3 - 1) / (1.5**4 - 1),
    ),
    "nobody waits": ({"arrival_rates": 0.5, "rewards": 6.0, "waiting_costs": 1.5, **BY_LENGTH}, 4.5, 4.5 * 0.5 / 1.5),
    "per hour": (
        {"arrival_rates": 54.0, "rewards": 10.0, "waiting_costs": 60.0, "service_rates": 60.0, **BY_LENGTH},
        8.0,
        60 * 8 * 0.9 * (1 - 0.9**2) / (1 - 0.9**3),
    ),
    # M/D/1, joined where work is at most (R - 6) mu / c - 1 = 1: throughput rho G / (1 + rho G), G = e^rho (level crossing)
    "unit sizes": (ONE, 6.0, 6 * (g := 0.6 * np.exp(0.6)) / (1 + g)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_best_toll_is_reached(case):
    fields, toll, revenue = CASES[case]
    found = jaxq.tune(jaxq.TolledQueues(**fields), steps=60, verify=False)
    assert found.best.values["tolls"] == pytest.approx(toll, rel=1e-4)
    assert found.best.objective == pytest.approx(revenue, rel=1e-4) and not found.flags
    assert found.known.values["tolls"] == pytest.approx(toll, rel=1e-6)
    assert found.known.objective == pytest.approx(revenue, rel=1e-6)
    # as printed, in 6 digits, it earns the same
    typed = found.tuned.replace(tolls=float(f"{found.best.values['tolls']:.6g}"))
    assert typed.oracle()["revenue"].value == pytest.approx(revenue, rel=1e-4)


def test_the_simulation_earns_it_at_the_edge():
    """The customer whose utility is 0 joins (rule weak), in the simulation as in the formula."""
    fields, _, revenue = CASES["naor .6"]
    found = jaxq.tune(jaxq.TolledQueues(**fields), steps=60, replicas=128, events=20_000)
    simulated = found.verification.best["revenue"]
    assert simulated.half_width < 0.01 * revenue
    assert abs(simulated.mean - revenue) < 2 * simulated.half_width
    assert "known optimum: tolls 6" in str(found) and found.to_dict()["known"]["parameters"] == {"tolls": 6.0}


def test_nothing_is_known_of_two_servers():
    """Their tolls are polished all the same: by the exact chain, over the jumps of each."""
    system = jaxq.TolledQueues(
        arrival_rates=0.9, rewards=8.0, waiting_costs=1.0, service_rates=[0.6, 0.4], tolls=[3.0, 2.0], **BY_LENGTH
    )
    found = jaxq.tune(system, "tolls", steps=60, verify=False)
    assert found.known is None
    assert found.best.objective == pytest.approx(found.tuned.oracle()["revenue"].value, rel=1e-12)
    for j in (0, 1):
        for step in (-0.05, 0.05):
            tolls = found.best.values["tolls"] + step * (np.arange(2) == j)
            assert system.replace(tolls=tolls).oracle()["revenue"].value < found.best.objective
    # rates as well: customers who are alike are best served by one server, and that is what is left of the two
    both = jaxq.tune(system, steps=60, verify=False)
    assert sorted(both.best.values) == ["service_rates", "tolls"]
    assert both.best.objective == pytest.approx(naor(0.9, 1.0, 8.0, 1.0)["revenue"], rel=1e-4)
    assert max(both.best.values["service_rates"]) > 0.999


TWO = {"arrival_rates": [0.5, 0.8], "rewards": [12.0, 4.0], "waiting_costs": [3.0, 0.8]}


def test_rates_alone_are_tuned_at_fixed_tolls():
    """No share on a fine grid earns more; the rates keep their sum."""
    system = jaxq.TolledQueues(**TWO, service_rates=[1.0, 1.0], tolls=[6.0, 2.0], **BY_LENGTH)
    found = jaxq.tune(system, "service_rates", steps=60, verify=False)
    rates = found.best.values["service_rates"]
    assert rates.sum() == pytest.approx(2.0, rel=1e-12) and not found.flags
    assert found.best.objective == pytest.approx(found.tuned.oracle()["revenue"].value, rel=1e-12)
    grid = [system.replace(service_rates=[x, 2 - x]) for x in np.linspace(0.02, 1.98, 50)]
    assert found.best.objective > max(one.oracle()["revenue"].value for one in grid) * (1 - 1e-4)
    assert found.best.objective > 1.01 * system.oracle()["revenue"].value


def test_rates_and_tolls_together_beat_the_best_single_toll():
    """The market that a search splits with a gain of 1.2 %, from a given start; 22/7 = 3.142857 at 11 is one server's best:
    the class in haste joins when it is empty, everyone else always."""
    market = {"arrival_rates": [0.4, 1.0], "rewards": [15.0, 3.0], "waiting_costs": [4.0, 0.05]}
    system = jaxq.TolledQueues(**market, service_rates=[0.6, 0.4], tolls=[8.0, 2.0], capacity=1.0)
    found = jaxq.tune(system, ["service_rates", "tolls"], steps=150, verify=False)
    assert found.best.values["service_rates"].sum() == pytest.approx(1.0, rel=1e-9)
    single = system.single_toll()
    assert single == pytest.approx((11.0, 22 / 7), rel=1e-6)
    typed = {name: [float(f"{x:.6g}") for x in values] for name, values in found.best.values.items()}
    revenue = jaxq.simulate(system.replace(**typed), replicas=256, events=8000, warmup=1000, seed=5)["revenue"]
    assert revenue.half_width < 0.007 and revenue.mean - revenue.half_width > single[1] + 0.02


def test_the_split_as_printed_earns_what_was_found():
    """Rates .76391, .23609 and tolls 9.7638, 2.6675 leave the class in haste less than nothing, by 7e-5; a printed unit less
    than its edge, 9.763, earns 3.18."""
    market = {"arrival_rates": [0.4, 1.0], "rewards": [15.0, 3.0], "waiting_costs": [4.0, 0.05]}
    system = jaxq.TolledQueues(**market, service_rates=[0.76391, 0.23609], tolls=[9.763, 2.6675])
    revenue = jaxq.simulate(system, replicas=256, events=8000, warmup=1000)["revenue"]
    assert revenue.half_width < 0.007 and abs(revenue.mean - 3.1801) < 2 * revenue.half_width
    over = system.replace(tolls=[9.7638, 2.6675])
    assert jaxq.simulate(over, replicas=64, events=2000, warmup=200)["revenue"].mean < 0.7


def test_one_server_has_no_rates_to_share():
    with pytest.raises(ValueError, match="parameter = service_rates: the objective smooth_revenue depends on tolls"):
        jaxq.tune(jaxq.TolledQueues(**ONE, **BY_LENGTH), "service_rates")
