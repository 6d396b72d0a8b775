"""Tolls tuned where revenue is a staircase: the best one by formula is reached, printed beside, and can be typed in."""

import numpy as np
import pytest

import jaxq

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
    found = jaxq.tune(jaxq.TolledQueues(**fields), steps=150, verify=False)
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
    found = jaxq.tune(system, steps=60, verify=False)
    assert found.known is None
    assert found.best.objective == pytest.approx(found.tuned.oracle()["revenue"].value, rel=1e-12)
    for j in (0, 1):
        for step in (-0.05, 0.05):
            tolls = found.best.values["tolls"] + step * (np.arange(2) == j)
            assert system.replace(tolls=tolls).oracle()["revenue"].value < found.best.objective
