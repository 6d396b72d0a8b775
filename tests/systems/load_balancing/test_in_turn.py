"""Round robin, and by weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxq
from jaxq.engine.carry import seeded, start, step
from jaxq.systems.load_balancing.planning import gaps_of, smooth_cycle, turns
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.processes.server_queues import CHANGES
from jaxq.systems.load_balancing.speeds import parse_speeds


def system(policy, servers, speeds="1", **given):
    return jaxq.LoadBalancing(servers, parse_speeds(speeds), parse_policy(policy), **given)


def nginx(weights):
    """Server by server, as nginx does it."""
    credit, order = np.zeros(len(weights), int), []
    for _ in range(sum(weights)):
        credit += weights
        order.append(int(np.argmax(credit)))
        credit[order[-1]] -= sum(weights)
    return order


def test_the_cycle_is_that_of_nginx():
    assert smooth_cycle(np.array([5, 1]), np.array([1, 2])).tolist() == [0, 0, 1, 0, 2, 0, 0]  # nginx's own example
    rng = np.random.default_rng(0)
    for _ in range(40):
        types = rng.integers(1, 4)
        weights, servers = np.sort(rng.integers(1, 9, types))[::-1], rng.integers(1, 5, types)
        assert smooth_cycle(weights, servers).tolist() == nginx(np.repeat(weights, servers).tolist())


def test_turns_are_in_proportion_to_the_speeds():
    assert turns(np.array([2.5, 0.625])).tolist() == [4, 1]
    assert turns(np.array([0.3, 0.2, 0.1])).tolist() == [3, 2, 1]
    assert turns(np.array([7.0, 7.0])).tolist() == [1, 1]
    assert gaps_of(np.array([0, 1, 0, 2, 3, 0, 4, 0]), np.array([1, 4])) == [{(1, 2, 3, 2): 1}, {(8,): 4}]


@pytest.mark.parametrize(("policy", "speeds"), [("round-robin", "1"), ("weighted-round-robin", "2:0.2,1:0.8")])
def test_jobs_go_round_from_a_random_turn_on(policy, speeds):
    process = jax.tree.map(jnp.asarray, system(policy, 5, speeds).process())
    order = np.arange(5) if process.order is None else process.order
    first = jax.vmap(lambda seeds: start(process, seeds))

    @jax.jit
    def followed(seeds):
        def event(carry, _):
            joins = CHANGES.of(carry.event.changes, "joins")
            return jax.vmap(lambda one: step(process, one))(carry), (carry.event.server, joins)

        return jax.lax.scan(event, first(seeds), None, 60)[1]

    server, joins = map(np.asarray, followed(seeded(process, 0, np.arange(600))))
    begins = []
    for mine, joined in zip(server.T, joins.T, strict=True):
        came = mine[joined > 0]
        match = [k for k in range(order.size) if (np.resize(np.roll(order, -k), came.size) == came).all()]
        assert len(match) == 1
        begins += match
    assert stats.chisquare(np.bincount(begins, minlength=order.size)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("policy", "servers", "speeds", "load"),
    [
        ("round-robin", 4, "2:0.25,1.5:0.75", 0.7),
        ("weighted-round-robin", 20, "2.5:0.2,0.625:0.8", 0.8),
    ],
)
def test_the_means_are_exact(policy, servers, speeds, load):
    """Every server of its own speed under round robin; gaps of 1, 2, 3, 2 jobs and others by weight."""
    result = jaxq.simulate(system(policy, servers, speeds, load=load), events=20_000, replicas=256, seed=1)
    assert {m.kind for m in result.metrics.values() if m.kind is not None} == {"exact", "identity"}
    for name in ("waiting_time", "response_time", "number_in_system", "waiting_jobs", "y_1_2", "idle_servers_1"):
        found = result.metrics[name]
        assert found.half_width < 0.02 * found.oracle and abs(found.z) < 4, name


def test_what_is_known_without_simulating():
    known = system("round-robin", 50, load=0.9).theory()
    assert known["jobs_between"].value == "50"
    assert known["limit_response_time"].value < known["response_time"].value < 1.06 * known["limit_response_time"].value
    weighted = system("weighted-round-robin", 5, "2:0.2,1:0.8").theory()
    assert weighted["jobs_between"].value == "1, 5; 6" and "limit_response_time" not in weighted
    with pytest.warns(UserWarning, match="policy round-robin is unstable here"):
        system("round-robin", 5, "2:0.2,1:0.8").stationarity().check()
    system("weighted-round-robin", 5, "2:0.2,1:0.8").stationarity().check()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(buffer=3), "buffer: must be none, and levels too, with policy round-robin"),
        (dict(levels=3), "buffer: must be none, and levels too, with policy round-robin"),
        (dict(routing=[1.0]), "routing: must go with policy"),
        (dict(laws="yes"), "laws = yes: must be no with policy round-robin"),
    ],
)
def test_what_does_not_go_with_turns_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        system("round-robin", 4, **given)


def test_speeds_that_make_no_cycle_are_refused():
    with pytest.raises(ValueError, match="speeds = .*: must be in proportions of small whole numbers"):
        system("weighted-round-robin", 2, f"{np.sqrt(2)}:0.5,1:0.5")
    with pytest.raises(ValueError, match="servers = 1000: the cycle has 5000500 turns: at most 1048576"):
        system("weighted-round-robin", 1000, "10:0.5,0.001:0.5")
