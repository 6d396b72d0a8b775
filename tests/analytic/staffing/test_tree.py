"""Graphs that are no trees and loads that are not critical are refused, and the place is named."""

import numpy as np
import pytest

from jaxq.analytic.staffing.fluid import fluid_allocation
from jaxq.analytic.staffing.tree import tree
from tests.analytic.staffing.random_trees import random_tree

X = [[1.0, 1.5], [1.0, 0.75]]
N = [[1.5, 1.0], [0.0, 0.8]]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (X, "class 2 - pool 2 closes a cycle with class 2 - pool 1 - class 1 - pool 2; must be a tree"),
        ([[1, 1, 0], [0, 1, 1], [1, 0, 1]], "class 3 - pool 3 closes a cycle with class 3 - pool 1 - class 1 - pool 2"),
        ([[1.0, 0.0], [0.0, 1.0]], "class 2 is not connected to class 1; must be a tree"),
        ([[1.0, 0.0], [1.0, 0.0]], "pool 2 is not connected to class 1; must be a tree"),
        ([[1.0], [-1.0]], r"service_rates\[2, 1\] = -1: must be >= 0"),
        ([1.0, 2.0], r"service_rates = an array of shape \(2,\): must be of shape \(classes, pools\)"),
    ],
)
def test_what_is_no_tree(rates, message):
    with pytest.raises(ValueError, match=message):
        tree(rates)


def test_fluid_allocation_undoes_random_shares():
    rng = np.random.default_rng(5)
    for _ in range(300):
        t = random_tree(rng)
        found = fluid_allocation(t.arrival_rates, t.service_rates, t.servers)
        np.testing.assert_allclose(found.shares, t.shares, atol=1e-11)
        assert found.busy.sum() == pytest.approx(t.servers.sum(), rel=1e-12)


def test_fluid_allocation_is_the_optimum_of_the_planning_problem():
    from scipy.optimize import linprog

    rng = np.random.default_rng(6)
    for _ in range(100):
        t = random_tree(rng)
        mu, edges = t.service_rates, np.argwhere(t.service_rates > 0)
        serve, use = np.zeros((len(mu), len(edges) + 1)), np.zeros((t.servers.size, len(edges) + 1))
        for k, (i, j) in enumerate(edges):
            serve[i, k], use[j, k] = mu[i, j] * t.servers[j], 1.0
        use[:, -1] = -1.0
        cost = np.eye(len(edges) + 1)[-1]
        found = linprog(cost, use, np.zeros(t.servers.size), serve, t.arrival_rates, method="highs")
        assert found.x[-1] == pytest.approx(1, abs=1e-9)
        np.testing.assert_allclose(found.x[:-1], t.shares[mu > 0], atol=1e-8)


@pytest.mark.parametrize(
    ("arrivals", "servers", "message"),
    [
        (
            [1.3, 0.5],
            [0.6, 1.0],
            "pool 2 has -0.025 of 1 left over once all others are even; the load must be critical",
        ),
        ([0.75, 0.8], [0.5, 1.0], "fails at class 1 - pool 2, whose share of the pool is 0 and must be > 0"),
        ([0.8, 0.88], [0.6, 1.0], "fails at class 1 - pool 2, whose share of the pool is -0.1 and must be > 0"),
        ([1.3, 0.0], [0.6, 1.0], r"arrival_rates\[2\] = 0: must be > 0"),
    ],
)
def test_what_is_not_pooled(arrivals, servers, message):
    with pytest.raises(ValueError, match=message):
        fluid_allocation(arrivals, N, servers)
