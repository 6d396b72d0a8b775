"""M^X/G/1, M^X/M/c, GI^X/M/c and the bound: against dense chains, event lists, and closed forms worked out here."""

import heapq
import math

import numpy as np
import pytest

from jaxq.analytic.stations.batches import mxg1, mxmc
from jaxq.analytic.stations.gg1 import gg1_bounds, mg1
from jaxq.analytic.stations.ggc import ggc_bound, gmc
from jaxq.analytic.stations.mmc import TooManyStates, mmc

EXPONENTIAL, DETERMINISTIC = ("exponential", None), ("deterministic", None)
ONE, PAIRS, MIXED, GEOMETRIC = ("fixed", 1), ("fixed", 2), ("sizes", (0.5, 0.3, 0.0, 0.2)), ("geometric", 3.0)
CHANCES = {
    ONE: [1.0],
    PAIRS: [0.0, 1.0],
    MIXED: [0.5, 0.3, 0.0, 0.2],
    GEOMETRIC: [(2 / 3) ** k / 3 for k in range(110)],
}


def dense(arrival_rate, service_rate, servers, chances, theta=0.0, states=900):
    """Number in system cut at ``states``, its generator solved as a full matrix; what a customer finds, one by one."""
    mean = sum((k + 1) * p for k, p in enumerate(chances))
    generator = np.zeros((states, states))
    for n in range(states):
        for k, p in enumerate(chances, 1):
            generator[n, min(n + k, states - 1)] += arrival_rate / mean * p
        if n:
            generator[n, n - 1] += service_rate * min(n, servers) + theta * max(n - servers, 0)
    generator -= np.diag(generator.sum(axis=1))
    law = np.linalg.solve(np.vstack([generator.T[:-1], np.ones(states)]), np.eye(states)[-1])
    queue = sum(p * max(n - servers, 0) for n, p in enumerate(law))
    waits = sum(
        law[n] * p * sum(n + place >= servers for place in range(k))
        for n in range(states)
        for k, p in enumerate(chances, 1)
    )
    return queue / arrival_rate, waits / mean, sum(p * min(n, servers) for n, p in enumerate(law)) / servers


@pytest.mark.parametrize("batch", CHANCES)
def test_who_waits_where_services_may_take_no_time(batch):
    """A batch finds nobody with probability 1 - rho; its k-th customer then waits unless k - 1 services took no time."""
    found = mxg1(0.6, 1.0, batch, ("empirical", (0.0, 1.0, 1.0, 2.0)))
    mean = sum(k * p for k, p in enumerate(CHANCES[batch], 1))
    at_once = sum(p * sum(0.25**j for j in range(k)) for k, p in enumerate(CHANCES[batch], 1))
    assert found["probability_wait"] == pytest.approx(1 - 0.4 * at_once / mean, rel=1e-12)


@pytest.mark.parametrize("batch", CHANCES)
@pytest.mark.parametrize(("servers", "theta"), [(1, None), (3, None), (7, None), (1, 0.4), (5, 1.5)])
def test_exponential_services_beside_a_dense_chain(batch, servers, theta):
    """With patience in overload, 1.2 customers for each that can be served."""
    service_rate = 1.5
    arrival_rate = service_rate * servers * (0.75 if theta is None else 1.2)
    found = mxmc(arrival_rate, service_rate, servers, batch, theta)
    wait, waits, busy = dense(arrival_rate, service_rate, servers, CHANCES[batch], theta or 0.0)
    assert found["waiting_time"] == pytest.approx(wait, rel=1e-9)
    assert found["queue_length"] == pytest.approx(wait * arrival_rate, rel=1e-9)
    assert found["probability_wait"] == pytest.approx(waits, rel=1e-9)
    assert found["utilisation"] == pytest.approx(busy, rel=1e-9)
    assert found["probability_abandon"] == pytest.approx((theta or 0.0) * wait, rel=1e-9)
    assert found["sojourn_time"] == pytest.approx(wait + busy * servers / arrival_rate, rel=1e-9)


@pytest.mark.parametrize(
    ("arrival_rate", "servers", "theta"),
    [(0.8, 1, None), (0.001, 50, None), (95.0, 100, None), (1020.0, 1024, None), (12.0, 10, 1.0), (120.0, 100, 0.5)],
)
def test_batches_of_one_are_erlang_c_and_a(arrival_rate, servers, theta):
    found, chain = mxmc(arrival_rate, 1.0, servers, ONE, theta), mmc(arrival_rate, 1.0, servers, theta)
    for name in ("waiting_time", "queue_length", "probability_wait", "probability_abandon", "utilisation"):
        assert found[name] == pytest.approx(chain[name], rel=1e-10), name


@pytest.mark.parametrize("batch", CHANCES)
def test_one_exponential_server_three_ways(batch):
    """By level crossing, by Pollaczek and Khinchine, and L = rho (E X + E X^2) / (2 E X (1 - rho)), by hand."""
    k, p = np.arange(1, len(CHANCES[batch]) + 1), np.array(CHANCES[batch])
    length = 0.8 * (k @ p + k**2 @ p) / (2 * (k @ p) * 0.2)
    general, chain = mxg1(1.6, 2.0, batch, EXPONENTIAL), mxmc(1.6, 2.0, 1, batch)
    assert general["queue_length"] == pytest.approx(length - 0.8, rel=1e-12)
    assert general == pytest.approx({name: chain[name] for name in general}, rel=1e-12)


@pytest.mark.parametrize("law", [("erlang", 3), ("lognormal", 2.0), ("pareto", 2.5), DETERMINISTIC])
def test_batches_of_one_are_pollaczek_and_khinchine(law):
    known = mg1(0.7, 1.25, law)
    assert mxg1(0.7, 1.25, ONE, law) == pytest.approx(
        {n: x for n, x in known.items() if "variance" not in n}, rel=1e-12
    )


def test_a_batch_with_one_long_work_is_a_geometric_sum():
    """Exponential services, geometric batches of mean 3: a batch is exponential work of rate mu/3. 14 = 12 + 2, and of
    customers 1 - .2/3 wait."""
    found = mxg1(0.8, 1.0, GEOMETRIC, EXPONENTIAL)
    assert found["waiting_time"] == pytest.approx(14, rel=1e-12)
    assert found["probability_wait"] == pytest.approx(1 - 0.2 / 3, rel=1e-12)


def event_list(servers, gaps, sizes, services):
    """Mean wait and share of those who wait, of customers served in order: servers in a heap of the times they are free."""
    free, waits = [0.0] * servers, np.zeros(services.size)
    arrivals, services = np.repeat(np.cumsum(gaps), sizes).tolist(), services.tolist()
    for i, (now, service) in enumerate(zip(arrivals, services, strict=True)):
        begins = max(free[0], now)
        heapq.heapreplace(free, begins + service)
        waits[i] = begins - now
    return waits[2000:].mean(), (waits[2000:] > 0).mean()


def check_by_hand(found, servers, gap, size, service, batches=6000):
    runs = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        sizes = size(generator, batches)
        runs.append(event_list(servers, gap(generator, batches), sizes, service(generator, sizes.sum())))
    mean, error = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    exact = np.array([found["waiting_time"], found["probability_wait"]])
    assert np.all(error < 0.015 * exact), "no power"
    assert np.all(np.abs(mean - exact) < 4.5 * error)


def mixed(generator, count):
    return generator.choice([1, 2, 4], count, p=[0.5, 0.3, 0.2])


def test_general_services_by_an_event_list():
    """Uniform services: two moments are those of the two values 1 - sqrt(1/3) and 1 + sqrt(1/3)."""
    law = "empirical", (1 - math.sqrt(1 / 3), 1 + math.sqrt(1 / 3))
    found = mxg1(0.6, 1.0, MIXED, law)
    check_by_hand(found, 1, lambda g, n: g.exponential(1.9 / 0.6, n), mixed, lambda g, n: g.uniform(0, 2, n))


def test_several_servers_by_an_event_list():
    found = mxmc(1.5, 1.0, 3, MIXED)
    check_by_hand(found, 3, lambda g, n: g.exponential(1.9 / 1.5, n), mixed, lambda g, n: g.exponential(1.0, n))


def test_geometric_batches_at_constant_gaps_by_an_event_list():
    found = gmc(1.2, 1.0, 2, DETERMINISTIC, 3.0)
    check_by_hand(
        found,
        2,
        lambda _, n: np.full(n, 3 / 1.2),
        lambda g, n: g.geometric(1 / 3, n),
        lambda g, n: g.exponential(1.0, n),
    )


@pytest.mark.parametrize("servers", [1, 3, 20])
def test_geometric_batches_are_gaps_that_may_be_none(servers):
    """Of Poisson batches the chain says the same; of constant gaps the empirical law of values 0, 0 and 1."""
    chain, roots = mxmc(0.8 * servers, 1.0, servers, GEOMETRIC), gmc(0.8 * servers, 1.0, servers, EXPONENTIAL, 3.0)
    assert roots == pytest.approx({name: chain[name] for name in roots}, rel=1e-10)
    values = gmc(0.8 * servers, 1.0, servers, ("empirical", (0.0, 0.0, 1.0)))
    assert gmc(0.8 * servers, 1.0, servers, DETERMINISTIC, 3.0) == pytest.approx(values, rel=1e-10)


@pytest.mark.parametrize("batch", CHANCES)
@pytest.mark.parametrize("servers", [1, 4])
def test_the_bound_is_above_what_is_exact(batch, servers):
    rates = 0.9 * servers, 1.0
    bound = ggc_bound(*rates, servers, EXPONENTIAL, EXPONENTIAL, batch)
    assert mxmc(*rates, servers, batch)["waiting_time"] < bound
    if batch == GEOMETRIC:
        assert gmc(*rates, servers, DETERMINISTIC, 3.0)["waiting_time"] < ggc_bound(
            *rates, servers, DETERMINISTIC, EXPONENTIAL, batch
        )


def test_the_bound_without_batches_is_kingmans_and_near_in_heavy_traffic():
    laws = ("erlang", 2), ("gamma", 2.0)
    assert ggc_bound(0.8, 1.0, 1, *laws) == ggc_bound(0.8, 1.0, 1, *laws, ONE)
    assert ggc_bound(0.8, 1.0, 1, *laws) == pytest.approx(gg1_bounds(0.8, 1.0, *laws)[1], rel=1e-12)
    exact = gmc(0.999, 1.0, 1, DETERMINISTIC, 3.0)["waiting_time"]
    assert ggc_bound(0.999, 1.0, 1, DETERMINISTIC, EXPONENTIAL, GEOMETRIC) == pytest.approx(exact, rel=0.002)


def test_what_is_not_solved():
    with pytest.raises(TooManyStates, match="batches of up to"):
        mxmc(2.0, 1.0, 1, ("geometric", 9000.0), 0.01)
    with pytest.raises(ValueError, match="no stationary regime"):
        mxmc(3.0, 1.0, 3, PAIRS)
    with pytest.raises(ValueError, match="no stationary regime"):
        mxg1(1.0, 1.0, PAIRS, EXPONENTIAL)
    with pytest.raises(ValueError, match="batch_mean = 0.5"):
        gmc(0.5, 1.0, 1, EXPONENTIAL, 0.5)
    assert mxg1(0.5, 1.0, PAIRS, ("pareto", 1.5))["waiting_time"] == math.inf
