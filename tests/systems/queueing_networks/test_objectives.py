"""The cost of a product form by service rates and routing: its value, the best of both, and where it is not offered."""

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
        cost = jax.jit(system.objectives()["product_form"].function)({"service_rates": system.rates().service_rates})
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
        slopes = jax.jit(jax.grad(lambda rates: function({"service_rates": rates})))
        slopes = np.asarray(slopes(found.best.values["service_rates"]))
    assert np.ptp(slopes) < 1e-2 * abs(np.mean(slopes))  # equal: no rate is worth more than another


# --- routing ------------------------------------------------------------------------------------------------------------

OUT = [[0, 0, 0, 1], [0, 0, 0, 1]]
FORK = jaxq.OpenNetwork(
    [1.5, 0, 0], [5, 2, 1], [1, 2, 3], [[0, 0.6, 0.4], [0, 0, 0], [0, 0, 0]], holding_costs=[1, 1, 2]
)
"""A router, whose customers go to one of two single servers."""


def test_tuned_routing_splits_by_the_square_root_rule():
    """Flows mu_j - sqrt(h_j mu_j) (sum mu - lambda) / sum sqrt(h mu): Bell and Stidham 1983, Management Science 29(7)."""
    found = jaxq.tune(jaxq.QueueingNetwork(FORK), "routing", verify=False)
    mu, costs = np.array([2.0, 1.0]), np.array([1.0, 2.0])
    roots = np.sqrt(costs * mu)
    flows = mu - roots * (mu.sum() - 1.5) / roots.sum()
    assert found.objective == "product_form_routed" and found.flags == ()
    assert found.best.values["routing"] == pytest.approx(np.array([[0, *flows / 1.5, 0], *OUT]), abs=1e-5)
    assert found.best.objective == pytest.approx(1.5 / 3.5 + (costs * flows / (mu - flows)).sum(), rel=1e-9)
    with pytest.raises(ValueError, match="parameter = routing: the objective product_form depends on service_rates"):
        jaxq.tune(jaxq.QueueingNetwork("tandem"), "routing")


def test_a_routing_that_is_given_is_the_network_of_these_probabilities():
    given = np.array([[0, 0.5, 0.5, 0], [0, 0, 0.75, 0.25], [0.2, 0, 0.1, 0.7]])
    network = jaxq.QueueingNetwork("jackson-feedback").network
    here = jaxq.QueueingNetwork(network, routing=given)
    there = jaxq.QueueingNetwork(jaxq.OpenNetwork(**(network.to_dict() | {"routing": given[:, :-1]})))
    for one, other in zip(jax.tree.leaves(here.process()), jax.tree.leaves(there.process()), strict=True):
        assert one == pytest.approx(other)
    assert {name: x.value for name, x in here.oracle().items()} == pytest.approx(
        {name: x.value for name, x in there.oracle().items()}
    )
    with jax.enable_x64(True):
        cost = jax.jit(here.objectives()["product_form_routed"].function)({"routing": given})
    assert float(cost) == pytest.approx(there.oracle()["holding_cost"].value, rel=1e-12)


def test_the_derivative_by_a_probability_is_that_of_the_formula():
    """d/dx of x/(4/3 - x) + 2 (1 - x)/(x - 1/3), x = .6; on the simplex a step h moves it by h (1 - x)."""
    system = jaxq.QueueingNetwork(FORK, routing=[[0, 0.6, 0.4, 0], *OUT])
    found = jaxq.gradient(system, with_respect_to="routing[0,1]", method="fluid")
    row = found.result["product_form_routed/routing[0,1]"]
    exact = 0.4 * (4 / 3 / (4 / 3 - 0.6) ** 2 - 2 * 2 / 3 / (0.6 - 1 / 3) ** 2)
    assert [row.mean, row.oracle] == pytest.approx([exact, exact], rel=1e-6)


@pytest.mark.parametrize(
    ("routing", "words"),
    [
        (
            [[0, 0.6, 0.4], [0, 0, 1], [0, 0, 1]],
            r"must be 3 rows, one a class \(1, 2, 3\), of 4 numbers, .* last of leaving",
        ),
        ([[0, 0.5, 0.4, 0.1], *OUT], r"routing row 1 \(class 1\), leaving = 0.1: must be 0, as in the network"),
        ([[0.2, 0.5, 0.3, 0], *OUT], r"routing row 1 \(class 1\), class 1 = 0.2: must be 0"),
        ([[0, 0.6, 0.3, 0], *OUT], "must be rows, each a list of numbers >= 0 that sum to 1"),
    ],
)
def test_routing_that_is_not_allowed(routing, words):
    with pytest.raises(ValueError, match=words):
        jaxq.QueueingNetwork(FORK, routing=routing)


def test_routing_must_lead_out_and_its_values_share_a_program():
    loop = jaxq.OpenNetwork([0.5, 0], [5, 2], [1, 2], [[0, 0.6], [0.5, 0]])
    with pytest.raises(ValueError, match="routing: must lead out in the end: from class 1, 2 nobody ever leaves"):
        jaxq.QueueingNetwork(loop, routing=[[0, 1, 0], [1, 0, 0]])
    system = jaxq.QueueingNetwork(FORK, routing=[[0, 0.6, 0.4, 0], *OUT])
    # all to one server, of which no event of a uniformised chain would be left
    found = jaxq.paths(system, [0, 30], replicas=64, schedule={"routing": {1: [[0, 1, 0, 0], *OUT]}})
    assert found.mean["number_3"][1] == 0 < found.mean["number_2"][1]
