"""theta four ways on 1000 random trees, and that a wrong rate in any one of them would show."""

import ast
import inspect

import numpy as np
import pytest

from jaxq.analytic.staffing import drift, elimination, gains, lp
from jaxq.analytic.staffing.demand import of_system, second_order_demand
from jaxq.analytic.staffing.fluid import fluid_allocation
from jaxq.systems.parallel_servers.network.library import NETWORKS
from tests.analytic.staffing.random_trees import Instance, random_tree

TREES, TOLERANCE = 1000, 1e-10
HALF = np.array([0.5, 0.5])


def demand(t: Instance):
    return second_order_demand(t.second_order_arrivals, t.second_order_services, t.shares * t.servers)


def by_lp(t, rates):
    return lp.safety_staffing(rates, demand(t), t.staffing, t.weights).theta


def by_gains(t, rates):
    return gains.safety_staffing(rates, demand(t), t.staffing, t.weights)


def by_elimination(t, rates):
    return elimination.safety_staffing(rates, demand(t), t.staffing, t.weights).theta


def by_drift(t, rates):
    ell = drift.constant_drift(rates, demand(t), t.staffing, t.shares)
    return drift.safety_staffing(rates, ell, t.weights)


WAYS = {"lp": by_lp, "gains": by_gains, "elimination": by_elimination, "drift": by_drift}


def check_ways(trees, corrupted=None):
    """All ways agree on all trees; the way named ``corrupted`` is given one edge rate that is .1 % too large."""
    for k, t in enumerate(trees):
        wrong = t.service_rates.copy()
        edges = np.argwhere(wrong > 0)
        wrong[tuple(edges[k % len(edges)])] *= 1.001
        found = [way(t, wrong if name == corrupted else t.service_rates) for name, way in WAYS.items()]
        assert np.ptp(found) < TOLERANCE * max(1.0, np.abs(found).max())


@pytest.fixture(scope="module")
def trees():
    rng = np.random.default_rng(20)
    return [random_tree(rng) for _ in range(TREES)]


def test_four_ways_agree(trees):
    check_ways(trees)
    sizes = {t.service_rates.shape for t in trees}
    assert (1, 1) in sizes and (5, 5) in sizes and len(sizes) == 25


@pytest.mark.parametrize("name", WAYS)
def test_a_wrong_rate_in_one_way_shows_on_every_tree(trees, name):
    for k in range(40):
        with pytest.raises(AssertionError):
            check_ways(trees[k : k + 1], name)


def test_the_ways_share_no_code():
    for way in (lp, gains, elimination, drift):
        imported = {n.module for n in ast.walk(ast.parse(inspect.getsource(way))) if isinstance(n, ast.ImportFrom)}
        inside = {name for name in imported if name.startswith("jaxq")}
        # both check arguments and compute nothing
        assert inside == {"jaxq.analytic.staffing.tree", "jaxq.checks"}


def test_any_root_gives_the_same(trees):
    for t in trees[:100]:
        a, ell = demand(t), drift.constant_drift(t.service_rates, demand(t), t.staffing, t.shares)
        theta = by_elimination(t, t.service_rates)
        for r in range(len(t.weights)):
            assert gains.safety_staffing(t.service_rates, a, t.staffing, t.weights, r) == pytest.approx(theta, rel=1e-9)
        for j in range(len(t.staffing)):
            assert drift.safety_staffing(t.service_rates, ell, t.weights, j) == pytest.approx(theta, rel=1e-9)


def test_both_plans_are_the_unique_optimum(trees):
    for t in trees[:100]:
        one = lp.safety_staffing(t.service_rates, demand(t), t.staffing, t.weights).kappa
        other = elimination.safety_staffing(t.service_rates, demand(t), t.staffing, t.weights).kappa
        np.testing.assert_allclose(one, other, atol=1e-8)
        np.testing.assert_allclose(other.sum(axis=0), t.staffing, atol=1e-10)


def test_drift_matrices_are_the_flow_of_the_tree(trees):
    # b(x, u) from its definition: the edge flow with row sums x - s+ u^c and column sums -s- u^s
    rng = np.random.default_rng(1)
    for t in trees[:200]:
        mu, root = t.service_rates, int(rng.integers(t.servers.size))
        b1, b2, order = drift.drift_matrices(mu, root)
        x, edges = rng.normal(size=len(mu)), np.argwhere(mu > 0)
        queue, idle = rng.dirichlet(np.ones(mu.shape[0])), rng.dirichlet(np.ones(mu.shape[1]))
        rows, columns = x - max(x.sum(), 0) * queue, -max(-x.sum(), 0) * idle
        incidence = np.zeros((sum(mu.shape), len(edges)))
        incidence[edges[:, 0], range(len(edges))] = 1
        incidence[len(mu) + edges[:, 1], range(len(edges))] = 1
        flow = np.linalg.lstsq(incidence, np.concatenate((rows, columns)), rcond=None)[0]
        drifted = np.bincount(edges[:, 0], -mu[mu > 0] * flow, len(mu))
        np.testing.assert_allclose(-b1 @ rows + max(-x.sum(), 0) * b2 @ idle, drifted, atol=1e-9)
        ordered = b1[np.ix_(order, order)]
        assert (np.triu(ordered, 1) == 0).all() and (np.diag(ordered) > 0).all() and (b2[:, root] == 0).all()
        assert mu[order[-1], root] > 0
        # Theorem 4.7 and Lemma 5.1
        g, values = gains.gains(mu), drift.class_values(mu, root)
        np.testing.assert_allclose(values / values[0], g.classes[0], rtol=1e-9)
        np.testing.assert_allclose(1 + values @ b2, g.pools[:, root], rtol=1e-9)


@pytest.mark.parametrize(
    ("staffing", "theta", "finite"),
    [((-0.5, 1.8), 0.748888889, {100: 0.72498039, 400: 0.73704184}), ((-0.5, 0.2), -0.673333333, {100: -0.68929412})],
)
def test_n_network_by_hand(staffing, theta, finite):
    """a = (.1 - (.06 - .08), .1 - .03) = (.12, .07) and kappa_11 = nh_1, so kappa_12 = .12 + theta/2 + .75.

    Then kappa_22 = nh_2 - kappa_12 and .8 kappa_22 = .07 + theta/2: theta = (.8 (nh_2 - .87) - .07)/.9. Those of n = 100
    and 400 come three ways.
    """
    assert theta == pytest.approx((0.8 * (staffing[1] - 0.87) - 0.07) / 0.9, abs=1e-9)
    net = NETWORKS["n"]
    fluid = fluid_allocation(net.arrival_rates, net.service_rates, net.servers)
    np.testing.assert_allclose(fluid.shares, [[1, 0.4], [0, 0.6]], atol=1e-12)
    a = second_order_demand(net.second_order_arrivals, net.second_order_services, fluid.busy)
    assert elimination.safety_staffing(net.service_rates, a, staffing, HALF).theta == pytest.approx(theta, abs=1e-9)
    for n, value in finite.items():
        lam, mu, servers, *_ = net.at(n, staffing)
        assert gains.safety_staffing(mu, *of_system(n, lam, servers), HALF) == pytest.approx(value, abs=1e-8)
        ell = (lam - mu @ servers) / n**0.5 + (mu * (1 - fluid.shares)) @ servers / n**0.5
        assert drift.safety_staffing(mu, ell, HALF) == pytest.approx(value, abs=1e-8)
    if theta > 0:
        ell = drift.constant_drift(net.service_rates, a, staffing, fluid.shares)
        np.testing.assert_allclose(ell, [0.15, -0.794], atol=1e-12)
        assert drift.spare_capacity(net.service_rates, ell) == pytest.approx(0.8425, abs=1e-12)
        assert drift.spare_capacity(net.service_rates, ell, 0) == pytest.approx(0.56167, abs=5e-6)
        kappa = elimination.safety_staffing(net.service_rates, a, staffing, HALF).kappa
        np.testing.assert_allclose(kappa, [[-0.5, 1.24444], [0, 0.55556]], atol=5e-6)


def test_printed_formulas_of_the_examples():
    rng = np.random.default_rng(3)
    a1, a2, a3, h1, h2, h3, p1, p2, p3 = rng.uniform(0.1, 1, 9)
    m11, m12, m22, m23, m21, m32 = rng.uniform(0.5, 2, 6)
    for rates, a, nh, p, theta in (
        ([[m11], [m21]], (a1, a2), (h1,), (p1, p2), (h1 - a1 / m11 - a2 / m21) / (p1 / m11 + p2 / m21)),
        (
            [[m11, m12], [0, m22]],
            (a1, a2),
            (h1, h2),
            (p1, p2),
            (m11 / m12 * h1 + h2 - a1 / m12 - a2 / m22) / (p1 / m12 + p2 / m22),
        ),
        (
            [[m11, m12, 0], [0, m22, m23]],
            (a1, a2),
            (h1, h2, h3),
            (p1, p2),
            (m11 / m12 * h1 + h2 + m23 / m22 * h3 - a1 / m12 - a2 / m22) / (p1 / m12 + p2 / m22),
        ),
        (
            [[m11, 0], [m21, m22], [0, m32]],
            (a1, a2, a3),
            (h1, h2),
            (p1, p2, p3),
            (m21 / m22 * (h1 - a1 / m11) + h2 - a2 / m22 - a3 / m32) / (m21 / m22 * p1 / m11 + p2 / m22 + p3 / m32),
        ),
    ):
        assert lp.safety_staffing(rates, a, nh, p).theta == pytest.approx(theta, rel=1e-12)
        assert elimination.safety_staffing(rates, a, nh, p).theta == pytest.approx(theta, rel=1e-12)
    b1, b2, _ = drift.drift_matrices([[m11, m12, 0], [0, m22, m23]], 1)
    np.testing.assert_array_equal(b1, np.diag([m12, m22]))
    np.testing.assert_allclose(b2, [[m11 - m12, 0, 0], [0, 0, m23 - m22]])
    b1, b2, _ = drift.drift_matrices([[m11, 0], [m21, m22], [0, m32]], 1)
    np.testing.assert_allclose(b1, [[m11, 0, 0], [m22 - m21, m22, 0], [0, 0, m32]])
    np.testing.assert_allclose(b2, [[0, 0], [m21 - m22, 0], [0, 0]])


def test_arguments():
    with pytest.raises(ValueError, match=r"demand = \[1.0\]: must be 2 numbers"):
        lp.safety_staffing([[1.0], [1.0]], [1.0], [1.0], HALF)
    with pytest.raises(ValueError, match=r"weights\[2\] = 0: must be > 0"):
        gains.safety_staffing([[1.0], [1.0]], [0, 0], [1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"staffing\[1\] = nan: must be a number"):
        elimination.safety_staffing([[1.0], [1.0]], [0, 0], [np.nan], HALF)
    with pytest.raises(ValueError, match=r"root = 2: must be one of 1 pools"):
        drift.drift_matrices([[1.0], [1.0]], 2)
    with pytest.raises(ValueError, match=r"shares = .*: each pool's must sum to 1"):
        drift.constant_drift([[1.0], [1.0]], [0, 0], [1.0], [[0.5], [0.4]])
