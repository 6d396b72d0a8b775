"""One server with a toll: closed forms against each other, brute force, and a plain simulation."""

from fractions import Fraction
from math import exp, factorial, floor

import numpy as np
import pytest

from jaxq.analytic.tolled_queues.chain import visible
from jaxq.analytic.tolled_queues.exponential import exponential
from jaxq.analytic.tolled_queues.level_crossing import deterministic
from jaxq.analytic.tolled_queues.naor import naor, thresholds
from tests.analytic.tolled_queues.balking import balking
from tests.analytic.tolled_queues.customers import simulated


@pytest.mark.parametrize(
    ("load", "lengths", "revenue"),
    [(0.5, (10, 5, 2), 24 / 7), (0.9, (10, 4, 2), 5.047970), (1.2, (10, 3, 2), 5.802198)],
)
def test_naor_s_three_thresholds(load, lengths, revenue):
    found = naor(load, 1.0, 10.0, 1.0)
    assert (found["n_s"], found["n_o"], found["n_r"]) == lengths
    assert found["revenue"] == pytest.approx(revenue, rel=1e-6)
    assert found["toll_r"] == 10 - lengths[2]


@pytest.mark.parametrize("load", [0.3, 1.0, 1.7])
def test_naor_s_thresholds_are_the_best_ones_of_the_birth_death_law(load):
    reward, cost, mu = 23.0, 1.5, 2.0
    welfare, revenue = [], []
    for n in range(1, int(reward * mu / cost) + 1):
        law = load ** np.arange(n + 1)
        law /= law.sum()
        throughput = load * mu * (1 - law[-1])
        welfare.append(reward * throughput - cost * (np.arange(n + 1) @ law))
        revenue.append((reward - cost * n / mu) * throughput)
        assert thresholds(load * mu, mu, n)[0][-1] == pytest.approx(throughput, rel=1e-13)
    found = naor(load * mu, mu, reward, cost)
    assert (found["n_s"], found["n_o"], found["n_r"]) == (
        len(welfare),
        np.argmax(welfare) + 1,
        np.argmax(revenue) + 1,
    )
    assert found["welfare"] == pytest.approx(max(welfare), rel=1e-12)
    assert found["welfare_s"] == pytest.approx(welfare[-1], rel=1e-12)


def test_naor_s_thresholds_survive_long_queues():
    found = naor(3.0, 1.0, 1e5, 1.0)
    assert found["n_o"] < found["n_s"] == 100_000
    assert found["revenue"] == pytest.approx(found["toll_r"] * (1 - 3.0 ** -found["n_r"]), rel=1e-4)


def _alternating(rho: Fraction, x: Fraction) -> float:
    """G of M/D/1 with e^(rho x) taken out, its polynomial summed exactly."""
    total = Fraction(0)
    shift = Fraction(exp(-float(rho)))
    for k in range(floor(x) + 1):
        total += (shift**k) * (rho * (k - x)) ** k / factorial(k)
    return float(total) * exp(float(rho * x))


@pytest.mark.parametrize("rho", ["1/2", "9/10", "3/2"])
@pytest.mark.parametrize("x", ["0", "3/10", "1", "47/10", "999/100", "61/2"])
def test_the_closed_form_keeps_its_digits(rho, x):
    rho, x = Fraction(rho), Fraction(x)
    odds = float(rho) * _alternating(rho, x)
    assert balking(float(rho), 1.0, float(x))["utilisation"] == pytest.approx(odds / (1 + odds), rel=1e-10)


def test_far_thresholds_lead_to_md1_or_to_a_server_always_busy():
    assert balking(0.9, 1.0, 1000.5)["join"] == pytest.approx(1.0, abs=1e-14)
    assert balking(2.3, 1.0, 1000.5)["throughput"] == pytest.approx(1.0, abs=1e-14)


def test_the_digits_of_one_and_two_classes():
    """One class: the closed form in rational numbers. Two: a guard of digits, simulated below."""
    odds = 0.9 * _alternating(Fraction(9, 10), Fraction(47, 10))
    assert balking(0.9, 1.0, 4.7)["throughput"] == pytest.approx(odds / (1 + odds), rel=1e-10)
    found = deterministic((0.4, 0.5), (12.0, 4.0), (2.0, 0.3), 1.0, 2.0)
    assert found["throughput"] == pytest.approx(0.85046266, abs=5e-9)


@pytest.mark.parametrize("arrival_rate", [0.3, 0.9, 1.7, 5.0])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0, 3.7, 20.25, 60.0])
def test_one_class_by_level_crossing_is_the_closed_form(arrival_rate, threshold):
    mu = 2.0
    found = deterministic(arrival_rate * mu, threshold + 1, 1.0 * mu, mu, 0.0)
    assert found["throughput"] == pytest.approx(balking(arrival_rate * mu, mu, threshold)["throughput"], rel=1e-13)


def test_equal_classes_are_one():
    one = deterministic(0.9, 10.0, 1.0, 1.0, 4.3)
    two = deterministic((0.4, 0.5), (10.0, 17.1), (1.0, 1.0 * 12.8 / 5.7), 1.0, 4.3)
    assert two["throughput"] == pytest.approx(one["throughput"], rel=1e-12)


CASES = [
    ((0.4, 0.5), (12.0, 4.0), (2.0, 0.3), 1.0, 2.0),
    ((1.0, 0.3, 2.0), (9.0, 5.0, 3.0), (1.0, 0.7, 0.9), 1.5, 1.2),
]


@pytest.mark.parametrize("case", CASES)
def test_deterministic_sizes_against_a_plain_simulation(case):
    found = deterministic(*case)
    ratio, errors, welfare, error = simulated(*case, np.ones(len(case[0])), False, 1)
    assert np.all(errors < 2e-3) and np.all(np.abs(ratio - found["join"]) < 4.5 * errors)
    assert error < 2e-3 * welfare and abs(welfare - found["welfare"]) < 4.5 * error


@pytest.mark.parametrize("case", CASES)
def test_exponential_sizes_against_a_plain_simulation(case):
    sizes = (1.0, 2.5, 0.4)[: len(case[0])]
    found = exponential(*case, sizes)
    ratio, errors, welfare, error = simulated(*case, sizes, True, 2)
    assert np.all(errors < 2e-3) and np.all(np.abs(ratio - found["join"]) < 4.5 * errors)
    assert error < 3e-3 * abs(welfare) and abs(welfare - found["welfare"]) < 4.5 * error


def test_one_class_of_exponential_sizes_in_closed_form():
    rate, threshold = 0.9, 4.7
    odds = rate * (1 + rate * np.expm1((rate - 1) * threshold) / (rate - 1))
    assert exponential(rate, 10.0, 1.0, 1.0, 4.3)["throughput"] == pytest.approx(odds / (1 + odds), rel=1e-12)
    assert exponential(5.0, 2000.0, 1.0, 1.0, 4.3)["throughput"] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("model", [deterministic, exponential, lambda *a, **k: visible(*a[:3], a[3:4], a[4:5], **k)])
def test_customers_of_utility_0_join_unless_strict(model):
    arguments = (0.3, 20.0, 5.0, 1.0, 15.0)
    assert model(*arguments)["throughput"] == pytest.approx(0.3 / 1.3, rel=1e-12)
    assert model(*arguments, strict=True)["throughput"] == 0


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("arrival_rates", {0: (0.4, -1)}),
        ("one an arrival rate", {1: (12.0,)}),
        ("waiting_costs", {2: (0.0, 1)}),
        ("service", {3: 0}),
    ],
)
def test_bad_input(field, change):
    arguments = list(CASES[0])
    for place, value in change.items():
        arguments[place] = value
    for model in (deterministic, exponential):
        with pytest.raises(ValueError, match=field):
            model(*arguments)


def test_bad_thresholds():
    with pytest.raises(ValueError, match="reward"):
        naor(1.0, 1.0, 0.5, 1.0)
    with pytest.raises(ValueError, match="cells"):
        deterministic(0.9, 1e7, 1.0, 1.0, 0.0)
