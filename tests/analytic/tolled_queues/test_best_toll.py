"""The best single toll: by formula, against every other toll, and never past a jump."""

import numpy as np
import pytest

from jaxq.analytic.tolled_queues.best_toll import (
    best_toll,
    deterministic_best_toll,
    exponential_best_toll,
    visible_best_toll,
)
from jaxq.analytic.tolled_queues.chain import visible
from jaxq.analytic.tolled_queues.exponential import exponential
from jaxq.analytic.tolled_queues.level_crossing import deterministic
from jaxq.analytic.tolled_queues.naor import naor
from tests.analytic.tolled_queues.balking import balking


def test_the_digits_of_the_formula():
    """A guard of digits; that they are optima is tested below (notebooks/mathematics/tolled_queues.md, sections 3 and 5).

    45/13: at toll 15 class 1 alone joins, and only if the server is idle (20 - 15 pays one service at cost 5), so that
    revenue is 15 x .3/(1 + .3)."""
    toll, revenue = deterministic_best_toll(0.9, 10.0, 1.0, 1.0)
    assert (toll, revenue) == (pytest.approx(7.6404, abs=5e-5), pytest.approx(5.551146, abs=5e-7))
    toll, revenue = deterministic_best_toll((0.4, 0.5), (12.0, 4.0), (2.0, 0.3), 1.0)
    assert (toll, revenue) == (pytest.approx(8.0, abs=1e-9), pytest.approx(2.989760, abs=5e-7))
    toll, revenue = deterministic_best_toll((0.3, 2.0), (20.0, 3.0), (5.0, 0.02), 1.0)
    assert (toll, revenue) == (15.0, pytest.approx(45 / 13, rel=1e-14))
    toll, revenue = visible_best_toll((2.0, 0.5), (10.0, 32.0), (1.0, 1.0), 1.0, (1.0, 20.0))
    assert (toll, revenue) == (8.0, pytest.approx(1.192389, abs=5e-7))


@pytest.mark.parametrize("load", [0.5, 0.9, 1.2])
def test_visible_lengths_of_one_class_are_naor_s(load):
    found = naor(load, 1.0, 10.0, 1.0)
    assert visible_best_toll(load, 10.0, 1.0, 1.0) == (found["toll_r"], pytest.approx(found["revenue"], rel=1e-12))


def test_visible_lengths_of_several_classes_by_the_general_chain():
    """The birth-death law of lengths that tolls are looked for with, and the sparse chain at every toll of a grid."""
    case = (0.4, 0.5, 0.8), (12.0, 4.0, 7.0), (2.0, 0.3, 0.5)
    toll, revenue = visible_best_toll(*case, 2.0, 1.5)
    assert revenue == pytest.approx(visible(*case, (2.0,), (toll,), 1.5)["revenue"], rel=1e-12)
    assert revenue >= max(visible(*case, (2.0,), (x,), 1.5)["revenue"] for x in np.linspace(0.1, 11, 110))


def test_one_class_is_the_best_threshold_of_the_closed_form():
    thresholds = np.linspace(0, 9, 1801)
    values = [(9 - w) * balking(0.9, 1.0, w)["throughput"] for w in thresholds]
    assert deterministic_best_toll(0.9, 10.0, 1.0, 1.0)[1] >= max(values)


def test_no_class_s_last_toll_is_missed():
    """Random classes: the optimum is at least the revenue at every toll at which one leaves, and on a fine grid."""
    rng = np.random.default_rng(7)
    at_a_jump = 0
    for _ in range(8):
        count = int(rng.integers(1, 4))
        rates, rewards, costs = rng.uniform(0.1, 1, count), rng.uniform(2, 20, count), rng.uniform(0.5, 6, count)
        toll, revenue = deterministic_best_toll(rates, rewards, costs, 1.0)
        last = rewards - costs
        tried = np.concatenate((last[last > 0], np.linspace(0.01, max(last.max(), 0.02), 60)))
        values = [deterministic(rates, rewards, costs, 1.0, t)["revenue"] for t in tried]
        assert revenue >= max(values) * (1 - 1e-12)
        assert revenue == deterministic(rates, rewards, costs, 1.0, toll)["revenue"]
        at_a_jump += toll in last.tolist()
    assert 1 <= at_a_jump < 8


def test_an_isolated_peak_at_a_jump_is_found():
    """Just below the jump the revenue is higher than at any toll tried elsewhere; above it nearly nothing is left."""

    def revenue(toll):
        return toll if toll <= 1.234567891 else 0.05 * toll

    assert best_toll(revenue, [1.234567891, 3.0], 1.0) == (1.234567891, 1.234567891)
    assert best_toll(revenue, [-1.0], 1.0) == (0.0, 0.0)


def test_exponential_sizes_by_a_fine_grid():
    case = (2.0, 0.5), (10.0, 32.0), (1.0, 1.0), 1.0, (1.0, 20.0)

    values = [exponential(*case[:4], toll, case[4])["revenue"] for toll in np.linspace(0.05, 12, 240)]
    toll, revenue = exponential_best_toll(*case)
    assert max(values) <= revenue < max(values) * (1 + 1e-3)
    assert 8.5 < toll < 9
