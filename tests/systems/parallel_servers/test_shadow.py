"""Shadow routing against a plain simulator, the planning optimum, its own rules, and plain simulations."""

import math
import random as plain_random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.processes.dispatch import Dispatch
from tests.agreement import check_agreement

TENTH = jaxq.Network([25, 60], [[4, 1], [4, 4]], [10, 10], [1, 1], [1, 1.9])
"""Set A at a tenth of its size; its prices are 4 and 4."""
MIXED = jaxq.Network([6, 9, 5], [[2, 1, 0], [1, 1.5, 1], [0, 0.7, 2]], [3, 4, 2], [0.5, 1, 2], [1, 1.5, 1.2])
LIGHT = jaxq.Network([14, 10], [[4, 1], [3, 4]], [5, 6], [1, 1], [1, 1.9])


class Witness:
    """The shadow algorithms and the system beside them, event by event, from the definitions in words."""

    def __init__(self, network, policy, eta, start, seed):
        self.rng, self.policy, self.eta = plain_random.Random(seed), policy, eta
        self.arrivals, self.theta, self.g = (
            x.tolist() for x in (network.arrival_rates, network.abandonment_rates, network.rewards)
        )
        self.mu, self.n = network.service_rates.tolist(), network.servers.tolist()
        self.revenue, self.load = list(start[0]), list(start[1])
        self.classes, self.pools = range(len(self.mu)), range(len(self.n))
        self.edges = [(i, j) for i in self.classes for j in self.pools if self.mu[i][j] > 0]
        self.busy = dict.fromkeys(self.edges, 0)
        self.line = {(again, *e): 0 for again in (False, True) for e in self.edges}
        self.tagged = [0] * len(self.mu)

    def idle(self, j):
        return self.n[j] - sum(z for (_, pool), z in self.busy.items() if pool == j)

    def arrive(self, i):
        mine = [j for j in self.pools if self.mu[i][j] > 0]
        again = False
        if self.policy != "shadow-lb":
            m = min(mine, key=lambda j: (self.revenue[j] / self.mu[i][j], -self.mu[i][j]))
            again = self.g[i] < self.eta * self.revenue[m] / self.mu[i][m]
            self.tagged[i] += again
            if not again:
                self.revenue[m] += 1 / self.mu[i][m]
            elif self.policy != "shadow-rm-tag":
                return
        if self.policy in ("shadow-lb", "shadow-tandem"):
            work = {(k, j): 1 / (self.n[j] * self.mu[k][j]) for k, j in self.edges}
            m = min(mine, key=lambda j: self.load[j] * work[i, j])
            self.load[m] += work[i, m]
            if self.eta * sum(self.load) >= 1:
                self.load = [max(p - max(work.values()), 0.0) for p in self.load]
        if self.idle(m) > 0:
            self.busy[i, m] += 1
        else:
            self.line[again, i, m] += 1

    def complete(self, i, j):
        self.busy[i, j] -= 1
        waiting = [(again, -self.g[k] * self.mu[k][j], k) for (again, k, p), y in self.line.items() if p == j and y]
        if waiting:
            again, _, k = min(waiting)
            self.line[again, k, j] -= 1
            self.busy[k, j] += 1

    def run(self, events, warmup):
        """Time averages: busy by edge, queues by class, prices by pool, tagged share by class."""
        sums, time, before = np.zeros(len(self.edges) + len(self.mu) + len(self.n)), 0.0, [0]
        for k in range(warmup + events):
            if k == warmup:
                before = list(self.tagged)
            rates = [*self.arrivals, *(self.mu[i][j] * z for (i, j), z in self.busy.items())]
            rates += [self.theta[i] * y for (_, i, _), y in self.line.items()]
            gap = self.rng.expovariate(sum(rates))
            fallen = [max(q - n * gap, 0.0) for q, n in zip(self.revenue, self.n, strict=True)]
            if k >= warmup:
                queues = [sum(y for (_, i, _), y in self.line.items() if i == own) for own in self.classes]
                # exact integral of a queue that falls to 0 at rate n
                area = [(q * q - f * f) / (2 * n) for q, f, n in zip(self.revenue, fallen, self.n, strict=True)]
                sums += [gap * z for z in self.busy.values()] + [gap * y for y in queues] + area
                time += gap
            self.revenue = fallen
            which = self.rng.choices(range(len(rates)), rates)[0]
            if which < len(self.arrivals):
                self.arrive(which)
            elif which < len(self.arrivals) + len(self.edges):
                self.complete(*self.edges[which - len(self.arrivals)])
            else:
                self.line[list(self.line)[which - len(self.arrivals) - len(self.edges)]] -= 1
        sums /= time
        sums[-len(self.n) :] *= self.eta
        tagged = [(t - b) / (time * rate) for t, b, rate in zip(self.tagged, before, self.arrivals, strict=True)]
        return np.array([*sums, *tagged])


@pytest.mark.parametrize(
    ("network", "policy", "eta", "start"),
    [
        (TENTH, "shadow-rm", 0.1, ([40, 40], [5, 5])),
        (TENTH, "shadow-tandem", 0.1, ([40, 40], [5, 5])),
        (MIXED, "shadow-rm-tag", 0.3, ([4, 4, 4], [0, 0, 0])),
        (MIXED, "shadow-lb", 0.1, ([0, 0, 0], [3, 3, 4])),
        (LIGHT, "shadow-tandem", 0.1, ([0, 0], [6, 4])),
    ],
    ids=["drop", "tandem", "tag", "balance", "light"],
)
def test_shadow_routing_meets_the_plain_simulator(network, policy, eta, start):
    found = jaxq.simulate(jaxq.ParallelServers(network=network, policy=policy, eta=eta), replicas=128, events=40_000)
    warmup = 2_000 if network is LIGHT else 4_000
    runs = np.array([Witness(network, policy, eta, start, seed).run(2 * warmup, warmup) for seed in range(8)])
    means, errors = runs.mean(axis=0), runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    edges = [(i, j) for i, row in enumerate(network.service_rates) for j, mu in enumerate(row) if mu > 0]
    names = [f"busy_{i + 1}_{j + 1}" for i, j in edges] + [f"queue_{i}" for i in network.classes]
    names += [f"price_{j}" for j in network.pools] + [f"tagged_{i}" for i in network.classes]
    compared = [name for name in names if name in found.metrics]
    assert len(compared) == len(names) - (len(network.pools) + len(network.classes)) * (policy == "shadow-lb")
    for name, mean, error in zip(names, means, errors, strict=True):
        if name in compared:
            metric = found[name]
            spread = math.hypot(error, metric.standard_error)
            assert spread < 0.02 * (1 if name.startswith("tagged") else network.servers.sum()), "no power"
            # six: eight runs have the long tails of Student's law; a count that happens to no witness has no error
            assert abs(metric.mean - mean) <= 6 * spread + 1e-3, name


# --- rules --------------------------------------------------------------------------------------------------------------


def arrival(policy, network, i):
    """The state after one arrival of class i at the empty system with empty virtual queues."""
    prepared = jaxq.ParallelServers(network=network, policy=policy).process()
    assert isinstance(prepared, Dispatch)
    state = prepared.init((jnp.uint32(0),))._replace(memory=(jnp.float32(0),) * 2)
    first = len(jax.eval_shape(lambda x: prepared.rates(x), state)) - len(prepared.graph.classes)
    return prepared, jax.jit(lambda x, k: prepared.transition(x, k))(state, jnp.int32(first + i))


@pytest.mark.parametrize("policy", ["shadow-rm", "shadow-rm-tag"])
def test_ties_go_to_the_faster_pool(policy):
    """Class 1 is faster at pool 2, class 2 at pool 1; both pools are empty, so both prices are 0."""
    for i, pool in ((0, 1), (1, 0)):
        prepared, state = arrival(policy, NETWORKS["x"], i)
        taken = [prepared.graph.edges[e] for e, z in enumerate(state.busy) if int(z)]
        assert taken == [(i, pool)]
        wanted = [0.0, 0.0]
        wanted[pool] = 1 / NETWORKS["x"].service_rates[i, pool]
        np.testing.assert_allclose(state.memory, wanted, rtol=1e-6)


def test_virtual_queues_fall_at_the_rate_of_their_pool_and_stop_at_zero():
    prepared, state = arrival("shadow-rm", NETWORKS["x"], 0)
    np.testing.assert_allclose(prepared.drift(state, 1 / 300).memory, [0, 1 / 1.5 - 1 / 3], atol=1e-6)
    assert [float(q) for q in prepared.drift(state, 1.0).memory] == [0, 0]


# --- values of plain simulations, with 95 % half-widths: those of set A under c-mu/theta by `python benchmarks/witnesses.py
# x-model`; the others in notebooks/mathematics/parallel_servers.md, section 5 (witnesses.py has shadow routing too)


def check_values(result, values, share=0.05):
    for name, (value, half_width) in values.items():
        check_agreement(result[name], value, share, error=half_width / 1.96)
    assert all(abs(metric.z) < 4.5 for metric in result.metrics.values() if metric.kind == "identity")


def test_set_a_under_c_mu_theta():
    result = jaxq.simulate(jaxq.ParallelServers(), replicas=256, events=400_000)
    values = {"busy_1_3": (13.4459, 0.045), "busy_1_4": (38.0659, 0.076), "queue_1": (158.176, 0.35)}
    values |= {"queue_2": (5.99672, 0.028), "abandonment_1": (0.632704, 0.0014), "reward_rate": (1220.36, 0.58)}
    check_values(result, values, 0.005)
    # of a longer plain simulation: notebooks/mathematics/parallel_servers.md, section 5
    values = {"busy_1_3": (13.427, 0.018), "busy_1_4": (38.049, 0.030), "queue_1": (158.30, 0.12)}
    values |= {"queue_2": (6.002, 0.011), "abandonment_1": (0.6330, 0.0004), "reward_rate": (1220.54, 0.22)}
    check_values(result, values, 0.005)
    assert result["abandonment_2"].mean == pytest.approx(0.01003, abs=1e-4)


def test_slow_strangers():
    """mu14 = .01: the chain relaxes on a time scale of 100."""
    system = jaxq.ParallelServers(network="x-model-slow")
    result = jaxq.simulate(system, replicas=64, events=400_000, warmup=1_500_000)
    check_values(result, {"abandonment_1": (0.99120, 0.00008), "queue_2": (46.9, 0.1), "reward_rate": (1053.0, 0.1)})


@pytest.fixture(scope="module")
def drop():
    """Set A under SHADOW-RM."""
    system = jaxq.ParallelServers(policy="shadow-rm")
    return jaxq.simulate(system, replicas=128, events=150_000, warmup=50_000, seed=1)


def test_set_a_under_shadow_routing(drop):
    tag = jaxq.simulate(jaxq.ParallelServers(policy="shadow-rm-tag"), replicas=128, events=100_000, warmup=20_000)
    values = {"reward_rate": (1315.9, 0.7), "busy_1_3": (48.25, 0.13), "busy_2_3": (49.77, 0.12)}
    check_values(drop, values | {"busy_2_4": (97.98, 0.06), "tagged_1": (0.1987, 0.0018)}, 0.03)
    check_values(tag, {"reward_rate": (1323.1, 0.6)}, 0.01)


@pytest.mark.parametrize("policy", ["lqfs", "c-mu-preemptive"])
def test_pools_without_a_choice_are_erlang_a(policy):
    # notebooks/mathematics/parallel_servers.md, section 5
    for network, queue in (
        (jaxq.Network([210], [[1]], [200], [0.5]), 22.3606),
        (jaxq.Network([400], [[4]], [100], [1]), 10.634),
    ):
        result = jaxq.simulate(jaxq.ParallelServers(network=network, policy=policy), replicas=128, events=200_000)
        check_agreement(result["queue_1"], queue, 0.02)


def test_the_reference_workload():
    """Two classes that prefer different pools; values of a simulator in C, with their half-widths."""
    system = jaxq.ParallelServers(network="x", policy="priority", priorities="2 > 1", preferences="1: 1 > 2; 2: 2 > 1")
    result = jaxq.simulate(system, replicas=256, events=400_000)
    check_values(result, {"queue_1": (125.825, 0.008), "queue_2": (2.7111, 0.0007)}, 0.005)


def test_prices_that_keep_a_phase_do_not_hold_a_run_up(drop):
    """Both pools of set A fall alike and are charged multiples of 1/4: the difference of their virtual queues stays on the
    lattice that it began on, another in each replica, so that price_4 remembers without end. The run ends all the same,
    with the prices of a long one."""
    system = jaxq.ParallelServers(policy="shadow-rm")
    found = jaxq.simulate(system, replicas=512, max_events=5 * 10**8)
    assert found.flags == () and found["price_4"].half_width < 0.002
    for name in ("price_3", "price_4", "reward_rate"):
        width = np.hypot(found[name].half_width, drop[name].half_width)
        assert abs(found[name].mean - drop[name].mean) < 2 * width < 0.003 * found[name].mean
