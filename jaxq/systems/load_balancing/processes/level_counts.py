"""Parallel queues as counts: how many servers of each type have at least i jobs. An event costs the same for any n."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.fields import whole
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan
from jaxq.systems.load_balancing.policy import Policy, join_probabilities


class LevelCounts(MarkovProcess):
    """The compiled half of `LoadBalancing` for policies that keep queues short; see there.

    State: for each type the counts with at least 1, ..., B jobs, and the arrivals that found their server full.
    Transitions: departures from the deepest level up, the arrivals, departures of lone jobs, so that the rarest come first.
    """

    arrival_rate: float
    rates_of_types: Any  # mu_j, shape (M,)
    servers: Any  # N_j, shape (M,)
    weights: Any  # of one server in a draw, shape (M,); None
    policy: Policy
    groups: tuple = eqx.field(static=True)  # `ranking` of the cells
    limits: tuple = eqx.field(static=True)  # jobs at a server of each type at most, <= levels
    levels: int = whole("levels", static=True)
    observed: int = whole("1 to observe levels and joins", static=True, low=0)
    blocking: int = whole("1 if a full server loses its arrivals", static=True, low=0)

    scan = Scan(stride=5)

    @property
    def types(self):
        return self.servers.shape[0]

    def init(self, words):
        """As many servers busy, the fastest first, as serve the arrivals; no job waits."""
        left, found = self.arrival_rate, []
        for j in range(self.types):
            busy = jnp.minimum(jnp.int32(left / self.rates_of_types[j]), self.servers[j])
            left = jnp.maximum(left - self.rates_of_types[j] * self.servers[j], 0.0)
            found.append((busy, *(jnp.int32(0),) * (self.levels - 1)))
        return tuple(found), jnp.int32(0)

    def _beginning(self):
        return Beginning({"jobs": Number(size=int(self.servers.sum()))}, self._begun)

    def _begun(self, state, given):
        levels, first = [], 0
        for count, limit in zip(self.servers.tolist(), self.limits, strict=True):
            jobs = given["jobs"][first : first + count]
            Number(limit).read("jobs", max(jobs))
            levels.append(tuple(sum(x > i for x in jobs) for i in range(self.levels)))
            first += count
        return tuple(levels), state[1]

    def held(self, state):
        """Servers with exactly i jobs, i = 0..B, by type."""
        found = []
        for j, levels in enumerate(state[0]):
            edges = (self.servers[j], *levels, 0)
            found.append([edges[i] - edges[i + 1] for i in range(self.levels + 1)])
        return found

    def joins(self, held):
        """Probability that an arrival joins each cell."""
        servers = [self.servers[j] for j in range(self.types)]
        weights = None if self.weights is None else [self.weights[j] for j in range(self.types)]
        return join_probabilities(self.policy, self.groups, held, servers, weights)

    def _arrivals(self, held):
        """The transitions of an arrival: its probability, and 1 for the cell it joins (0 for others), by cell.

        Few are wanted. Ranks without ties have one; where all servers with as many jobs tie, it is one a type, as the level
        is known (JSQ).
        """
        if self._without_ties:
            found, before = {}, 0
            for ((j, i),) in self.groups:
                found[j, i] = (before == 0) & (held[j][i] > 0)
                before = before + held[j][i]
            return [(1.0, found)]
        if self._levels_tie:
            best, before = {}, 0
            for (_, i), *_ in self.groups:
                here = sum(mine[i] for mine in held)
                best[i] = (before == 0) & (here > 0)
                before = before + here
            sizes = [sum(jnp.where(wins, mine[i], 0) for i, wins in best.items()) for mine in held]
            total = jnp.maximum(sum(sizes), 1)
            return [(size / total, {(j, i): wins for i, wins in best.items()}) for j, size in enumerate(sizes)]
        joins = self.joins(held)
        cells = [(j, i) for i in range(self.levels, -1, -1) for j in range(self.types)]
        return [(joins[cell], {cell: 1}) for cell in cells]

    def rates(self, state):
        held = self.held(state)
        departures = [self.rates_of_types[j] * held[j][i] for i in range(self.levels, 0, -1) for j in range(self.types)]
        arrivals = [self.arrival_rate * chance for chance, _ in self._arrivals(held)]
        return (*departures[: -self.types], *arrivals, *departures[-self.types :])

    def jump(self, state, k):
        levels, lost = state
        deep, kinds = self.types * (self.levels - 1), self._kinds_of_arrivals
        if deep <= k < deep + kinds:
            joined = self._arrivals(self.held(state))[k - deep][1]
            added = [
                tuple(
                    c if (j, i) not in joined or i >= self.limits[j] else c + joined[j, i] for i, c in enumerate(mine)
                )
                for j, mine in enumerate(levels)
            ]
            full = [joined[j, limit] for j, limit in enumerate(self.limits) if (j, limit) in joined]
            return tuple(added), sum(full, lost) if full else lost
        from_top, j = divmod(k if k < deep else k - kinds, self.types)
        level, mine = self.levels - 1 - from_top, list(levels[j])
        mine[level] = mine[level] - 1
        return (*levels[:j], tuple(mine), *levels[j + 1 :]), lost

    @property
    def _without_ties(self) -> bool:
        return self.policy.draws == 0 and all(len(group) == 1 for group in self.groups)

    @property
    def _levels_tie(self) -> bool:
        """Whether each group is a whole level."""
        alike = len(self.groups) == self.levels + 1 and all(len({i for _, i in group}) == 1 for group in self.groups)
        return self.policy.draws == 0 and self.weights is None and alike

    @property
    def _kinds_of_arrivals(self) -> int:
        if self._without_ties:
            return 1
        return self.types * (1 if self._levels_tie else self.levels + 1)

    def total_rate_bound(self):
        return self.arrival_rate + sum(self.rates_of_types[j] * self.servers[j] for j in range(self.types))

    def observe(self, state):
        levels, _ = state
        seen = {f"busy_{j + 1}": levels[j][0] for j in range(self.types)}
        if self.levels > 1:
            seen["two_1"] = levels[0][1]
        seen["waiting"] = sum(count for mine in levels for count in mine[1:]) + jnp.int32(0)
        seen["all_busy"] = sum(mine[0] for mine in levels) == sum(self.servers[j] for j in range(self.types))
        if self.observed:
            for (j, i), chance in self.joins(self.held(state)).items():
                seen[f"joins_{j + 1}_{i}"] = chance
            for j in range(self.types):
                for i in range(1, self.levels):
                    seen[f"level_{j + 1}_{i + 1}"] = levels[j][i]
        return seen

    def counters(self, state):
        return {"lost": state[1]}

    def overflow(self, state):
        return False if self.blocking else state[1] > 0
