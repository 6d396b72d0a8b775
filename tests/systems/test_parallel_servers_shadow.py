"""Shadow routing against a plain simulator, the planning optimum and its own rules; values of the specification."""

import math
import random as plain_random

import numpy as np
import pytest

import jaxq

TENTH = jaxq.Network([25, 60], [[4, 1], [4, 4]], [10, 10], [1, 1], [1, 1.9])
"""Set A at a tenth of its size; its prices are 4 and 4."""
MIXED = jaxq.Network([6, 9, 5], [[2, 1, 0], [1, 1.5, 1], [0, 0.7, 2]], [3, 4, 2], [0.5, 1, 2], [1, 1.5, 1.2])
LIGHT = jaxq.Network([10, 12], [[4, 1], [3, 4]], [5, 6], [1, 1], [1, 1.9])


class Witness:
    """The shadow algorithms and the system beside them, event by event, from the specification's text."""

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
        sums, time, before = np.zeros(len(self.edges) + len(self.mu) + len(self.n)), 0.0, 0
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
        (TENTH, "shadow-rm-tag", 0.2, ([20, 20], [5, 5])),
        (TENTH, "shadow-tandem", 0.1, ([40, 40], [5, 5])),
        (MIXED, "shadow-rm-tag", 0.3, ([4, 4, 4], [0, 0, 0])),
        (MIXED, "shadow-lb", 0.1, ([0, 0, 0], [3, 3, 4])),
        (LIGHT, "shadow-tandem", 0.05, ([0, 0], [10, 10])),
    ],
)
def test_shadow_routing_meets_the_plain_simulator(network, policy, eta, start):
    found = jaxq.simulate(jaxq.ParallelServers(network=network, policy=policy, eta=eta), replicas=128, events=40_000)
    runs = np.array([Witness(network, policy, eta, start, seed).run(12_000, 4_000) for seed in range(8)])
    means, errors = runs.mean(axis=0), runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    edges = [(i, j) for i, row in enumerate(network.service_rates) for j, mu in enumerate(row) if mu > 0]
    names = [f"busy_{i + 1}_{j + 1}" for i, j in edges] + [f"queue_{i}" for i in network.classes]
    names += [f"price_{j}" for j in network.pools] + [f"tagged_{i}" for i in network.classes]
    compared, scale = 0, float(network.servers.sum())
    for name, mean, error in zip(names, means, errors, strict=True):
        if name in found.metrics:
            metric, compared = found[name], compared + 1
            spread = math.hypot(error, metric.standard_error)
            # eight runs: quantiles of t are wide
            assert abs(metric.mean - mean) <= 6 * spread, name
            assert spread < 0.02 * (1 if name.startswith("tagged") else scale), "no power"
    assert compared == len(names) - (
        0 if policy.startswith(("shadow-rm", "shadow-t")) else len(means) - len(edges) - len(network.classes)
    )
