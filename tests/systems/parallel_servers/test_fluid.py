"""Fluids of networks against the closed forms of the NumPy witness, and tuning against the planning problem."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import jaxq
from jaxq.analytic.parallel_servers import planning
from jaxq.analytic.parallel_servers.fluid import routed_rest_point
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.parallel_servers.x_model import x_model
from jaxq.fluid import in_order
from jaxq.systems.parallel_servers import fluid, objectives
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.tuning.descent import descend

RATES, SPEEDS, SERVERS = np.array([250.0, 600.0]), np.array([[4.0, 1.0], [4.0, 4.0]]), np.array([100.0, 100.0])
PATIENCE, REWARDS = np.array([1.0, 1.0]), np.array([1.0, 1.9])
SMALL = 1e-7


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def random_network(seed):
    """2 to 5 classes and pools with about two thirds of the edges; every class and pool has one."""
    random = np.random.default_rng(seed)
    classes, pools = random.integers(2, 6, 2)
    served = random.random((classes, pools)) < 0.65
    served[np.arange(classes), random.integers(0, pools, classes)] = True
    served[random.integers(0, classes, pools), np.arange(pools)] = True
    speeds = random.uniform(0.2, 4, (classes, pools)) * served
    servers = random.integers(1, 200, pools).astype(float)
    rates = random.uniform(0.2, 2, classes) * speeds.max(axis=1) * servers.mean() * pools / classes
    return rates, speeds, servers, random.uniform(0.5, 3, classes)


def slopes(function, x, h):
    """Central differences of fourth order."""
    near = np.array([function(x + h * e) - function(x - h * e) for e in np.eye(len(x))])
    far = np.array([function(x + 2 * h * e) - function(x - 2 * h * e) for e in np.eye(len(x))])
    return (8 * near - far) / (12 * h)


def solved(network, times, layer=fluid.LAYER):
    """Queues (T, I) and busy servers (T, I, J) from the empty network, by SciPy's implicit Runge-Kutta method."""
    classes, pools = network.arrival_rates.size, network.servers.size

    def slope(x):
        return jnp.concatenate(fluid.slope(network, x[:classes], x[classes:], layer))

    at, jacobian = jax.jit(slope), jax.jit(jax.jacfwd(slope))
    found = solve_ivp(
        lambda _, x: np.asarray(at(x)),
        (times[0], times[-1]),
        np.zeros(classes + len(network.of_class)),
        method="Radau",
        t_eval=times,
        rtol=1e-7,
        atol=0.1 * layer * float(network.servers.sum()),
        jac=lambda _, x: np.asarray(jacobian(x)),
    )
    busy = np.zeros((len(times), classes, pools))
    busy[:, network.of_class, network.of_pool] = found.y[classes:].T
    return found.y[:classes].T, busy


def routed_queues(routed_rates, service_rates, servers, abandonment_rates, priority):
    """The fluid of pools with a queue a stream: a network whose classes are the edges, in the order of ``np.nonzero``."""
    of_class, of_pool = np.nonzero(service_rates)
    apart = np.zeros((len(of_class), len(servers)))
    apart[np.arange(len(of_class)), of_pool] = service_rates[of_class, of_pool]
    streams = routed_rates[of_class, of_pool]
    return fluid.class_queues(streams, apart, servers, abandonment_rates[of_class], priority[of_class])


# --- the differential equations -----------------------------------------------------------------------------------------


def test_the_x_model_comes_to_rest_at_the_companions_digits():
    network = fluid.class_queues(RATES, SPEEDS, SERVERS, PATIENCE, (1, 0))
    expected = x_model(RATES, SPEEDS, SERVERS, PATIENCE, (1, 0))
    errors = []
    for layer in (1e-5, 1e-6, SMALL):
        queues, busy = fluid.rest(network, layer)
        errors.append(max(np.abs(queues - expected.queue).max(), np.abs(busy - expected.busy).max()))
    # in proportion to the layer
    assert errors[2] < 5e-5 and np.allclose(np.diff(np.log10(errors)), -1, atol=0.01)
    path, servers = solved(network, [0, 0.1, 1, 60])
    np.testing.assert_allclose(path[-1], fluid.rest(network)[0], atol=1e-6)
    np.testing.assert_allclose(servers[-1], fluid.rest(network)[1], atol=1e-6)
    assert np.all(path > -1e-6) and np.all(servers > -1e-6) and np.all(servers.sum(axis=1) < SERVERS + 1e-6)
    # until the pools are full nobody waits
    assert path[1].sum() < 1e-6 and servers[1].sum() < 199
    np.testing.assert_allclose(servers[1][0, 0] + servers[1][1, 0], (850 / 4) * (1 - np.exp(-0.4)), rtol=1e-4)


def test_any_overloaded_x_model():
    random = np.random.default_rng(1)
    classes, pools = random.integers(2, 5, 2)
    speeds, servers = random.uniform(0.3, 3, (classes, pools)), random.integers(5, 50, pools).astype(float)
    rates = random.uniform(1, 5, classes)
    rates *= random.uniform(1.3, 3) * np.sum(speeds.max(axis=0) * servers) / rates.sum()
    patience, order = random.uniform(0.2, 2, classes), random.permutation(classes)
    expected = x_model(rates, speeds, servers, patience, order)
    queues, busy = fluid.rest(fluid.class_queues(rates, speeds, servers, patience, np.argsort(order)), SMALL)
    np.testing.assert_allclose(queues, expected.queue, atol=1e-5 * servers.sum())
    np.testing.assert_allclose(busy, expected.busy, atol=1e-5 * servers.sum())


@pytest.mark.parametrize("seed", [0])
def test_routed_streams_come_to_rest_at_psi(seed):
    """EC.17: streams that fit are served, whatever the priority; of those that do not, the last of it wait."""
    rates, speeds, servers, rewards = random_network(seed)
    plan = planning.static_planning(rates, speeds, servers, rewards)
    random = np.random.default_rng(seed)
    patience, rank = random.uniform(0.3, 1, len(rates)), np.argsort(random.permutation(len(rates)))
    of_class, of_pool = np.nonzero(speeds)
    for factor in (1.0, 1.5):
        routed = factor * speeds * plan.busy
        expected = routed_rest_point(routed, speeds, servers, patience, np.argsort(rank))
        streams = routed_queues(routed, speeds, servers, patience, rank)
        queues, busy = solved(streams, [0, 20 / min(patience.min(), speeds[speeds > 0].min())])
        np.testing.assert_allclose(queues[-1], expected.queue[of_class, of_pool], atol=1e-4 * servers.sum())
        np.testing.assert_allclose(busy[-1].sum(axis=0), expected.busy.sum(axis=0), atol=1e-4 * servers.sum())
        edges = np.arange(len(of_class))
        np.testing.assert_allclose(
            busy[-1][edges, of_pool], expected.busy[of_class, of_pool], atol=1e-4 * servers.sum()
        )


def test_flow_is_conserved_and_nobody_waits_beside_an_idle_server():
    rates, speeds = np.array([30.0, 20.0, 45.0]), np.array([[1.0, 0], [2.0, 1.0], [0, 1.5]])
    servers, patience = np.array([20.0, 25.0]), np.array([0.5, 0.0, 1.0])
    network = fluid.class_queues(rates, speeds, servers, patience, [[0, 0], [1, 0], [0, 1]])
    queues, busy = jnp.array([3.0, 0, 4]), jnp.array([[15.0, 0], [5.0, 5.0], [0, 20.0]])
    edges = np.nonzero(speeds)
    waiting, working = fluid.slope(network, queues, busy[edges])
    of_class = jnp.zeros(3).at[edges[0]].add(working)
    served = jnp.sum(speeds * busy, axis=1)
    np.testing.assert_allclose(waiting + of_class, rates - served - patience * queues, rtol=1e-12)
    path, servers_busy = solved(network, np.linspace(0, 8, 20), layer=1e-5)
    idle = servers - servers_busy.sum(axis=1)
    apart = path[:, :, None] * idle[:, None, :] * (speeds > 0)
    assert np.all(apart < 0.1)
    # the patient class is of the first at its own pool, and is served in full
    np.testing.assert_allclose(jnp.sum(speeds[1] * servers_busy[-1][1]), 20, rtol=1e-3)


def test_the_rest_point_has_the_gradient_of_its_formula():
    def queue(rates):
        return fluid.rest(fluid.class_queues(rates, SPEEDS, SERVERS, PATIENCE, (1, 0)), SMALL)[0][0]

    expected = slopes(lambda r: x_model(r, SPEEDS, SERVERS, PATIENCE, (1, 0)).queue[0], RATES, 0.5)
    np.testing.assert_allclose(jax.jit(jax.grad(queue))(jnp.asarray(RATES)), expected, rtol=1e-4)


def test_first_positive_is_the_order():
    before = np.tril(np.ones((3, 3)), -1)
    np.testing.assert_allclose(in_order.first_positive(jnp.array([0.0, 2, 5]), before, 1e-3), [0, 1, 0], atol=1e-12)
    found = in_order.first_positive(jnp.array([0.3, 0.2, 0.1]), before, 0.5)
    np.testing.assert_allclose(jnp.cumsum(found), 1 - np.exp(-np.array([0.6, 1.0, 1.2])), rtol=1e-12)
    assert in_order.first_positive(jnp.array([-0.5]), np.zeros((1, 1)), 1.0)[0] == pytest.approx(-0.5)


# --- rewards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_reward_of_a_routing_is_the_witness_and_concave(seed):
    rates, speeds, servers, rewards = random_network(seed)
    random = np.random.default_rng(seed)
    first, second = (random.uniform(0, 1, speeds.shape) * (speeds > 0) for _ in range(2))
    first, second = (p / p.sum(axis=1, keepdims=True) for p in (first, second))

    @jax.jit  # operation by operation each would be compiled by itself
    def reward(p):
        return fluid.routed_reward(p, Rates(rates, speeds, servers, np.ones_like(rates), rewards))

    orders = np.argsort(-rewards[:, None] * speeds, axis=0).T
    expected = routed_rest_point(rates[:, None] * first, speeds, servers, 1.0, orders, rewards).reward_rate
    assert float(reward(first)) == pytest.approx(expected, rel=1e-12)
    middle = float(reward((first + second) / 2))
    assert middle >= (float(reward(first)) + float(reward(second))) / 2 - 1e-9 * middle
    differences = slopes(lambda x: float(reward(x.reshape(speeds.shape))), first.ravel(), 1e-7)
    gradient = np.ravel(jax.grad(reward)(jnp.asarray(first)))
    np.testing.assert_allclose(gradient, differences, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())


@pytest.mark.parametrize("seed", range(100, 106))
def test_tuned_routing_reaches_the_planning_optimum(seed):
    rates, speeds, servers, rewards = random_network(seed)
    network = Network(rates, speeds, servers, np.ones(len(rates)), rewards)
    even = (speeds > 0) / np.sum(speeds > 0, axis=1, keepdims=True)
    optimum = planning.static_planning(rates, speeds, servers, rewards).reward
    found = jaxq.tune(ParallelServers(network, policy="random"), start=even, steps=300, verify=False)
    p = found.best.values["routing"]
    assert np.all(p[speeds == 0] == 0) and found.tuned.routing is not None
    # by the witness
    orders = np.argsort(-rewards[:, None] * speeds, axis=0).T
    earned = routed_rest_point(rates[:, None] * p, speeds, servers, 1.0, orders, rewards).reward_rate
    assert earned > 0.999 * optimum and earned == pytest.approx(found.best.objective, rel=1e-9)
    assert earned >= found.start.objective - 1e-9 * optimum


def test_tuned_routing_gains_in_simulation():
    found = jaxq.tune(
        ParallelServers("x-model", policy="random"),
        start=[[0.5, 0.5], [0.5, 0.5]],
        steps=300,
        replicas=64,
        events=20_000,
        warmup=5000,
    )
    assert found.best.objective == pytest.approx(1340, rel=1e-3) and found.verification.sure
    gain = found.verification.gain
    assert gain.mean > 40 and gain.half_width < 0.1 * gain.mean
    np.testing.assert_allclose(np.sum(found.to_dict()["parameters"]["best"]["routing"], axis=1), 1)
    assert "routing_1_2" in found.rows()[0]


@pytest.mark.parametrize(
    ("routing", "words"),
    [
        ([[1, 0]], "routing = .*: must be 2 rows, one a class"),
        ([[0.5, 0.6], [0, 1]], "routing = .*: must be rows, each a list of numbers >= 0 that sum to 1"),
        ([[1, 0], [0.5, 0.5]], r"routing row 2 \(class 2\), pool 1 = 0.5: must be 0"),
    ],
)
def test_routing_that_is_not_allowed(routing, words):
    with pytest.raises(ValueError, match=words):
        ParallelServers(Network([1, 1], [[1, 1], [0, 1]], [2, 2]), policy="random", routing=routing)


# --- shadow routing -----------------------------------------------------------------------------------------------------


def virtual_queues(eta, arrivals):
    """SHADOW-RM's virtual queues in the X-model from 0: (prices, reward, losses against the plan's prices) after each."""
    queues, clock, earned = np.zeros(2), 0.0, 0.0
    for time, i in arrivals:
        queues = np.maximum(queues - SERVERS * (time - clock), 0)
        clock = time
        price = queues / SPEEDS[i]
        m = 0 if price[0] <= price[1] else 1
        if REWARDS[i] >= eta * price[m]:
            queues[m] += 1 / SPEEDS[i, m]
            earned += REWARDS[i]
        yield time, eta * queues, earned


@pytest.mark.parametrize("eta", [0.1, 1.0, 5.0])
def test_the_guarantee_holds(eta):
    """What is admitted, less the backlog at the plan's prices, noise of the arrivals taken off by the class prices."""
    random = np.random.default_rng(0)
    count = 20_000
    times = np.cumsum(random.exponential(1 / RATES.sum(), count))
    classes = (random.random(count) > RATES[0] / RATES.sum()).astype(int)
    plan = planning.static_planning(RATES, SPEEDS, SERVERS, REWARDS)
    *_, (horizon, prices, earned) = virtual_queues(eta, zip(times, classes, strict=True))
    excess = np.bincount(classes) - RATES * horizon
    net = earned - plan.class_prices @ excess - plan.pool_prices @ prices / eta
    distance = np.sum(plan.pool_prices**2)
    sure = float(fluid.shadow_guarantee(eta, plan.busy, SPEEDS, REWARDS, distance, horizon))
    assert sure < net / horizon <= plan.reward * (1 + 1e-9)
    assert plan.reward - sure < 0.1 * plan.reward


def test_the_best_eta_of_the_guarantee():
    plan = planning.static_planning(RATES, SPEEDS, SERVERS, REWARDS)
    found = objectives.shadow_objectives(Rates(RATES, SPEEDS, SERVERS, PATIENCE, REWARDS), plan.busy, plan.pool_prices)[
        "guarantee"
    ]
    result = descend(
        lambda v: -found.function({"eta": jnp.exp(v["log"])}), lambda z: z, {"log": np.array(0.0)}, 300, 0.1
    )
    # B = 25, sum nu^2 = 32, H = 1000 x 0.25
    assert np.exp(result.best.values["log"]) == pytest.approx(np.sqrt(32 / (2 * 25 * 250)), rel=1e-3)
    assert found.maximise and -result.best.objective == pytest.approx(1340 - 2 * np.sqrt(25 * 16 / 250), rel=1e-9)


def test_a_routing_that_is_not_given_starts_even():
    found = jaxq.tune(ParallelServers(policy="random"), "routing", verify=False, steps=2)
    np.testing.assert_array_equal(found.start.values["routing"], [[0.5, 0.5], [0.5, 0.5]])
    assert found.best.objective > found.start.objective
