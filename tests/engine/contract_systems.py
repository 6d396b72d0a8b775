"""Systems of the papers in a few lines each, to prove that the contract carries them unchanged (not part of the package)."""

import jax.numpy as jnp

import jaxq
from jaxq import random


class ShadowRouting(jaxq.JumpProcess):
    """SHADOW-RM, drop version, on the X-model of the overload paper (set A): real clock, virtual queues that drift.

    State: busy counts z13, z14, z23, z24, queue counts of each pool by class, virtual queues Q3, Q4.
    """

    eta: float = jaxq.positive("step of the virtual queues", default=0.1)

    mu = {(1, 3): 4.0, (1, 4): 1.0, (2, 3): 4.0, (2, 4): 4.0}
    arrival_rates = {1: 250.0, 2: 600.0}
    reward = {1: 1.0, 2: 1.9}
    servers = 100

    def init(self, words):
        return {"z": dict.fromkeys(self.mu, 0), "q": dict.fromkeys(self.mu, 0), "v": {3: 10.0, 4: 10.0}}

    def rates(self, state):
        z, q = state["z"], state["q"]
        return (*self.arrival_rates.values(), *[m * z[e] for e, m in self.mu.items()], *[1.0 * q[e] for e in self.mu])

    def drift(self, state, elapsed):
        return {**state, "v": {j: jnp.maximum(v - self.servers * elapsed, 0.0) for j, v in state["v"].items()}}

    def jump(self, state, k):
        edges = list(self.mu)
        if k < 2:
            return self._arrival(state, k + 1)
        edge = edges[(k - 2) % 4]
        if k < 6:
            return self._completion(state, edge)
        return {**state, "q": {**state["q"], edge: state["q"][edge] - 1}}

    def _arrival(self, state, i):
        v = state["v"]
        third = v[3] / self.mu[i, 3] <= v[4] / self.mu[i, 4]
        z, q, new_v = dict(state["z"]), dict(state["q"]), dict(v)
        for j, here in ((3, third), (4, ~third)):
            taken = here & (self.reward[i] >= self.eta * v[j] / self.mu[i, j])
            idle = state["z"][1, j] + state["z"][2, j] < self.servers
            z[i, j] = z[i, j] + (taken & idle)
            q[i, j] = q[i, j] + (taken & ~idle)
            new_v[j] = v[j] + jnp.where(taken, 1 / self.mu[i, j], 0.0)
        return {"z": z, "q": q, "v": new_v}

    def _completion(self, state, edge):
        j, z, q = edge[1], dict(state["z"]), dict(state["q"])
        second = q[2, j] > 0
        first = ~second & (q[1, j] > 0)
        z[edge] = z[edge] - 1
        z[2, j], q[2, j] = z[2, j] + second, q[2, j] - second
        z[1, j], q[1, j] = z[1, j] + first, q[1, j] - first
        return {**state, "z": z, "q": q}

    def observe(self, state):
        earned = sum(self.reward[i] * self.mu[i, j] * z for (i, j), z in state["z"].items())
        return {"reward_rate": earned, "busy_1_4": state["z"][1, 4]}


class BalancedSaturation(jaxq.JumpProcess):
    """The N network under its balanced saturation policy (staffing paper, n = 100): an allocation policy, the busy counts
    are a function of the numbers in system."""

    arrival_rate_1: float = jaxq.positive("arrival rate of class 1, 1/time")
    arrival_rate_2: float = jaxq.positive("arrival rate of class 2, 1/time")
    servers_1: int = jaxq.whole("servers of pool 1")
    servers_2: int = jaxq.whole("servers of pool 2")
    target_12: int = jaxq.whole("servers of pool 2 set aside for class 1")
    mu_11: float = jaxq.positive("service rate", default=1.51)
    mu_12: float = jaxq.positive("service rate", default=0.98)
    mu_22: float = jaxq.positive("service rate", default=0.805)

    def init(self, words):
        return (0, 0)

    def _busy(self, state):
        x1, x2 = state
        target_22 = self.servers_2 - self.target_12
        z11 = jnp.minimum(x1, self.servers_1)
        rest = x1 - z11
        crowded_1, crowded_2 = rest >= self.target_12, x2 >= target_22
        z12 = jnp.where(crowded_2, jnp.minimum(rest, self.target_12), jnp.minimum(rest, self.servers_2 - x2))
        z22 = jnp.where(crowded_1, jnp.minimum(x2, target_22), jnp.minimum(x2, self.servers_2 - rest))
        return z11, z12, z22

    def rates(self, state):
        z11, z12, z22 = self._busy(state)
        return (self.arrival_rate_1, self.arrival_rate_2, self.mu_11 * z11 + self.mu_12 * z12, self.mu_22 * z22)

    def jump(self, state, k):
        x1, x2 = state
        return [(x1 + 1, x2), (x1, x2 + 1), (x1 - 1, x2), (x1, x2 - 1)][k]

    def total_rate_bound(self):
        return self.arrival_rate_1 + self.arrival_rate_2 + self.mu_11 * self.servers_1 + self.servers_2

    def observe(self, state):
        z11, z12, z22 = self._busy(state)
        return {"total_queue": state[0] + state[1] - z11 - z12 - z22, "idle_2": self.servers_2 - z12 - z22}


class TolledQueue(jaxq.System):
    """M/D/1 whose customers join if the workload is at most ``threshold``: indexed by customer, the state moves by a
    sampled interarrival time; joins are counted, revenue follows."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")
    threshold: float = jaxq.nonnegative("workload above which a customer balks, time")
    toll: float = jaxq.nonnegative("toll paid on joining", default=1.0)

    def init(self, words):
        return {"work": 0.0, "joined": 0}

    def next_event(self, state, words):
        gap = random.exponential(words[0]) / self.arrival_rate
        return gap, gap

    def update(self, state, event):
        joins = state["work"] <= self.threshold
        work = jnp.maximum(state["work"] + joins - event, 0.0)
        return {"work": work, "joined": state["joined"] + joins}

    def tally(self, state, event):
        return {"workload_on_arrival": state["work"]}

    def counters(self, state):
        return {"joined": state["joined"]}

    def metrics(self, sums):
        return {
            "probability_join": sums["joined"] / sums.events,
            "revenue": float(self.toll) * sums["joined"] / sums.time,
            "workload": sums["workload_on_arrival"] / sums.events,
        }
