"""Smooth revenue: gradients against finite differences, and the limit of hard choices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.analytic.tolled_queues.chain import visible
from jaxq.analytic.tolled_queues.level_crossing import deterministic
from jaxq.analytic.tolled_queues.naor import naor
from jaxq.systems.tolled_queues import fluid
from jaxq.systems.tolled_queues.customers import draw_customers

CHAIN = (0.4, 0.6), (12.0, 5.0), (2.0, 0.4)
POINT = np.array([0.6, 4.0, 2.5])


def _chain(at, temperature=0.5):
    return fluid.logit_chain(jnp.stack([at[0], 1 - at[0]]), at[1:], *CHAIN, temperature)


def _differences(function, at, step):
    moves = step * np.eye(at.size)
    return np.array([float(function(at + move) - function(at - move)) / (2 * step) for move in moves])


def test_the_chain_and_its_gradient_at_a_point():
    """A guard of digits (notebooks/mathematics/tolled_queues.md, section 6).

    The gradient is that of central differences, the chain tends to the exact one below."""
    with jax.enable_x64(True):
        value, gradient = jax.jit(jax.value_and_grad(_chain))(jnp.asarray(POINT))
        differences = _differences(jax.jit(_chain), POINT, 1e-5)
    assert float(value) == pytest.approx(2.3245452, abs=5e-8)
    assert np.asarray(gradient) == pytest.approx([0.6158307, 0.0847604, 0.2604253], abs=5e-8)
    assert np.asarray(gradient) == pytest.approx(differences, abs=1e-6)


def test_the_chain_tends_to_hard_choices():
    exact = visible(*CHAIN, (0.6, 0.4), (4.0, 2.5))["revenue"]
    with jax.enable_x64(True):
        values = jax.jit(_chain)
        gaps = [abs(float(values(jnp.asarray(POINT), eta)) - exact) for eta in (0.5, 0.05, 1e-6)]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-4 * exact


def test_three_servers_and_too_many_states():
    with jax.enable_x64(True):
        revenue = jax.jit(lambda rates, tolls: fluid.logit_chain(rates, tolls, *CHAIN, 0.5, most=4))
        two = revenue([0.6, 0.4], [4.0, 2.5])
        # nobody goes to the third
        three = revenue([0.6, 0.4, 1.0], [4.0, 2.5, 1e4])
    assert float(three) == pytest.approx(float(two), rel=1e-9)
    with pytest.raises(ValueError, match="most = 99"):
        fluid.logit_chain([0.6, 0.4], [4.0, 2.5], *CHAIN, 0.5, most=99)


SYSTEM = {"arrival_rates": [0.4, 0.5], "rewards": [12.0, 4.0], "waiting_costs": [2.0, 0.3]}


@pytest.mark.parametrize("means", [None, (1.0, 1.0)])
def test_the_gradient_along_a_path_is_that_of_differences(means):
    system = jaxq.TolledQueues(size_law="exponential", service_rates=[0.6, 0.4], tolls=[4.0, 2.5], **SYSTEM)
    customers = draw_customers(system, 5, 3, 200)

    def revenue(at):
        rates = jnp.stack([at[0], 1 - at[0]])
        arguments = customers, system.rewards, system.waiting_costs, 0.4, means
        return fluid.path_revenue(rates, at[1:], *arguments, skipped=20).mean()

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(revenue))(jnp.asarray(POINT))
        differences = _differences(jax.jit(revenue), POINT, 1e-6)
    assert np.all(np.abs(differences) > 1e-3)
    assert np.asarray(gradient) == pytest.approx(differences, abs=1e-6)


def test_the_hard_path_is_the_exact_law_of_one_server():
    system = jaxq.TolledQueues(tolls=[2.0], **SYSTEM)
    customers = draw_customers(system, 5, 512, 3000)
    arguments = customers, system.rewards, system.waiting_costs

    def revenue(temperature):
        # where it is 0 it is a Python number, known when it is compiled
        return jax.jit(lambda: fluid.path_revenue([1.0], [2.0], *arguments, temperature, skipped=500))()

    found = np.asarray(revenue(0))
    error = found.std() / np.sqrt(found.size)
    exact = deterministic(*map(tuple, SYSTEM.values()), 1.0, 2.0)["revenue"]
    assert error < 2e-3 * exact and abs(found.mean() - exact) < 4.5 * error
    cold = np.asarray(revenue(1e-4))
    assert cold.mean() == pytest.approx(found.mean(), rel=1e-3)


def test_customers_have_the_laws_of_the_system():
    system = jaxq.TolledQueues(
        size_law="exponential", mean_sizes=[1.0, 3.0], arrivals="modulated:2,0.5;-0.1,0.1;0.3,-0.3", **SYSTEM
    )
    gaps, kinds, sizes = map(np.asarray, draw_customers(system, 1, 400, 2000))
    came = sizes > 0
    assert 0.5 < came.mean() < 0.95  # the other events change the phase
    assert gaps.sum() / came.sum() == pytest.approx(1 / 0.9, rel=0.01)
    assert kinds[came].mean() == pytest.approx(5 / 9, rel=0.01)
    for kind, mean in enumerate((1.0, 3.0)):
        assert sizes[came & (kinds == kind)].mean() == pytest.approx(mean, rel=0.01)


def test_tolls_tuned_by_gradient_earn_nearly_what_the_best_one_does():
    system = jaxq.TolledQueues(size_law="exponential", information="lengths", tolls=[3.0])
    found = jaxq.tune(system, steps=100, replicas=128, events=2000)
    assert found.objective == "smooth_revenue" and found.verification.sure
    assert found.verification.gain.mean > 1.0
    toll = found.best.values["tolls"]
    assert visible(0.9, 10.0, 1.0, (1.0,), toll)["revenue"] > 0.95 * naor(0.9, 1.0, 10.0, 1.0)["revenue"]
