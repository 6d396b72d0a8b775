"""Objectives of the token mechanism against the NumPy witness, finite differences and the paper's minimisers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxq
from jaxq.analytic.token_pool.mean_field_equilibrium import fluid_queue
from jaxq.analytic.token_pool.pool_queue import pool_queue
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.fluid.first_passage import first_passage
from jaxq.systems.token_pool import fluid


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def slope(function, x, h=1e-6):
    """Central difference."""
    return float(function(x + h) - function(x - h)) / (2 * h)


def lowest(function, low=0.02, high=0.98, points=2000):
    """The minimiser over a grid and, by its slope on ever finer grids, inside the best cell."""
    both, grid = jax.jit(jax.vmap(jax.value_and_grad(function))), np.linspace(low, high, points)
    best = int(np.argmin(both(grid)[0]))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, points - 1)]
    for _ in range(4):
        grid = np.linspace(left, right, points)
        rising = int(np.argmax(np.append(both(grid)[1][:-1] > 0, True)))
        left, right = grid[max(rising - 1, 0)], grid[rising]
    return (left + right) / 2


# --- own queue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.8, 0.97])
def test_own_queue_is_equation_11_and_its_kinks_too(rho):
    levels = fluid.levels(rho)
    kinks = [*(rho ** np.arange(1, 5)), np.nextafter(rho, 0), np.nextafter(rho, 1)]
    phis = np.array([*np.linspace(0.005, 0.995, 67), *kinks])
    found = jax.jit(jax.vmap(lambda phi: fluid.own_queue(rho, phi, levels)))(phis)
    np.testing.assert_allclose(found, [fluid_queue(rho, phi) for phi in phis], rtol=1e-12, atol=1e-12)
    assert float(fluid.own_queue(rho, rho, levels)) == 0


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.02, 0.98))
def test_own_queue_of_any_rates(rho, phi):
    levels = 100  # .95^101 < .02, and one shape compiles once
    found = float(fluid.own_queue(rho, phi, levels))
    assert found == pytest.approx(fluid_queue(rho, phi), rel=1e-11, abs=1e-11)


def test_own_queue_of_unlike_servers_and_dtypes():
    rho = np.array([0.5, 0.6, 0.8])
    found = fluid.own_queue(rho, 0.3, fluid.levels(rho))
    np.testing.assert_allclose(found, [fluid_queue(r, 0.3) for r in rho], rtol=1e-13)
    assert fluid.own_queue(rho, np.float32(0.3), 5).dtype == np.float32


def test_levels_include_the_line_that_matters_down_to_their_bound():
    for rho in (0.3, 0.8, 0.95):
        levels = fluid.levels(rho, 1e-3)
        assert rho ** (levels + 1) <= 1e-3 < rho**levels
        assert float(fluid.own_queue(rho, 1.0001e-3, levels)) == pytest.approx(fluid_queue(rho, 1.0001e-3), rel=1e-9)
        assert float(fluid.own_queue(rho, 1e-5, levels)) < fluid_queue(rho, 1e-5) - 1e-6


def test_slope_inside_a_piece_and_the_mean_of_both_at_a_kink():
    rho, levels = 0.8, fluid.levels(0.8)
    # q' = -(1 - rho) m(k) / (1 - phi)^2, with m(1) = 1 and m(2) = (2 - rho - rho^2)/(1 - rho)
    m = [0.0, 1.0, (2 - rho - rho**2) / (1 - rho)]
    gradient = jax.jit(jax.grad(lambda phi: fluid.own_queue(rho, phi, levels)))
    for k, phi in ((0, 0.85), (1, 0.7), (2, 0.6)):
        assert float(gradient(phi)) == pytest.approx(-(1 - rho) * m[k] / (1 - phi) ** 2, rel=1e-12)
    assert float(gradient(rho)) == pytest.approx(-(1 - rho) * 0.5 / (1 - rho) ** 2, rel=1e-12)


# --- objectives -------------------------------------------------------------------------------------------------------

UNLIKE = np.array([0.5, 0.6, 0.7, 0.8])
MARKETS = {
    "large": (lambda phi: fluid.large_market(0.8, phi, 10), (0.05, 0.45, 0.7, 0.9)),
    "large, unlike": (lambda phi: fluid.large_market(UNLIKE, phi, 1), (0.1, 0.55, 0.75, 0.9)),
    "mean field": (lambda phi: fluid.mean_field(0.8, phi, 10), (0.05, 0.45, 0.7, 0.9)),
    "smooth": (lambda phi: fluid.smooth(0.8, phi, 10, 0.02), (0.1, 0.64, 0.8, 0.9)),
    "finite": (lambda phi: fluid.finite(0.8, phi, 4), (0.55, 0.75, 0.9)),
    "finite, many": (lambda phi: fluid.finite(0.8, phi, 100), (0.7,)),
    "finite, one": (lambda phi: fluid.finite(0.6, phi, 1), (0.3,)),
}


@pytest.mark.parametrize("name", MARKETS)
def test_gradients_are_those_of_finite_differences(name):
    function, points = MARKETS[name]
    both = jax.value_and_grad(function)
    if not name.startswith("finite"):
        both = jax.jit(both)
    for phi in points:
        value, gradient = both(phi)
        assert gradient.dtype == np.float64
        # the value beside a gradient, so that no program is compiled for it alone
        assert float(gradient) == pytest.approx(slope(lambda p: both(p)[0], phi), rel=1e-6, abs=1e-6 * float(value))


def test_servers_are_counted_by_kind_or_one_by_one():
    one_by_one = fluid.large_market(np.array([0.5, 0.8, 0.8]), 0.4, 1, 7)
    assert float(fluid.large_market(np.array([0.5, 0.8]), 0.4, np.array([1, 2]), 7)) == pytest.approx(float(one_by_one))
    alike = fluid.large_market(0.8, 0.4, 3, 7)
    assert float(alike) == pytest.approx(fluid_queue(0.8, 0.4) + 0.4 / 0.6 / 21)
    assert float(fluid.mean_field(np.array([0.5, 0.8]), 0.4, np.array([1, 2]))) == pytest.approx(
        fluid_queue(0.5, 0.4) + 2 * fluid_queue(0.8, 0.4) + 0.4 / 0.6
    )


@pytest.mark.parametrize(("servers", "minimiser"), [(10, 0.8), (6, 0.8), (4, 0.64)])
def test_the_mean_field_minimum_is_rho_only_with_enough_servers(servers, minimiser):
    """N (1 - rho) >= 1: with fewer than 5 servers it is at a lower power of rho."""
    assert lowest(lambda phi: fluid.mean_field(0.8, phi, servers)) == pytest.approx(minimiser, abs=1e-6)
    assert lowest(lambda phi: fluid.large_market(0.8, phi, servers)) == pytest.approx(0.8, abs=1e-6)


def test_few_highly_loaded_servers_keep_jobs_in_the_mean_field():
    """One server of .8 among .5, .6, .7: 1 (1 - .8) < 1; with six of each 6 (1 - .8) > 1."""
    found = lowest(lambda phi: fluid.mean_field(UNLIKE, phi, 1))
    assert found < 0.8 - 0.05
    assert fluid.mean_field(UNLIKE, found, 1) < fluid.mean_field(UNLIKE, 0.8, 1) - 0.01
    assert lowest(lambda phi: fluid.mean_field(UNLIKE, phi, 6)) == pytest.approx(0.8, abs=1e-6)
    assert lowest(lambda phi: fluid.large_market(UNLIKE, phi, 1)) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("servers", "tau"), [(100, 0.005), (100, 0.02), (10, 0.02), (7, 0.01)])
def test_the_bias_of_the_smoothed_minimiser(servers, tau):
    u = -np.log(servers * (1 - 0.8) - 1)
    x = (1 - tau * u) / (1 - 0.8)
    found = lowest(lambda phi: fluid.smooth(0.8, phi, servers, tau))
    assert found == pytest.approx(1 - 1 / x, abs=2e-5)
    printed = {(100, 0.005): 0.8029, (100, 0.02): 0.8111, (10, 0.02): 0.8}.get((servers, tau))
    assert printed is None or found == pytest.approx(printed, abs=6e-5)


def test_smoothing_is_an_upper_bound_within_its_width():
    for tau in (0.3, 0.01):
        for phi in (0.05, 0.5, 0.8, 0.95):
            gap = float(fluid.smooth(0.8, phi, 10, tau) - fluid.large_market(0.8, phi, 10, 1))
            # far from a kink the lines are so far apart that nothing is left of the gap
            assert -1e-12 < gap <= tau * np.log(fluid.levels(0.8) + 1)
            assert gap > 0.1 * tau or phi != 0.8


# --- the exact objective ----------------------------------------------------------------------------------------------

POOL = {
    (10, 0.6): 2.694877,
    (2, 0.6): 3.250792,
    (100, 0.7): 2.608838,
    (10, 0.8): 4.0,
    (10, 0.9): 9.0,
    (3, 0.3): None,
    (1, 0.3): None,
}


@pytest.mark.parametrize(("servers", "phi"), POOL)
def test_finite_is_the_witness(servers, phi):
    queues = servers * fluid_queue(0.8, phi)
    found, printed = float(fluid.finite(0.8, phi, servers)), POOL[servers, phi]
    assert found == pytest.approx(queues + pool_queue(servers, 0.8, phi), rel=1e-9)
    assert printed is None or found - queues == pytest.approx(printed, abs=6e-7)


def test_finite_with_a_thousand_phases():
    found = float(fluid.finite(0.8, 0.4, 10)) - 10 * fluid_queue(0.8, 0.4)
    assert found == pytest.approx(1.628176, abs=6e-7)


def test_finite_of_one_server_is_flat_below_rho():
    for phi in (0.3, 0.55):
        value, gradient = jax.value_and_grad(lambda p: fluid.finite(0.6, p, 1))(phi)
        assert float(value) == pytest.approx(1.5, rel=1e-10) and abs(float(gradient)) < 1e-8


@pytest.mark.parametrize("servers", [2, 4, 100])
def test_finite_is_minimal_at_rho_for_every_number_of_servers(servers):
    gradient = jax.grad(lambda phi: fluid.finite(0.8, phi, servers))
    assert all(float(gradient(phi)) < -0.1 for phi in (0.7, 0.799)) and float(gradient(0.801)) > 0.1


@pytest.mark.parametrize("phi", [0.3, 0.45, 0.7])
def test_finite_of_unlike_servers_is_their_exact_chain(phi):
    rates, services = (0.2, 0.2, 0.6), (0.5, 0.5, 1.0)  # utilisations .4, .4, .6: both kinds keep jobs, one, none
    system = jaxq.TokenPool(3, rates, phi, None, services)
    objective = system.objectives()["finite"].function
    both = jax.value_and_grad(lambda p: objective({"phi": p}))
    found, gradient = both(phi)
    assert float(found) == pytest.approx(jaxq.exact(system)["total_jobs"], rel=1e-8)
    assert float(gradient) == pytest.approx(slope(lambda p: both(p)[0], phi), rel=1e-6)


@pytest.mark.parametrize(("phi", "cap"), [(0.3, 3), (0.6, 20), (0.85, 7)])
def test_capped_own_queues_are_those_of_the_token_chain(phi, cap):
    kinds, counts = np.array([0.5, 0.8]), np.array([3, 4])
    both = jax.value_and_grad(lambda p: fluid.capped(kinds, p, counts, cap))
    found, gradient = both(phi)
    own = [token_server(rho, phi, cap)["own_queue"] for rho in kinds]
    assert float(found) == pytest.approx(counts @ own + phi / (1 - phi), rel=1e-10)
    assert float(gradient) == pytest.approx(slope(lambda p: both(p)[0], phi), rel=1e-6)


def test_capped_is_minimal_at_the_largest_utilisation_of_many():
    gradient = jax.grad(lambda phi: fluid.capped(0.8, phi, 30, 20))
    assert float(gradient(0.799)) < -1 and float(gradient(0.801)) == pytest.approx(1 / 0.199**2)
    with pytest.raises(ValueError, match=r"phi = 0.05: with token_cap = 300 a server has \d+ states"):
        fluid.capped(0.8, 0.05, 4, 300)


def test_too_many_phases_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"phi = 0.05: with servers = 10 there are \d+ phases.*1024 at most"):
        fluid.finite(0.8, 0.05, 10)


def test_first_passage_solves_its_equation_and_its_gradient_is_the_derivative():
    rng = np.random.default_rng(3)
    n = 5
    down, rise, within = rng.uniform(0.5, 1.5, (n, n)), rng.uniform(0.1, 0.6, (n, n)), rng.uniform(0, 1, (n, n))

    def blocks(t):
        up = rise * (1 + t * np.arange(n))
        return down, within - np.diag((down + within).sum(axis=1)) - jnp.diag(up.sum(axis=1)), up

    weights = rng.normal(size=(n, n))

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def weighted(t):
        found = first_passage(*map(jnp.asarray, blocks(t)))
        return (weights * found).sum(), found

    d, local, u = jax.jit(blocks)(0.1)
    (_, found), gradient = weighted(0.1)
    found = np.asarray(found)
    np.testing.assert_allclose(d + local @ found + u @ found @ found, 0, atol=1e-12)
    assert float(gradient) == pytest.approx(slope(lambda t: weighted(t)[0][0], 0.1), rel=1e-6)
    assert abs(float(gradient)) > 1e-3


# --- what a system offers ---------------------------------------------------------------------------------------------


def test_objectives_of_a_system():
    alike = jaxq.TokenPool(10, 0.8).objectives()
    assert list(alike) == ["large_market", "mean_field", "finite", "smooth"]
    assert all(o.metric == "total_jobs" and not o.maximise and o.parameters == ("phi",) for o in alike.values())
    assert float(alike["finite"].function({"phi": 0.9})) == pytest.approx(9)
    unlike = jaxq.TokenPool(3, [0.5, 1.4, 0.8], service_rate=[1.0, 2.0, 1.0]).objectives()
    assert list(unlike) == ["large_market", "mean_field", "finite", "smooth"]
    expected = sum(fluid_queue(rho, 0.4) for rho in (0.5, 0.7, 0.8)) + 0.4 / 0.6
    assert float(unlike["mean_field"].function({"phi": 0.4})) == pytest.approx(expected)
    same = jaxq.TokenPool(3, [0.8, 0.8, 0.8]).objectives()
    assert "finite" in same


def test_with_a_cap_the_first_objective_has_it():
    found = jaxq.TokenPool(30, 0.8, 0.5, 10).objectives()
    assert next(iter(found)) == "capped" and found["capped"].metric == "total_jobs"
    tuned = jaxq.tune(jaxq.TokenPool(30, 0.7, 0.4, 10), "phi", steps=150, verify=False)
    assert tuned.best.values["phi"] == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize("field", ["wait", "policy", "deviator", "token_cap"])
def test_what_no_gradient_moves_is_refused_with_the_reason(field):
    with pytest.raises(ValueError, match=rf"parameter = {field}: .*(Lemma|LP)"):
        jaxq.tune(jaxq.TokenPool(3, 0.8), field)


@pytest.mark.parametrize("fields", [{"policy": "2"}, {"wait": 1.5}, {"deviator": "2"}])
def test_no_objective_where_phi_does_not_enter_as_it_says(fields):
    assert jaxq.TokenPool(3, 0.8, 0.8, 5, **fields).objectives() == {}
