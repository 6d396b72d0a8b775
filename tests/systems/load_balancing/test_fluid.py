"""Objectives of randomised routing against the NumPy witness, finite differences and the optimum in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import jaxq
from jaxq.analytic.load_balancing import mean_field, policies, splitting
from jaxq.fluid.rest_point import rest_point
from jaxq.systems.load_balancing import fluid
from tests.analytic.load_balancing import equal_servers, ranks

RATES, SERVERS = (2.5, 0.625), (80, 320)
SHARES = (0.2, 0.8)
CAPACITY = 400.0


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def slopes(function, p, h=1e-5):
    """Central differences of fourth order, the probabilities as free variables."""
    near = [(function(p + h * e) - function(p - h * e)) / (2 * h) for e in np.eye(len(p))]
    far = [(function(p + 2 * h * e) - function(p - 2 * h * e)) / (4 * h) for e in np.eye(len(p))]
    return [float(4 * x - y) / 3 for x, y in zip(near, far, strict=True)]


@functools.cache
def power_of_d(draws, rates, shares):
    """Value and gradient as a function of the probabilities and the arrival rate of 400 servers, compiled once."""
    servers = 400 * np.array(shares)
    return jax.jit(jax.value_and_grad(lambda p, rate: fluid.power_of_d(p, draws, rate, rates, servers)))


def witness(p, draws, arrival_rate, rates=RATES, shares=SHARES):
    rule = policies.Policy(ranks.shortest, draws, False, tuple(np.asarray(p) / np.asarray(shares)))
    return mean_field.power_of_d_fixed_point(arrival_rate, rates, shares, rule)


# --- random routing ---------------------------------------------------------------------------------------------------


@jax.jit
@jax.value_and_grad
def random_routing(p, arrival_rate):
    return fluid.random_routing(p, arrival_rate, RATES, SERVERS)


@pytest.mark.parametrize(("load", "first"), [(0.5, 0.3), (0.5, 0.6), (0.5, 0.9), (0.9, 0.5), (0.99, 0.502)])
def test_random_routing_is_the_witness_with_its_gradient(load, first):
    p = np.array([first, 1 - first])
    value, gradient = random_routing(p, load * CAPACITY)
    expected, derivative = splitting.split_response_time(load * CAPACITY, RATES, SERVERS, p)
    assert float(value) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, derivative, rtol=1e-12)


def test_random_routing_outside_stability_is_finite_convex_and_leads_back():
    def function(first):
        return fluid.random_routing(jnp.stack([first, 1 - first]), 0.9 * CAPACITY, RATES, SERVERS)

    grid = np.linspace(0.001, 0.999, 999)
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(function)))(grid)
    # within rounding of values of 1e9
    assert np.all(np.isfinite(values)) and np.all(np.diff(gradients) > -1e-9 * np.abs(gradients).max())
    stable = (0.9 * CAPACITY * grid < 200) & (0.9 * CAPACITY * (1 - grid) < 200)
    assert np.all(gradients[grid < grid[stable][0]] < 0) and np.all(gradients[grid > grid[stable][-1]] > 0)


# --- the power of d choices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "draws", "load", "rates", "shares"),
    [
        ((0.3, 0.7), 2, 0.5, RATES, SHARES),
        ((0.5, 0.5), 2, 0.9, RATES, SHARES),
        ((0.7, 0.3), 2, 0.9, RATES, SHARES),
        ((0.55, 0.45), 3, 0.98, RATES, SHARES),
        ((0.4, 0.35, 0.25), 4, 0.7, (3.0, 1.0, 0.4), (0.1, 0.5, 0.4)),
    ],
)
def test_the_power_of_d_is_the_witness_and_its_gradient_the_derivative(p, draws, load, rates, shares):
    p, rate = np.array(p), load * float(np.dot(rates, shares))
    value, gradient = power_of_d(draws, rates, shares)(p, 400 * rate)
    assert float(value) == pytest.approx(witness(p, draws, rate, rates, shares)["response_time"], abs=1e-9)
    differences = slopes(lambda p: power_of_d(draws, rates, shares)(p, 400 * rate)[0], p)
    np.testing.assert_allclose(gradient, differences, rtol=1e-6)


def test_occupancy_is_the_fixed_point():
    p = (0.6, 0.4)
    occupied = jax.jit(lambda p: fluid.occupancy(p, 2, 0.9, RATES, SHARES))(np.array(p))
    np.testing.assert_allclose(occupied[:, :25], witness(p, 2, 0.9)["levels"][:, :25], atol=1e-11)
    assert np.all(occupied[:, 25:] < 1e-13)


def test_draws_by_capacity_have_the_response_time_of_equal_servers():
    for load in (0.5, 0.9):
        found = power_of_d(2, RATES, SHARES)(np.array([0.5, 0.5]), load * CAPACITY)[0]
        assert float(found) == pytest.approx(equal_servers.response_time(load, 2), rel=1e-10)


@pytest.mark.parametrize(("draws", "load"), [(2, 0.5), (2, 0.9), (2, 0.999), (3, 0.9)])
def test_the_power_of_d_has_one_minimum_and_leads_back_from_where_it_is_unstable(draws, load):
    grid = np.linspace(0.02, 0.98, 25)
    found = [power_of_d(draws, RATES, SHARES)(np.array([first, 1 - first]), load * CAPACITY) for first in grid]
    slopes = np.array([gradient[0] - gradient[1] for _, gradient in found])
    assert np.all(np.isfinite(slopes)) and np.sum(np.diff(np.sign(slopes)) != 0) == 1
    assert slopes[0] < 0 < slopes[-1]


def test_float32():
    with jax.enable_x64(False):
        value, gradient = power_of_d(2, RATES, SHARES)(np.array([0.5, 0.5], np.float32), np.float32(360))
        assert value.dtype == np.float32 and float(value) == pytest.approx(2.614057, rel=1e-5)
        assert np.all(np.isfinite(gradient))


def test_rest_point_has_both_derivatives():
    """x' = a - x^3 - x comes to rest at 2 for a = 10; the derivative is 1 / (3 x^2 + 1)."""

    def reached(a):
        return rest_point(lambda x: a - x**3 - x, jnp.zeros(1), 1.0)[0]

    x, forward = jax.jit(lambda a: jax.jvp(reached, (a,), (1.0,)))(10.0)
    backward = jax.jit(jax.grad(reached))(10.0)
    assert float(x) == pytest.approx(2.0, rel=1e-13)
    assert float(forward) == pytest.approx(1 / 13, rel=1e-12) == pytest.approx(float(backward), rel=1e-12)


# --- tuning -----------------------------------------------------------------------------------------------------------


def system(policy, load, **fields):
    return jaxq.LoadBalancing(400, "2.5:0.2,0.625:0.8", policy, load, **fields)


@pytest.mark.parametrize(("load", "start"), [(0.5, (0.5, 0.5)), (0.9, (0.47, 0.53))])
def test_random_routing_is_tuned_to_the_optimal_split(load, start):
    p, value = splitting.optimal_split(load * CAPACITY, RATES, SERVERS)
    found = jaxq.tune(system("random", load), "routing", start=start, verify=False)
    np.testing.assert_allclose(found.best.values["routing"], p, atol=1e-3)
    assert found.best.objective == pytest.approx(value, rel=1e-6) and not found.flags


@pytest.mark.filterwarnings("ignore:policy random is unstable")
def test_an_unstable_start_is_left():
    found = jaxq.tune(system("random", 0.9), "routing", start=(0.9, 0.1), verify=False)
    p, value = splitting.optimal_split(0.9 * CAPACITY, RATES, SERVERS)
    np.testing.assert_allclose(found.best.values["routing"], p, atol=1e-3)
    assert found.best.objective == pytest.approx(value, rel=1e-6)


def test_sampling_probabilities_of_two_choices_are_tuned_and_the_gain_is_simulated():
    def value(first):
        return witness((first, 1 - first), 2, 0.9)["response_time"]

    best = minimize_scalar(value, bounds=(0.5, 0.65), method="bounded", options={"xatol": 1e-9})
    run = {"replicas": 64, "events": 40_000, "warmup": 20_000}
    found = jaxq.tune(system("pod2r", 0.9), "routing", start=(0.5, 0.5), steps=120, **run)
    assert found.best.values["routing"][0] == pytest.approx(best.x, abs=1e-3)
    assert found.best.objective == pytest.approx(best.fun, rel=1e-6)
    gain = found.verification.gain
    assert gain.mean - gain.half_width > 0 and gain.mean == pytest.approx(value(0.5) - best.fun, abs=0.03)


def test_without_replacement_the_gradient_is_that_of_central_differences():
    objective = system("pod2", 0.9).objectives()["mean_field"]
    p = np.array([0.52, 0.48])
    gradient = jax.jit(jax.grad(lambda p: objective.function({"routing": p})))(p)
    wanted = slopes(lambda p: witness(p / p.sum(), 2, 0.9)["response_time"], p)
    # the witness knows probabilities of sum 1 only: the slope along them
    assert float(gradient[0] - gradient[1]) == pytest.approx(wanted[0] - wanted[1], rel=1e-6)


def test_objectives_of_a_system():
    for policy, name in (
        ("random", "response_time"),
        ("pod1", "response_time"),
        ("pod3r", "mean_field"),
        ("pod2", "mean_field"),
    ):
        found = system(policy, 0.5).objectives()
        assert list(found) == [name] and found[name].metric == "response_time"
        assert found[name].parameters == ("routing",) and not found[name].maximise
    for policy in ("sa-jsq", "jsq", "led", "jiq", "sa-jiq", "uniform", "sa-pod2", "modified"):
        assert system(policy, 0.5).objectives() == {}
    assert system("random", 0.5, buffer=5).objectives() == {}
    assert jaxq.LoadBalancing(400, policy="random").objectives() == {}
