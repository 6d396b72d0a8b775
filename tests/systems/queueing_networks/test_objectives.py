"""The cost of a product form as a function of service rates: its value, its best rates, and where it is not offered."""

import jax
import numpy as np
import pytest

import jaxq

ALPHA, COSTS = np.array([0.5, 0.2, 0.1]), np.array([1.0, 4.0, 2.0])
ROUTING = np.array([[0, 0.5, 0.2], [0, 0, 1.0], [0.25, 0, 0]])
SINGLE = jaxq.OpenNetwork(ALPHA, [1.5, 1.0, 1.4], [1, 2, 3], ROUTING, holding_costs=COSTS)


def kleinrock(total: float) -> np.ndarray:
    """What is left of the capacity in proportion to the square roots of cost x flow; flows by summing over visits."""
    flow, through = ALPHA, np.zeros(3)
    for _ in range(300):
        through, flow = through + flow, flow @ ROUTING
    roots = np.sqrt(COSTS * through)
    return through + (total - through.sum()) * roots / roots.sum()


@pytest.mark.parametrize("network", ["jackson-feedback", "criss-cross", "rybko-stolyar", SINGLE])
def test_the_objective_is_the_exact_cost(network):
    system = jaxq.QueueingNetwork(network)
    with jax.enable_x64(True):
        cost = system.objectives()["product_form"].function({"service_rates": system.rates().service_rates})
    assert float(cost) == pytest.approx(system.oracle()["holding_cost"].value, rel=1e-12)


def test_it_is_offered_where_there_is_a_product_form():
    offered = {
        policy: bool(jaxq.QueueingNetwork("criss-cross", policy).objectives())
        for policy in ("sharing", "c-mu", "max-pressure")
    }
    assert offered == {"sharing": True, "c-mu": False, "max-pressure": False}
    assert jaxq.QueueingNetwork("tandem", "c-mu").objectives() and not jaxq.QueueingNetwork(load=0.5).objectives()
    assert not jaxq.QueueingNetwork("tandem", "max-pressure").objectives()


def test_tuning_finds_the_square_root_rule():
    found = jaxq.tune(jaxq.QueueingNetwork(SINGLE), ["service_rates"], replicas=64, events=2000, warmup=1000, seed=1)
    best = np.asarray(found.best.values["service_rates"])
    assert best == pytest.approx(kleinrock(3.9), rel=1e-3) and best.sum() == pytest.approx(3.9)
    assert found.known.values["service_rates"] == pytest.approx(kleinrock(3.9), rel=1e-12)


def test_the_best_rates_of_several_classes_and_servers_are_stationary():
    system = jaxq.QueueingNetwork("jackson-feedback")
    function = system.objectives()["product_form"].function
    found = jaxq.tune(system, ["service_rates"], replicas=64, events=2000, warmup=1000, seed=1)
    with jax.enable_x64(True):
        slopes = np.asarray(
            jax.grad(lambda rates: function({"service_rates": rates}))(found.best.values["service_rates"])
        )
    assert np.ptp(slopes) < 1e-2 * abs(np.mean(slopes))  # equal: no rate is worth more than another
